import type { SeenCalls } from '../questions/calls.ts'
import type { LogEntry } from '../questions/logs.ts'

/** One call, or `count` of them that are alike. */
export type SeenCall = Omit<SeenCalls, 'firstSeen' | 'lastSeen'> & { readonly at: number }

/**
 * What a log of the proxy of the server says of the caller, for whoever writes policies.
 * @param principal SPIFFE ID of the client's certificate
 */
export function seenCall(entry: Omit<LogEntry, 'id'>, principal: string | undefined): SeenCall {
  const { source, destination, kind, method, path, authority } = entry
  const isRequest = kind === 'request'
  return {
    principal: principal?.replace(/^spiffe:\/\//, '') ?? null,
    source: { namespace: source.namespace, workload: source.workload },
    destination: {
      namespace: destination.namespace,
      workload: destination.workload,
      port: Number(destination.address.split(':').at(-1)) || 0,
    },
    kind,
    method,
    path: isRequest ? general(path) : null,
    example: isRequest ? path : '',
    host: isRequest ? authority : null,
    refused: isRefused(entry),
    at: entry.at,
    count: entry.oneOf,
  }
}

/** By Envoy's word on why it answered or closed (RESPONSE_CODE_DETAILS, CONNECTION_TERMINATION_DETAILS): by its RBAC filters, or by that of tokens. */
function isRefused({ details, failure }: Pick<LogEntry, 'details' | 'failure'>): boolean {
  return /^(rbac_access_denied|jwt_authn_access_denied)/.test(details) || failure.startsWith('rbac_access_denied')
}

/** Numbers, UUIDs and long hexadecimal words: what differs from one call to the next. */
const ID = /^(\d+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?=.*\d)[0-9a-f]{16,})$/i

/** A path without its query, with `{*}` (Istio's templates of paths) for each segment that looks like an id. */
function general(path: string): string {
  const [only = ''] = path.split(/[?#]/)
  return only
    .split('/')
    .map((segment) => (ID.test(segment) ? '{*}' : segment))
    .join('/')
}
