import type { Measured } from './measured.ts'
import { ISTIO_LABELS, type SeriesLabels, seriesKey, seriesLabels } from './series.ts'
import { fromSent, type Sent, toSent } from './wire.ts'

/** Measurements of some time as one server tells them to another: plain JSON. */
export interface SentMeasured {
  /** As in Measurements. */
  readonly since: number | null
  readonly series: readonly { readonly total: Sent; readonly points: readonly (readonly [at: number, of: Sent])[] }[]
}

const FIELDS = Object.fromEntries(Object.entries(ISTIO_LABELS).map(([field, label]) => [label, field])) as Readonly<
  Record<string, keyof SeriesLabels>
>

function keyOf(labels: SeriesLabels): string {
  return seriesKey((label) => labels[FIELDS[label] as keyof SeriesLabels])
}

export function sentMeasured(all: readonly Measured[], since: number | undefined): SentMeasured {
  return {
    since: since ?? null,
    series: all.map(({ labels, total, points }) => ({
      total: toSent(keyOf(labels), total),
      // The key is told once.
      points: Array.from(points, ([at, measurement]) => [at, toSent('', measurement)] as const),
    })),
  }
}

/** By the keys of their series. @throws Error where it is none */
export function readMeasured({ series }: SentMeasured): ReadonlyMap<string, Measured> {
  return new Map(
    series.map(({ total, points }) => {
      const [key, measurement] = fromSent(total)
      const read = new Map(points.map(([at, of]) => [Number(at), fromSent(of)[1]] as const))
      return [key, { labels: seriesLabels(key), total: measurement, points: read }] as const
    }),
  )
}
