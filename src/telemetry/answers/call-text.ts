import type { SeenCalls } from '../questions/calls.ts'

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
