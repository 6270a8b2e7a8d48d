import { SegmentedControl } from '@mantine/core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { TraceSummary } from '../../../src/telemetry/questions/traces.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Page } from '../parts/page.tsx'
import { Tag } from '../parts/tag.tsx'
import { clock, milliseconds } from '../parts/time.ts'
import { type Span, useTelemetry } from './questions.ts'
import { SpanChoice } from './signal-charts.tsx'

/** Requests on their way through all services. */
export default function TracesPage() {
  const [last, setLast] = useState<Span>('15m')
  const [failed, setFailed] = useState('all')
  const answer = useTelemetry<readonly TraceSummary[]>('traces', {
    last,
    failed: failed === 'failed' ? 'true' : undefined,
    minDuration: failed === 'slow' ? '500ms' : undefined,
    limit: '100',
  })
  return (
    <Page
      title="Traces"
      lead="Requests on their way through all services, the newest first."
      tools={
        <>
          <SegmentedControl
            size="xs"
            aria-label="Which"
            value={failed}
            onChange={setFailed}
            data={[
              { value: 'all', label: 'All' },
              { value: 'failed', label: 'Failed' },
              { value: 'slow', label: 'Slow' },
            ]}
          />
          <SpanChoice last={last} setLast={setLast} />
        </>
      }
    >
      <Card flush>
        <Answered to={answer}>
          {(traces) => (
            <DataTable
              label="Traces"
              rows={traces}
              columns={COLUMNS}
              rowKey={({ traceId }) => traceId}
              text={({ name, services, traceId }) => `${name} ${services.join(' ')} ${traceId}`}
              empty={
                <Empty title="No trace in this time">
                  A Telemetry object says which share of requests is traced (tracing.randomSamplingPercentage).
                </Empty>
              }
            />
          )}
        </Answered>
      </Card>
    </Page>
  )
}

const COLUMNS: readonly Column<TraceSummary>[] = [
  { title: 'Time', by: ({ at }) => at, cell: ({ at }) => <span className="number">{clock(at)}</span> },
  {
    title: 'Request',
    by: ({ name }) => name,
    cell: ({ traceId, name, service }) => (
      <>
        <Link className="link" to={`/traces/${traceId}`}>
          {name}
        </Link>
        <div className="sub">{service}</div>
      </>
    ),
  },
  { title: 'Services', cell: ({ services }) => <span className="wrap">{services.join(' → ')}</span> },
  { title: 'Spans', right: true, by: ({ spans }) => spans, cell: ({ spans }) => spans },
  {
    title: 'Failed',
    right: true,
    by: ({ failedSpans }) => failedSpans,
    cell: ({ failedSpans }) => (failedSpans > 0 ? <Tag tone="bad">{failedSpans}</Tag> : '0'),
  },
  { title: 'Duration', right: true, by: ({ duration }) => duration, cell: ({ duration }) => milliseconds(duration) },
]
