import type { ConfigMap } from '../resources/core.ts'
import type { BackendTLSPolicy } from '../resources/gateway-api.ts'
import { serviceHost } from '../resources/host.ts'
import { deriveIndex, deriveMap } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { byAge } from './precedence.ts'
import { deriveReferences } from './routing/references.ts'
import { trustedRoots } from './trusted-roots.ts'

/** How clients speak TLS to a Service, as a BackendTLSPolicy says it. */
export interface BackendTls {
  readonly policy: BackendTLSPolicy
  /** Names of the ports that it is for, by host of the Service; `undefined` in the list stands for all of them. */
  readonly ports: Readonly<Record<string, readonly (string | undefined)[]>>
  /** That is asked for, and that the server's certificate must be for unless `subjectAltNames` says otherwise. */
  readonly hostname: string
  readonly subjectAltNames: readonly { readonly type: 'DNS' | 'URI'; readonly value: string }[]
  /** That vouch for the server's certificate: those of the system, or certificates in PEM. Undefined where there are none that can be used: no server is believed. */
  readonly roots: 'system' | { readonly pem: string } | undefined
  /** About `caCertificateRefs`: the reason of the condition `ResolvedRefs`, and a sentence. Some of them may be good nevertheless. */
  readonly problem?: { readonly reason: 'InvalidKind' | 'InvalidCACertificateRef'; readonly message: string }
}

/** By key of the policy. */
export function backendTlsPolicies(snapshot: Snapshot): PersistentMap<BackendTls> {
  const policies = snapshot.all('gateway.networking.k8s.io/BackendTLSPolicy')
  return policies.size === 0 ? NONE : resolved([policies, rootsOf(policies, snapshot.all('core/ConfigMap'))])
}

/** By host: the policies of its Service, those that win where two are for the same port first. */
export function backendTlsByHost(snapshot: Snapshot): PersistentMap<readonly BackendTls[]> {
  return sorted([byHost(backendTlsPolicies(snapshot))])
}

/** What holds for a port: a policy that names it wins over one for the whole Service, then the older one. */
export function backendTlsOf(
  policies: readonly BackendTls[] | undefined,
  host: string,
  portName: string,
): BackendTls | undefined {
  const isFor = (name: string | undefined) => policies?.find(({ ports }) => ports[host]?.includes(name))
  return isFor(portName) ?? isFor(undefined)
}

const NONE = PersistentMap.empty<BackendTls>()
const NO_MAPS = PersistentMap.empty<ConfigMap>()

const rootsOf = deriveReferences<BackendTLSPolicy, ConfigMap>('mesh/backend-tls/roots', (_, policy) =>
  (policy.spec?.validation.caCertificateRefs ?? []).map(({ name }) => `${policy.metadata.namespace}/${name}`),
)

const resolved = deriveMap<[PersistentMap<BackendTLSPolicy>, PersistentMap<PersistentMap<ConfigMap>>], [], BackendTls>(
  'mesh/backend-tls',
  (_, [policy, configMaps = NO_MAPS]) => policy?.spec && backendTls(policy, policy.spec.validation, configMaps),
)

const byHost = deriveIndex<BackendTls>('mesh/backend-tls/by-host', (_, { ports }) => Object.keys(ports))

const sorted = deriveMap<[PersistentMap<PersistentMap<BackendTls>>], [], readonly BackendTls[]>(
  'mesh/backend-tls/sorted',
  (_, [policies]) => policies && [...policies.values()].sort((a, b) => byAge(a.policy, b.policy)),
)

type Validation = NonNullable<BackendTLSPolicy['spec']>['validation']

function backendTls(
  policy: BackendTLSPolicy,
  validation: Validation,
  configMaps: PersistentMap<ConfigMap>,
): BackendTls {
  const ports: Record<string, (string | undefined)[]> = {}
  const namespace = policy.metadata.namespace ?? ''
  for (const { group, kind, name, sectionName } of policy.spec?.targetRefs ?? [])
    if (group === '' && kind === 'Service') {
      const host = serviceHost(name, namespace)
      ports[host] = [...(ports[host] ?? []), sectionName]
    }
  const found = trustedRoots(validation.caCertificateRefs ?? [], namespace, configMaps)
  const reason = found.problem?.reason === 'InvalidKind' ? 'InvalidKind' : 'InvalidCACertificateRef'
  return {
    policy,
    ports,
    hostname: validation.hostname,
    subjectAltNames: (validation.subjectAltNames ?? []).map(({ type, hostname = '', uri = '' }) =>
      type === 'URI' ? { type: 'URI', value: uri } : { type: 'DNS', value: hostname },
    ),
    roots: validation.wellKnownCACertificates === 'System' ? 'system' : found.pem ? { pem: found.pem } : undefined,
    ...(found.problem ? { problem: { ...found.problem, reason } } : {}),
  }
}
