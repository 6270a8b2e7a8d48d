import type { KindId } from '../kinds.ts'

/** Why Weft does not act on a field (without indices) and what is below it, or on a whole kind (the empty field). */
const REASONS: Readonly<Partial<Record<KindId, Readonly<Record<string, string>>>>> = {
  'networking.istio.io/VirtualService': {
    'http.fault.abort.http2Error': 'not implemented by Istio either',
    'http.fault.delay.exponentialDelay': 'not implemented by Istio either',
    'tcp.match.sourceSubnet': 'not implemented by Istio either',
  },
}

/**
 * Why Weft does not act on a field of a kind, as part of a sentence; undefined where nothing is known beyond that it does not yet.
 * @param field without `spec` and indices: `http.fault.abort.http2Error`
 */
export function reasonAgainst(kind: KindId, field: string): string | undefined {
  const reasons = REASONS[kind] ?? {}
  for (let at = field; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.'))))
    if (reasons[at] !== undefined) return reasons[at]
  return reasons['']
}

/** All fields for which there is a reason. */
export function fieldsWithReason(kind: KindId): readonly string[] {
  return Object.keys(REASONS[kind] ?? {})
}
