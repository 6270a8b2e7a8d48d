import { type Measurement, noMeasurement } from './measurement.ts'

/** Of a series: its key, and what was counted. Buckets as pairs of place and count, as few have something in them. */
export type Sent = readonly [
  key: string,
  requests: number,
  durations: number,
  buckets: readonly number[],
  received: number,
  sent: number,
  opened: number,
  closed: number,
]

export function toSent(key: string, of: Measurement): Sent {
  const buckets = [...of.buckets].flatMap((count, i) => (count > 0 ? [i, count] : []))
  return [key, of.requests, of.durations, buckets, of.received, of.sent, of.opened, of.closed]
}

/** @throws Error where it is none */
export function fromSent([key, requests, durations, pairs, received, sent, opened, closed]: Sent): readonly [
  key: string,
  of: Measurement,
] {
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
  return [String(key), measurement]
}

/** Measurements as agents send them: JSON, a tenth of what OTLP would take. */
export function encodedMeasurements(counted: ReadonlyMap<string, Measurement>): Buffer {
  return Buffer.from(JSON.stringify(Array.from(counted, ([key, each]) => toSent(key, each))))
}

/** @throws Error where it is none */
export function decodedMeasurements(bytes: Uint8Array): ReadonlyMap<string, Measurement> {
  return new Map((JSON.parse(Buffer.from(bytes).toString('utf8')) as readonly Sent[]).map(fromSent))
}

function number(value: unknown): number {
  if (typeof value !== 'number' || !(value >= 0)) throw new Error(`${JSON.stringify(value)} is no count`)
  return value
}
