import { useState } from 'react'
import { Link, useSearch } from 'wouter'
import type { Party } from '../../../src/telemetry/questions/span-of-time.ts'
import type { TraceSummary } from '../../../src/telemetry/questions/traces.ts'
import type { Failure, WhyAnswer } from '../../../src/telemetry/questions/why.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { Page } from '../parts/page.tsx'
import { plural, Tag } from '../parts/tag.tsx'
import { ago, clock, milliseconds, percent, rate } from '../parts/time.ts'
import { ChangeList } from './change-list.tsx'
import { LogTable } from './log-table.tsx'
import { SPANS, type Span, useTelemetry } from './questions.ts'
import { SignalCharts, SpanChoice } from './signal-charts.tsx'

/** From a bad number to its cause: what failed and what that means, requests that did, when it began, and what was configured just before. */
export default function WhyPage() {
  const query = new URLSearchParams(useSearch())
  const [last, setLast] = useState<Span>(SPANS.find((one) => one === query.get('last')) ?? '15m')
  query.set('last', last)
  const [source, destination] = [party(query, 'source'), party(query, 'destination')]
  const answer = useTelemetry<WhyAnswer>('why', Object.fromEntries(query), destination !== undefined)
  return (
    <Page
      title="Why?"
      lead={destination && `Calls ${source ? `of ${nameOf(source)} ` : ''}to ${nameOf(destination)}`}
      {...(destination?.service ? { of: { text: nameOf(destination), to: `/services/${destination.service}` } } : {})}
      {...(destination?.workload
        ? { of: { text: nameOf(destination), to: `/workloads/${destination.namespace}/${destination.workload}` } }
        : {})}
      tools={<SpanChoice last={last} setLast={setLast} />}
    >
      {destination ? (
        <Answered to={answer}>
          {(why) => (
            <div className="grid">
              <SignalCharts key={last} asked={{ ...(source ? { source } : {}), destination }} last={last} compact />
              <Causes why={why} last={last} />
            </div>
          )}
        </Answered>
      ) : (
        <Card>
          <Empty title="Nobody is named whose calls fail">
            Click on a number of errors, such as those of an edge in the{' '}
            <Link className="plain" to="/topology">
              topology
            </Link>
            .
          </Empty>
        </Card>
      )}
    </Page>
  )
}

function party(query: URLSearchParams, role: string): Party | undefined {
  const fields = [...query].flatMap(([name, value]) =>
    name.startsWith(`${role}.`) ? [[name.slice(role.length + 1), value]] : [],
  )
  return fields.length > 0 ? Object.fromEntries(fields) : undefined
}

function nameOf({ service, workload, namespace, app }: Party): string {
  if (service !== undefined) return service.replace(/\.svc\.cluster\.local$/, '')
  return [workload ?? app, namespace].filter(Boolean).join('.')
}

function Causes({ why: { edges, failures, since, changes, traces }, last }: { why: WhyAnswer; last: Span }) {
  if (failures.length === 0)
    return (
      <Card>
        <Empty title={edges.length === 0 ? 'Nobody called it' : 'Nothing failed'}>In the last {last}.</Empty>
      </Card>
    )
  return (
    <>
      <div className="column span-8">
        {failures.map((failure) => (
          <FailureCard key={`${failure.code} ${failure.flags}`} failure={failure} />
        ))}
      </div>
      <div className="column span-4">
        <Card title="Since when">
          {since === null ? (
            `It failed in all of the last ${last}, or before.`
          ) : (
            <>
              It began <strong>{ago(since)}</strong>, about {clock(since)}.
            </>
          )}
        </Card>
        <Card title={since === null ? 'What was configured in that time' : 'What was configured just before'} flush>
          {changes.length === 0 ? <Empty title="Nothing" /> : <ChangeList changes={changes} />}
        </Card>
        <Card title="Traces with failures" flush>
          {traces.length === 0 ? (
            <Empty title="None was traced">
              A Telemetry object says which share of requests is (tracing.randomSamplingPercentage).
            </Empty>
          ) : (
            <TraceList traces={traces} />
          )}
        </Card>
        {edges.length > 1 && (
          <Card title="Edges" flush>
            <ul className="list">
              {edges.map(({ id, source, destination, signals }) => (
                <li key={id} className="wrap">
                  {short(source)} → {short(destination)}
                  <div className="sub">
                    {rate(signals.requestRate)}/s, {percent(signals.errorShare)} failed, p99 {milliseconds(signals.p99)}
                  </div>
                </li>
              ))}
            </ul>
          </Card>
        )}
      </div>
    </>
  )
}

function short(id: string): string {
  return id === 'unknown' ? 'unknown clients' : id.replace(/^(workload|service) /, '')
}

function FailureCard({ failure: { code, flags, count, meaning, look, logs } }: { readonly failure: Failure }) {
  const name = [code === '0' ? 'no answer' : code, flags].filter(Boolean).join(' ') || 'connections'
  return (
    <Card
      title={
        <>
          <Tag tone="bad">{name}</Tag> {count > 0 && plural(Math.round(count), 'time')}
        </>
      }
      flush
    >
      <div className="card-body wrap">
        <p>{ended(meaning)}</p>
        <p className="sub">
          <strong>Look at:</strong> {ended(look)}
        </p>
      </div>
      {logs.length > 0 && <LogTable entries={logs} />}
    </Card>
  )
}

/** Some end by themselves; names of fields stay small. */
function ended(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}

function TraceList({ traces }: { readonly traces: readonly TraceSummary[] }) {
  return (
    <ul className="list">
      {traces.map(({ traceId, name, at, duration, services }) => (
        <li key={traceId} className="wrap">
          <Link className="link" to={`/traces/${traceId}`}>
            {name}
          </Link>
          <div className="sub">
            {clock(at)} · {milliseconds(duration)} · {services.join(' → ')}
          </div>
        </li>
      ))}
    </ul>
  )
}
