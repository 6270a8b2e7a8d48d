import type { GoldenSignals } from '../../telemetry/questions/signals.ts'
import { styled } from '../style.ts'

/** Requests or the like in a second. */
export function rate(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond >= 10 ? perSecond.toFixed(1) : perSecond.toFixed(2)
}

/** A duration that was measured, in ms. */
export function milliseconds(value: number | null): string {
  if (value === null) return '-'
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} ms`
}

/** A share of what failed, in colour: red from 5 %, yellow where there is any. */
export function failedShare({ requests, errors, connections, failedConnections }: GoldenSignals): string {
  const all = requests + connections
  if (all === 0) return '-'
  const share = (errors + failedConnections) / all
  return share === 0 ? '0 %' : styled(share >= 0.05 ? 'red' : 'yellow', percent(share))
}

export function percent(share: number): string {
  const value = share * 100
  return `${value > 0 && value < 0.1 ? '<0.1' : value < 10 && value % 1 !== 0 ? value.toFixed(1) : value.toFixed(0)} %`
}

export function bytes(perSecond: number): string {
  for (const [unit, size] of SIZES) if (perSecond >= size) return `${(perSecond / size).toFixed(1)} ${unit}/s`
  return `${perSecond.toFixed(0)} B/s`
}

const SIZES = [
  ['GB', 1e9],
  ['MB', 1e6],
  ['kB', 1e3],
] as const

/** `14:03:22`, with the day where it was another. */
export function clockTime(at: number, now = Date.now()): string {
  const date = new Date(at)
  const time = date.toTimeString().slice(0, 8)
  return new Date(now).toDateString() === date.toDateString() ? time : `${date.toISOString().slice(0, 10)} ${time}`
}
