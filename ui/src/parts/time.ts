const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
]

/** `3 d`, `5 h`, `12 min`: in the largest unit of which there are two. */
export function duration(ms: number): string {
  for (const [unit, length] of UNITS)
    if (ms >= 2 * length || unit === 's') return `${Math.max(0, Math.floor(ms / length))} ${unit}`
  return ''
}

/** @param at in ms since the epoch */
export function ago(at: number): string {
  const passed = Date.now() - at
  return passed < 2000 ? 'just now' : `${duration(passed)} ago`
}

/** `14:03:27`, with the day where that is not today. */
export function clock(at: number): string {
  const date = new Date(at)
  const time = date.toLocaleTimeString(undefined, { hour12: false })
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString()} ${time}`
}

/** Of a request. */
export function milliseconds(ms: number | null): string {
  if (ms === null) return '–'
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms >= 10_000 ? 0 : 1)} s`
  return `${ms >= 10 ? Math.round(ms) : ms.toFixed(1)} ms`
}

export function percent(share: number): string {
  const value = share * 100
  if (value === 0) return '0 %'
  return `${value >= 10 ? Math.round(value) : value >= 0.1 ? value.toFixed(1) : '< 0.1'} %`
}

/** A second. */
export function rate(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
