import { useState } from 'react'
import type { Span, Trace } from '../../../src/telemetry/questions/traces.ts'
import { Answered } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { Page } from '../parts/page.tsx'
import { clock, milliseconds } from '../parts/time.ts'
import { useTelemetry } from './questions.ts'

/** One request through all services, span by span. */
export default function TracePage({ id }: { readonly id: string }) {
  const answer = useTelemetry<Trace>(`traces/${id}`, {})
  return (
    <Page title="Trace" lead={<span className="mono wrap">{id}</span>} of={{ text: 'Traces', to: '/traces' }}>
      <Answered to={answer}>{(trace) => <Spans trace={trace} />}</Answered>
    </Page>
  )
}

function Spans({ trace: { spans } }: { readonly trace: Trace }) {
  const [open, setOpen] = useState<string>()
  const start = Math.min(...spans.map(({ at }) => at))
  const whole = Math.max(...spans.map(({ at, duration }) => at + duration)) - start || 1
  return (
    <Card title={`${spans.length} spans in ${milliseconds(whole)}, at ${clock(start)}`} flush>
      <div className="spans" style={{ marginTop: 10 }}>
        {nested(spans).map(({ span, depth }) => {
          const { spanId, name, service, at, duration, failed, attributes } = span
          return (
            <div key={spanId}>
              <div className="span-line">
                <button
                  type="button"
                  aria-expanded={open === spanId}
                  onClick={() => setOpen(open === spanId ? undefined : spanId)}
                  style={{ all: 'unset', cursor: 'pointer', paddingLeft: depth * 14, overflowWrap: 'anywhere' }}
                >
                  <strong>{service}</strong> <span className="muted">{name}</span>
                </button>
                <div className="track" aria-hidden="true">
                  <span
                    className={failed ? 'failed' : ''}
                    style={{ left: `${((at - start) / whole) * 100}%`, width: `${(duration / whole) * 100}%` }}
                  />
                </div>
                <span className="number" style={{ textAlign: 'right' }}>
                  {milliseconds(duration)}
                  {failed && <span className="sub"> failed</span>}
                </span>
              </div>
              {open === spanId && (
                <dl className="facts card-body mono">
                  {Object.entries(attributes).map(([key, value]) => (
                    <div key={key} style={{ display: 'contents' }}>
                      <dt>{key}</dt>
                      <dd>{value}</dd>
                    </div>
                  ))}
                </dl>
              )}
            </div>
          )
        })}
      </div>
    </Card>
  )
}

/** Each span below its parent. */
function nested(spans: readonly Span[]): readonly { readonly span: Span; readonly depth: number }[] {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const children = Map.groupBy(spans, ({ parentId }) => (known.has(parentId) ? parentId : ''))
  const rows: { span: Span; depth: number }[] = []
  const add = (parent: string, depth: number) => {
    for (const span of children.get(parent) ?? []) {
      rows.push({ span, depth })
      add(span.spanId, depth + 1)
    }
  }
  add('', 0)
  return rows
}
