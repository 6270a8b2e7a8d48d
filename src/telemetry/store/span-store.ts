import type { Party } from '../questions/span-of-time.ts'
import type { Span, Trace, TraceSummary, TracesQuestion } from '../questions/traces.ts'
import { LedgerStore, type StoreOptions } from './ledger-store.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS spans (
  id INTEGER PRIMARY KEY AUTOINCREMENT, trace TEXT NOT NULL, span TEXT NOT NULL, at REAL NOT NULL, failed INTEGER NOT NULL, service TEXT NOT NULL, body TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS spans_trace ON spans (trace, span);
CREATE INDEX IF NOT EXISTS spans_at ON spans (at);
`

const USUAL_LIMIT = 50
/** How many traces are looked at for one answer, at most. */
const MOST_READ = 20_000
/** More spans than this are not shown of one trace. */
const MOST_SPANS = 5000

export interface SpanOfTrace extends Span {
  readonly traceId: string
}

/** Spans, bounded in bytes: the oldest go. */
export class SpanStore extends LedgerStore {
  constructor(options: StoreOptions) {
    super(options, SCHEMA)
  }

  /** One that is known already is kept as it was. @throws Error where they cannot be written: then none is kept */
  keep(spans: readonly SpanOfTrace[]): void {
    this.ledger.transaction(() => {
      for (const { traceId, ...span } of spans)
        this.ledger.run(
          'INSERT OR IGNORE INTO spans (trace, span, at, failed, service, body) VALUES (?, ?, ?, ?, ?, ?)',
          traceId,
          span.spanId,
          span.at,
          span.failed ? 1 : 0,
          span.service,
          JSON.stringify(span),
        )
    })
  }

  trace(traceId: string): Trace | undefined {
    const rows = this.ledger.all<{ body: string }>(
      `SELECT body FROM spans WHERE trace = ? ORDER BY at, id LIMIT ${MOST_SPANS}`,
      traceId,
    )
    return rows.length === 0 ? undefined : { traceId, spans: rows.map(({ body }) => JSON.parse(body) as Span) }
  }

  find({ from, to, party, failed, minDuration, limit = USUAL_LIMIT }: TracesQuestion): readonly TraceSummary[] {
    const found: TraceSummary[] = []
    const ids = this.ledger.each<{ trace: string }>(
      `SELECT trace FROM spans WHERE at >= ? AND at < ? GROUP BY trace ${failed ? 'HAVING max(failed) = 1 ' : ''}ORDER BY min(at) DESC LIMIT ${MOST_READ}`,
      from,
      to,
    )
    for (const { trace: traceId } of ids) {
      if (found.length >= limit) break
      const trace = this.trace(traceId)
      if (!trace || (party && !trace.spans.some((span) => isOf(span, party)))) continue
      const summary = summaryOf(trace)
      if (minDuration === undefined || summary.duration >= minDuration) found.push(summary)
    }
    return found
  }

  trim(): void {
    this.ledger.trimTable('spans')
  }
}

/** Proxies say in attributes of theirs what their workload is called. */
function isOf({ service, attributes }: Span, { namespace, workload, app, version, service: host }: Party): boolean {
  const says = (name: string, wanted: string | undefined) => wanted === undefined || attributes[name] === wanted
  return (
    says('weft.namespace', namespace) &&
    (workload === undefined || attributes['weft.workload'] === workload || service === workload) &&
    (app === undefined || attributes['weft.app'] === app || service === app) &&
    says('weft.version', version) &&
    (host === undefined || (attributes['upstream_cluster.name'] ?? attributes['upstream_cluster'] ?? '').includes(host))
  )
}

/** What was asked for, where a span says so: proxies call theirs after hosts and clusters, which are alike for all. */
function nameOf({ name, attributes }: Span): string {
  const url = attributes['http.url'] ?? attributes['url.full']
  const method = attributes['http.method'] ?? attributes['http.request.method']
  return url && method && URL.canParse(url) ? `${method} ${new URL(url).pathname}` : name
}

export function summaryOf({ traceId, spans }: Trace): TraceSummary {
  const at = Math.min(...spans.map((span) => span.at))
  const end = Math.max(...spans.map((span) => span.at + span.duration))
  const known = new Set(spans.map(({ spanId }) => spanId))
  const first = spans.find(({ parentId }) => !known.has(parentId)) ?? spans[0]
  return {
    traceId,
    at,
    duration: end - at,
    name: first ? nameOf(first) : '',
    service: first?.service ?? '',
    spans: spans.length,
    failedSpans: spans.filter(({ failed }) => failed).length,
    services: [...new Set(spans.map(({ service }) => service))],
  }
}
