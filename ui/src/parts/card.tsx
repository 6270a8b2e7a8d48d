import { type ReactNode, useId } from 'react'

interface CardProps {
  readonly title?: ReactNode
  readonly aside?: ReactNode
  readonly span?: 3 | 4 | 5 | 6 | 7 | 8 | 12
  /** Whether what is in it reaches to its edges, as lists and tables do. */
  readonly flush?: boolean
  readonly children: ReactNode
}

/** A part of a page. */
export function Card({ title, aside, span = 12, flush = false, children }: CardProps) {
  const id = useId()
  return (
    <section className={`card span-${span}`} {...(title ? { 'aria-labelledby': id } : {})}>
      {(title || aside) && (
        <header>
          {title && <h2 id={id}>{title}</h2>}
          {aside && <div className="aside">{aside}</div>}
        </header>
      )}
      {flush ? children : <div className="card-body">{children}</div>}
    </section>
  )
}
