import { Link } from 'wouter'
import type { GraphEdge, GraphNode } from '../../../src/telemetry/questions/graph.ts'
import type { Party } from '../../../src/telemetry/questions/span-of-time.ts'
import { Tag } from '../parts/tag.tsx'
import { percent } from '../parts/time.ts'
import { partyFields, type Span } from './questions.ts'

/** Calls of somebody, or of anybody, to somebody. */
export interface Calls {
  readonly source?: Party
  readonly destination: Party
}

/** The page that tells why they fail. */
export function whyPath({ source, destination }: Calls, last: Span): string {
  const query = new URLSearchParams({ last })
  for (const [name, value] of Object.entries({
    ...partyFields('source', source),
    ...partyFields('destination', destination),
  }))
    if (value) query.set(name, value)
  return `/why?${query}`
}

/** What an edge of the graph is about. Undefined where nobody can be asked about: a caller without a certificate stays out of the question. */
export function callsOf(edge: GraphEdge, from: GraphNode | undefined, to: GraphNode | undefined): Calls {
  return {
    ...(from?.kind === 'workload' ? { source: { namespace: from.namespace, workload: from.name } } : {}),
    destination:
      to?.kind === 'workload' ? { namespace: to.namespace, workload: to.name } : { service: edge.service || '' },
  }
}

interface ErrorShareProps {
  readonly share: number
  /** Of the most frequent failure. */
  readonly flags?: string | undefined
  readonly calls: Calls
  readonly last: Span
}

/** How many fail, and the way to why. */
export function ErrorShare({ share, flags = '', calls, last }: ErrorShareProps) {
  if (share === 0) return '0 %'
  return (
    <Link to={whyPath(calls, last)} title="Why?">
      <Tag tone={share >= 0.05 ? 'bad' : 'warn'}>
        {percent(share)} {flags} <span aria-hidden="true">›</span>
      </Tag>
    </Link>
  )
}
