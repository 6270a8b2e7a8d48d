import { SegmentedControl } from '@mantine/core'
import { useState } from 'react'
import type { GoldenSignals, SignalGroup, SignalPoint, SignalSeries } from '../../../src/telemetry/questions/signals.ts'
import type { Party } from '../../../src/telemetry/questions/span-of-time.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { Dot } from '../parts/tag.tsx'
import { milliseconds, percent, rate } from '../parts/time.ts'
import type { Line } from './chart.tsx'
import { LazyChart } from './lazy-chart.tsx'
import { SPANS, type Span, STEPS, useChanges, useSignals } from './questions.ts'
import { SignalStats } from './signal-stats.tsx'

interface SignalChartsProps {
  readonly asked: { readonly source?: Party; readonly destination?: Party }
  readonly last: Span
  readonly by?: SignalGroup
  /** Numbers only. */
  readonly compact?: boolean
}

const TONES = ['note', 'good', 'warn', 'calm', 'bad'] as const

/** Rate, errors and durations over time, with marks where something was configured. */
export function SignalCharts({ asked, last: first, by, compact = false }: SignalChartsProps) {
  const [last, setLast] = useState<Span>(first)
  if (compact) return <SignalStats {...asked} last={last} />
  return (
    <div style={{ display: 'grid', gap: 16 }}>
      <SpanChoice last={last} setLast={setLast} />
      <Charts asked={asked} last={last} {...(by ? { by } : {})} />
    </div>
  )
}

export function SpanChoice({ last, setLast }: { readonly last: Span; readonly setLast: (span: Span) => void }) {
  return (
    <div>
      <SegmentedControl
        size="xs"
        aria-label="How far back"
        value={last}
        onChange={(value) => setLast(value as Span)}
        data={SPANS.map((value) => ({ value, label: value }))}
      />
    </div>
  )
}

function Charts({ asked, last, by }: Omit<SignalChartsProps, 'compact'>) {
  const answer = useSignals({ ...asked, last, step: STEPS[last], ...(by ? { by } : {}) })
  const { data: changes = [] } = useChanges(last, 50)
  return (
    <Answered to={answer}>
      {({ series }) => {
        const [whole] = series
        if (!whole)
          return (
            <Card>
              <Empty title="Nothing came in this time">Send it some requests, or look further back.</Empty>
            </Card>
          )
        const marks = changes.map(({ at }) => at)
        const times = whole.points.map(({ at }) => at)
        const lines = (of: (signals: GoldenSignals) => number | null): readonly Line[] =>
          series.slice(0, TONES.length).map((one, at) => ({
            name: seriesName(one),
            tone: TONES[at] ?? 'calm',
            values: aligned(times, one.points, of),
            filled: series.length === 1,
          }))
        return (
          <div className="grid">
            <Part
              title="Requests a second"
              span={6}
              times={times}
              lines={lines(({ requestRate }) => requestRate)}
              unit={rate}
              marks={marks}
            />
            <Part
              title="Errors"
              span={6}
              times={times}
              lines={lines(({ errorShare }) => errorShare)}
              unit={percent}
              marks={marks}
            />
            {series.length === 1 ? (
              <Part
                title="Durations"
                span={12}
                times={times}
                unit={milliseconds}
                marks={marks}
                lines={[
                  { name: 'p50', tone: 'good', values: whole.points.map(({ p50 }) => p50) },
                  { name: 'p90', tone: 'note', values: whole.points.map(({ p90 }) => p90) },
                  { name: 'p99', tone: 'warn', values: whole.points.map(({ p99 }) => p99) },
                ]}
              />
            ) : (
              <Part
                title="Durations, p99"
                span={12}
                times={times}
                lines={lines(({ p99 }) => p99)}
                unit={milliseconds}
                marks={marks}
              />
            )}
          </div>
        )
      }}
    </Answered>
  )
}

interface PartProps {
  readonly title: string
  readonly span: 6 | 12
  readonly times: readonly number[]
  readonly lines: readonly Line[]
  readonly unit: (value: number) => string
  readonly marks: readonly number[]
}

function Part({ title, span, times, lines, unit, marks }: PartProps) {
  const last = lines.map(
    ({ name, values }) => `${name || 'now'} ${unit(values.findLast((value) => value !== null) ?? 0)}`,
  )
  return (
    <Card title={title} span={span}>
      <LazyChart times={times} lines={lines} unit={unit} marks={marks} label={`${title}: ${last.join(', ')}`} />
      <div className="legend">
        {lines.length > 1 &&
          lines.map(({ name, tone }) => (
            <span key={name}>
              <Dot tone={tone} /> {name}
            </span>
          ))}
        {marks.length > 0 && <span>┆ something was configured</span>}
      </div>
    </Card>
  )
}

function seriesName({ key }: SignalSeries): string {
  return (
    key.version ?? key.service ?? key.workload ?? key.app ?? key.code ?? key.flags ?? key.route ?? key.namespace ?? ''
  )
}

/** Points of a series at the moments of another. */
function aligned(
  times: readonly number[],
  points: readonly SignalPoint[],
  of: (signals: GoldenSignals) => number | null,
): readonly (number | null)[] {
  const byTime = new Map(points.map((point) => [point.at, point]))
  return times.map((at) => {
    const point = byTime.get(at)
    return point ? of(point) : null
  })
}
