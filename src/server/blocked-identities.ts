import type { CertificateAuthority } from '../identity/ca.ts'
import { ROOT_NAMESPACE } from '../mesh/visibility.ts'
import type { AuthorizationPolicy } from '../resources/istio.ts'
import { KIND } from '../resources/resource.ts'
import { SourceState, type Store } from '../store/store.ts'

const NAME = 'weft-blocked-identities'

/** Has every proxy refuse identities that are blocked: an AuthorizationPolicy for the whole mesh, which is in no file and no cluster, follows the authority. */
export function denyBlocked(ca: CertificateAuthority, store: Store): void {
  const state = new SourceState()
  let told = ''
  const apply = () => {
    const principals = ca.blocked.map(({ spiffeId }) => spiffeId.slice('spiffe://'.length))
    const text = principals.join()
    if (text === told) return
    told = text
    store.apply(state.replace(principals.length === 0 ? [] : [policy(principals)]))
  }
  ca.subscribe(apply)
  apply()
}

function policy(principals: readonly string[]): AuthorizationPolicy {
  return {
    [KIND]: 'security.istio.io/AuthorizationPolicy',
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: NAME, namespace: ROOT_NAMESPACE },
    spec: { action: 'DENY', rules: [{ from: [{ source: { principals } }] }] },
  }
}
