import type { CertificateAuthority } from '../identity/ca.ts'
import type { Grant } from '../identity/certificate-service.ts'
import { workloadName } from '../mesh/pod-owner.ts'
import { type WorkloadNames, workloadNames } from '../mesh/workload-names.ts'
import type { Pod } from '../resources/core.ts'
import { deriveIndex } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { certifiedNames } from '../translate/metrics/peer-names.ts'

/**
 * What certificates of a service account carry besides the identity: what telemetry calls the workload of its pods, so that whoever such a pod calls knows. Where
 * workloads share the account, only what is the same for all of them. Authorities elsewhere give no names that were not asked for.
 */
export function certifiedGrant(
  ca: Pick<CertificateAuthority, 'authorities'>,
  snapshot: Snapshot,
  { namespace, serviceAccount }: { readonly namespace: string; readonly serviceAccount: string },
): Grant {
  if (!ca.authorities.intermediate) return {}
  const pods = podsByAccount(snapshot.all('core/Pod')).get(`${namespace}/${serviceAccount}`)
  const name = pods && certifiedNames(sharedNames(pods))
  return name === undefined ? {} : { dnsNames: [name] }
}

const podsByAccount = deriveIndex<Pod>('server/pods-by-account', (_, { metadata, spec, status }) =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed'
    ? []
    : [`${metadata.namespace ?? ''}/${spec?.serviceAccountName ?? 'default'}`],
)

function sharedNames(pods: PersistentMap<Pod>): WorkloadNames {
  const all = Array.from(pods.values(), (pod) => workloadNames(pod.metadata.labels ?? {}, workloadName(pod)))
  const shared = (name: keyof WorkloadNames) => {
    const [first = '', ...others] = new Set(all.map((names) => names[name]))
    return others.length > 0 ? '' : first
  }
  return {
    workload: shared('workload'),
    app: shared('app'),
    version: shared('version'),
    canonicalService: shared('canonicalService'),
    canonicalRevision: shared('canonicalRevision'),
  }
}
