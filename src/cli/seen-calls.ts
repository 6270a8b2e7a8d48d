import type { SeenCalls } from '../telemetry/questions/calls.ts'

/** Who called: `default/productpage-v1`, and how it is known. */
export function callerText({ principal, source }: Pick<SeenCalls, 'principal' | 'source'>): string {
  const name = source.workload === 'unknown' ? undefined : `${source.namespace}/${source.workload}`
  if (principal !== null) return name === undefined ? principal : `${name} (${principal})`
  return `${name ?? 'somebody unknown'} (without a certificate)`
}

/** What was asked: `GET /reviews/{*}` at port 9080. */
export function callText({ kind, method, path, destination }: SeenCalls): string {
  if (kind === 'connection') return `connections to port ${destination.port}`
  return `${method} ${path ?? 'of many paths'} at port ${destination.port}`
}

/** How long ago something was: `5 min ago`. @param at ms since the epoch */
export function agoText(at: number, now = Date.now()): string {
  const seconds = Math.max(0, (now - at) / 1000)
  for (const [unit, length] of UNITS) if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit} ago`
  return 'just now'
}

const UNITS = [
  ['days', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const
