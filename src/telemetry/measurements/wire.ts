import { type Measurement, noMeasurement } from './measurement.ts'

/** Of a series: its key, and what was counted. Buckets as pairs of place and count, as few have something in them. */
type Sent = readonly [
  key: string,
  requests: number,
  durations: number,
  buckets: readonly number[],
  received: number,
  sent: number,
  opened: number,
  closed: number,
]

/** Measurements as agents send them: JSON, a tenth of what OTLP would take. */
export function encodedMeasurements(counted: ReadonlyMap<string, Measurement>): Buffer {
  const all = Array.from(counted, ([key, each]): Sent => {
    const buckets = [...each.buckets].flatMap((count, i) => (count > 0 ? [i, count] : []))
    return [key, each.requests, each.durations, buckets, each.received, each.sent, each.opened, each.closed]
  })
  return Buffer.from(JSON.stringify(all))
}

/** @throws Error where it is none */
export function decodedMeasurements(bytes: Uint8Array): ReadonlyMap<string, Measurement> {
  const all = JSON.parse(Buffer.from(bytes).toString('utf8')) as readonly Sent[]
  return new Map(
    all.map(([key, requests, durations, pairs, received, sent, opened, closed]) => {
      const { buckets } = noMeasurement()
      for (let i = 0; i + 1 < pairs.length; i += 2) {
        const place = number(pairs[i])
        if (place < buckets.length) buckets[place] = number(pairs[i + 1])
      }
      const measurement: Measurement = {
        requests: number(requests),
        durations: number(durations),
        buckets,
        received: number(received),
        sent: number(sent),
        opened: number(opened),
        closed: number(closed),
      }
      return [String(key), measurement] as const
    }),
  )
}

function number(value: unknown): number {
  if (typeof value !== 'number' || !(value >= 0)) throw new Error(`${JSON.stringify(value)} is no count`)
  return value
}
