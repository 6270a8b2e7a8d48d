import type { TimeSpan } from '../questions/span-of-time.ts'
import type { Measurement } from './measurement.ts'
import type { SeriesLabels } from './series.ts'

/** What was counted of one series in some time: all, and by point. */
export interface Measured {
  readonly labels: SeriesLabels
  readonly total: Measurement
  /** By begin of the point, in ms since the epoch. */
  readonly points: ReadonlyMap<number, Measurement>
}

/** Who has measurements: the store, or a Prometheus. */
export interface Measurements {
  /** Before this time, in ms since the epoch, nothing was measured; absent where that is not known. */
  readonly since?: number | undefined
  /**
   * What was counted in a time, for the series that are wanted.
   * @param step length of points in ms; none if absent
   */
  read(span: TimeSpan, wanted: (labels: SeriesLabels) => boolean, step?: number): Promise<readonly Measured[]>
  /** The step to use for one that was asked for: what is old is known by longer points only. */
  stepFor(span: TimeSpan, step: number): number
}

/** How much of a time was measured, in ms: a mesh that is a minute old was not idle for the quarter of an hour before. */
export function measuredTime({ from, to }: TimeSpan, { since = from }: Measurements): number {
  return to - Math.min(Math.max(from, since), to - SHORTEST_MS)
}

/** Of less no rate can be told. */
const SHORTEST_MS = 1000
