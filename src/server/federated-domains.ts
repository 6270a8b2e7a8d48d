import type { CertificateAuthority } from '../identity/ca.ts'
import { FEDERATED_DOMAINS } from '../mesh/trust-domains.ts'
import type { ConfigMap } from '../resources/core.ts'
import { KIND } from '../resources/resource.ts'
import { SourceState, type Store } from '../store/store.ts'

/** Has every proxy let identities of other trust domains in that are federated with; which roots vouch for them the agents know. */
export function believeFederated(ca: CertificateAuthority, store: Store): void {
  const state = new SourceState()
  let told = ''
  const apply = () => {
    const domains = ca.federated.map(({ trustDomain }) => trustDomain).join(' ')
    if (domains === told) return
    told = domains
    store.apply(state.replace(domains === '' ? [] : [configMap(domains)]))
  }
  ca.subscribe(apply)
  apply()
}

function configMap(domains: string): ConfigMap {
  return {
    [KIND]: 'core/ConfigMap',
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: FEDERATED_DOMAINS,
    data: { domains },
  }
}
