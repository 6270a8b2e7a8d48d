import { AuditLog } from '../identity/audit-log.ts'
import type { LogEntry } from '../telemetry/questions/logs.ts'
import type { Questions } from '../telemetry/questions/questions.ts'

/** By Envoy's word on why it answered (RESPONSE_CODE_DETAILS): a policy, a token, an authorizer. What others answered comes as `via_upstream`. */
const BY_PROXY = /^(rbac_access_denied|jwt_authn_access_denied|ext_authz_)/
/** By Envoy's word on why it closed a connection: a policy, or TLS that did not come about. */
const CLOSED_BY_PROXY = /^(rbac_access_denied|TLS_error|ext_authz_)/

/**
 * Remembers what proxies refused: the newest, the same within a minute once, apart from what is refused by servers, so that who knocks at many doors makes
 * nobody forget who asked for whose certificate. Of a burst telemetry tells the newest only.
 * @param file where it outlives the process
 */
export function auditRefusedCalls(telemetry: Pick<Questions, 'follow'>, file?: string): AuditLog {
  const audit = new AuditLog(file === undefined ? {} : { file })
  telemetry.follow((event) => {
    if (!('logs' in event)) return
    for (const entry of event.logs) if (isRefused(entry)) audit.record(recordOf(entry))
  })
  return audit
}

function isRefused({ details, failure, flags, kind, reporter }: LogEntry): boolean {
  if (kind === 'request') return BY_PROXY.test(details)
  // Of a connection that the proxy of the client reports, TLS may have failed for reasons of its own.
  return reporter === 'destination' && (CLOSED_BY_PROXY.test(failure) || isWithoutTls(flags))
}

/** Nothing takes plaintext where mutual TLS is STRICT: such a connection finds no filter chain. */
function isWithoutTls(flags: string): boolean {
  return flags.split(',').includes('NR')
}

function recordOf({ kind, source, destination, method, path, authority, details, failure, flags }: LogEntry) {
  const port = destination.address.split(':').at(-1)
  const to = `${destination.namespace}/${destination.workload} port ${port}`
  // Queries may hold what nobody should read.
  const [only] = path.split(/[?#]/)
  return {
    outcome: 'refused' as const,
    action: kind === 'request' ? 'traffic.request' : 'traffic.connection',
    who: source.workload === 'unknown' ? 'unknown' : `${source.namespace}/${source.workload}`,
    from: source.address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'),
    about: kind === 'request' ? `${method} ${authority}${only} at ${to}` : to,
    reason: isWithoutTls(flags) ? 'no TLS of the mesh, where nothing else is taken' : details || failure,
  }
}
