import { keepGateways } from '../controllers/gateways/keep-gateways.ts'
import type { Value } from '../controllers/gateways/merge.ts'
import { removeGoneMembers } from '../controllers/gone-members.ts'
import { Leader } from '../controllers/leader.ts'
import { keepRootCertificates } from '../controllers/root-certificates.ts'
import { keepStatuses } from '../controllers/statuses/keep-statuses.ts'
import { keepWebhookBundles } from '../controllers/webhook-bundles.ts'
import type { CertificateAuthority } from '../identity/ca.ts'
import type { Log } from '../identity/log.ts'
import { gatewayPodTemplate } from '../injection/gateway-pod.ts'
import type { InjectionSettings } from '../injection/settings.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import type { KubernetesSource } from '../sources/kubernetes/kubernetes-source.ts'
import type { Store } from '../store/store.ts'
import { RefusalsOfReplicas } from './refusals-of-replicas.ts'
import type { Rejections } from './rejections.ts'
import type { ReplicaCalls } from './replica-calls.ts'

export interface LeadingParts {
  readonly server: ApiServer
  readonly store: Store
  readonly source: KubernetesSource
  readonly ca: CertificateAuthority
  readonly replicas: ReplicaCalls
  /** Where Weft is installed. */
  readonly namespace: string
  /** Name of this pod. */
  readonly replica: string
  readonly injection: InjectionSettings
  /** What proxies of this replica refuse. */
  readonly rejections: Rejections
  /** Called when this replica begins to lead, until the signal. @param refusals what proxies of all replicas refuse */
  readonly leads: (signal: AbortSignal, refusals: RefusalsOfReplicas) => void
  readonly log: Log
}

/** Has one of the replicas write into the cluster what has to be there. Resolves when `signal` has ended it and another may lead. */
export function lead(parts: LeadingParts, signal: AbortSignal): Promise<void> {
  const { server, store, source, ca, replicas, namespace, replica, injection, rejections, log } = parts
  const roots = () => ca.trustBundlePem
  const leader = new Leader({
    server,
    namespace,
    identity: replica,
    log,
    lead(leading) {
      keepRootCertificates({ server, store, roots, log }, leading)
      void keepWebhookBundles({ server, namespace, roots, log }, leading)
      const podTemplate: Parameters<typeof keepGateways>[0]['podTemplate'] = ({
        serviceAccount,
        labels,
        annotations,
      }) =>
        gatewayPodTemplate({ serviceAccountName: serviceAccount, labels, annotations, ports: [] }, injection) as Value
      removeGoneMembers({ server, store, log }, leading)
      keepGateways({ server, store, podTemplate, log }, leading)
      const bundle = () => source.gatewayApiBundle
      const refusals = new RefusalsOfReplicas({ store, namespace, replica, replicas, own: rejections }, leading)
      parts.leads(leading, refusals)
      keepStatuses({ server, store, statuses: source.statuses, bundle, refusals, log }, leading)
    },
  })
  return leader.run(signal)
}
