import type { ReactNode } from 'react'
import { useEffect } from 'react'
import { Link } from 'wouter'

interface PageProps {
  readonly title: string
  readonly lead?: ReactNode
  /** Where this is part of. */
  readonly of?: { readonly text: string; readonly to: string }
  readonly tools?: ReactNode
  readonly children: ReactNode
}

/** A page with its heading, which is the window's title, too. */
export function Page({ title, lead, of, tools, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Weft`
  }, [title])
  return (
    <div className="page">
      <div className="page-head">
        <div>
          {of && (
            <div className="crumb">
              <Link to={of.to}>{of.text}</Link> /
            </div>
          )}
          <h1>{title}</h1>
          {lead && <p>{lead}</p>}
        </div>
        {tools && <div className="row">{tools}</div>}
      </div>
      {children}
    </div>
  )
}
