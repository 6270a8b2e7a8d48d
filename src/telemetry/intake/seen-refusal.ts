import type { LogEntry } from '../questions/logs.ts'
import type { Refusal } from '../questions/refusals.ts'

/** A refusal that came in, at a time in ms since the epoch. */
export type SeenRefusal = Refusal & { readonly seen: number }

/** By Envoy's word on why it answered (RESPONSE_CODE_DETAILS) or closed a connection: a policy, a token, an authorizer. What others answered comes as `via_upstream`. */
const BY_PROXY = /^(rbac_access_denied|jwt_authn_access_denied|ext_authz_)/
/** TLS did not come about. */
const TLS_FAILED = /^TLS_error/
/** An alert comes from the client: it would not have the proxy's certificate, and was refused nothing. */
const BY_CLIENT = /_ALERT_/
/** Texts that a client made up are not kept longer, in characters. */
const LONGEST = 300

/** What an access log tells of somebody who was refused; undefined where nobody was, or not by the proxy. */
export function seenRefusal(entry: Omit<LogEntry, 'id'>): SeenRefusal | undefined {
  if (!isRefused(entry)) return undefined
  const { kind, source, destination, method, path, authority, details, failure, flags, at } = entry
  // Queries may hold what nobody should read.
  const [only = ''] = path.split(/[?#]/)
  return {
    kind,
    who: source.workload === 'unknown' ? 'unknown' : `${source.namespace}/${source.workload}`,
    from: source.address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'),
    at: `${destination.namespace}/${destination.workload} port ${destination.address.split(':').at(-1)}`,
    request: kind === 'request' ? `${method} ${authority}${only}`.slice(0, LONGEST) : '',
    reason: (isWithoutTls(flags) ? 'no TLS of the mesh, where nothing else is taken' : details || failure).slice(
      0,
      LONGEST,
    ),
    seen: at,
  }
}

/** Whether it was the proxy's own policies, tokens or authorizers that would not have it, whichever side it is on. */
export function isRefusedByProxy({ details, failure, kind }: Pick<LogEntry, 'details' | 'failure' | 'kind'>): boolean {
  return BY_PROXY.test(kind === 'request' ? details : failure)
}

function isRefused(entry: Omit<LogEntry, 'id'>): boolean {
  if (isRefusedByProxy(entry)) return true
  const { failure, flags, kind, reporter } = entry
  // Of a connection that the proxy of the client reports, TLS may have failed for reasons of its own.
  if (kind === 'request' || reporter !== 'destination' || BY_CLIENT.test(failure)) return false
  return TLS_FAILED.test(failure) || isWithoutTls(flags)
}

/** Nothing takes plaintext where mutual TLS is STRICT: such a connection finds no filter chain. */
export function isWithoutTls(flags: string): boolean {
  return flags.split(',').includes('NR')
}
