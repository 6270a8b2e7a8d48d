import type { GoldenSignals, SignalPoint } from '../../../src/telemetry/questions/signals.ts'
import { milliseconds, percent, rate } from '../parts/time.ts'
import type { Line } from './chart.tsx'
import { LazyChart } from './lazy-chart.tsx'
import { type SignalsAsked, type Span, STEPS, useSignals } from './questions.ts'

interface SignalStatsProps extends Omit<SignalsAsked, 'last'> {
  readonly last: Span
}

/** The golden signals in four numbers, each with how it was. Nothing where there is no telemetry. */
export function SignalStats({ last, ...asked }: SignalStatsProps) {
  const { data } = useSignals({ ...asked, last, step: STEPS[last] })
  const [series] = data?.series ?? []
  if (!series) return null
  const { total, points } = series
  return (
    <>
      <Signal
        name="Requests"
        value={rate(total.requestRate)}
        unit="/s"
        points={points}
        of={({ requestRate }) => requestRate}
        tone="note"
        more={`${Math.round(total.requests)} in the last ${last}`}
      />
      <Signal
        name="Errors"
        value={percent(total.errorShare)}
        points={points}
        of={({ errorShare }) => errorShare}
        tone={total.errorShare > 0 ? 'bad' : 'good'}
        more={total.errors > 0 ? `${Math.round(total.errors)} failed` : 'none failed'}
      />
      <Signal
        name="Duration, p99"
        value={milliseconds(total.p99)}
        points={points}
        of={({ p99 }) => p99}
        tone="note"
        more={`half take up to ${milliseconds(total.p50)}`}
      />
      <Signal
        name="Saturation"
        value={Math.round(total.saturated)}
        unit="turned away"
        points={points}
        of={({ saturated }) => saturated}
        tone={total.saturated > 0 ? 'warn' : 'good'}
        more="as something was full"
      />
    </>
  )
}

interface SignalProps {
  readonly name: string
  readonly value: string | number
  readonly unit?: string
  readonly more: string
  readonly points: readonly SignalPoint[]
  readonly of: (signals: GoldenSignals) => number | null
  readonly tone: Line['tone']
}

function Signal({ name, value, unit, more, points, of, tone }: SignalProps) {
  return (
    <div className="card span-3">
      <div className="stat">
        <div className="name">{name}</div>
        <div className="value">
          {value}
          {unit && <small>{unit}</small>}
        </div>
        <div className="more">{more}</div>
      </div>
      {points.length > 1 && (
        <LazyChart
          bare
          height={42}
          label={`${name} over time`}
          times={points.map(({ at }) => at)}
          lines={[{ name, values: points.map(of), tone, filled: true }]}
          unit={String}
        />
      )}
    </div>
  )
}
