import { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import type { ClientPlace } from '../mesh/client-place.ts'
import { type ClientPolicy, namespaceClientPolicies, publicClientPolicies } from '../mesh/destination-rules.ts'
import { endpointSets } from '../mesh/endpoints.ts'
import { localityPreference } from '../mesh/locality-preference.ts'
import { type ClientDefaults, meshConfig } from '../mesh/mesh-config.ts'
import type { EndpointSet, KeySource, Service } from '../mesh/model.ts'
import { services } from '../mesh/services.ts'
import { type Serving, serving } from '../mesh/serving.ts'
import { effectiveTrafficPolicy, withMeshDefaults } from '../mesh/traffic-policy.ts'
import { deriveFlatMap, deriveMap } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { outboundClusters } from './cluster.ts'
import { type EncodedResource, encoder } from './encoded-resource.ts'
import { loadAssignments } from './endpoints.ts'

type Encoded = PersistentMap<EncodedResource>

/** What all clients of one namespace, with keys from the same kind of source, send to. */
export interface OutboundScope {
  readonly clusters: Encoded
  readonly endpoints: Encoded
}

/** Of clients at one place. */
interface Clients {
  readonly place: ClientPlace
  /** '' for all that have no client policies of their own. */
  readonly namespace: string
  readonly keys: KeySource
}

/**
 * What all clients of a namespace send to, as those at one place see it: with the endpoints near them first where a service's policy asks for that. The
 * very same maps where none does.
 */
export function nearby(snapshot: Snapshot, scope: OutboundScope, { place, namespace, keys }: Clients): OutboundScope {
  const defaults = meshConfig(snapshot).clients
  const preferring = preferringHosts(snapshot, namespace, defaults)
  if (preferring.size === 0) return scope
  const sets = endpointSets(snapshot)
  const endpoints = nearEndpoints([preferring, sets], place, defaults, namespace)
  const resolved = nearClusters([preferring, sets, serving(snapshot)], place, defaults, namespace, keys)
  return {
    clusters: resolved.size === 0 ? scope.clusters : overClusters([scope.clusters, resolved], place, namespace, keys),
    endpoints: endpoints.size === 0 ? scope.endpoints : overEndpoints([scope.endpoints, endpoints], place, namespace),
  }
}

/** A service for some of whose clusters it matters where a client is. */
interface Preferring {
  readonly service: Service
  readonly policy?: ClientPolicy
}

function preferringHosts(snapshot: Snapshot, namespace: string, defaults: ClientDefaults): PersistentMap<Preferring> {
  const all = services(snapshot)
  const everyones = preferringAll([all, publicClientPolicies(snapshot)], defaults)
  if (namespace === '') return everyones
  return preferringOwn([all, namespaceClientPolicies(snapshot, namespace), everyones], defaults, namespace)
}

const preferringAll = deriveMap<[PersistentMap<Service>, PersistentMap<ClientPolicy>], [ClientDefaults], Preferring>(
  'translate/nearby/hosts',
  (_, [service, policy], defaults) =>
    service?.exportTo.includes('*') ? ifPreferring(service, policy, defaults) : undefined,
)

const preferringOwn = deriveMap<
  [PersistentMap<Service>, PersistentMap<ClientPolicy>, PersistentMap<Preferring>],
  [ClientDefaults, string],
  Preferring
>('translate/nearby/namespace/hosts', (_, [service, own, everyones], defaults) =>
  own ? service && ifPreferring(service, own, defaults) : everyones,
)

function ifPreferring(
  service: Service,
  policy: ClientPolicy | undefined,
  defaults: ClientDefaults,
): Preferring | undefined {
  const subsets = [undefined, ...(policy?.subsets ?? []).map(({ name }) => name)]
  const matters = service.ports.some(({ number }) =>
    subsets.some((subset) =>
      localityPreference(withMeshDefaults(effectiveTrafficPolicy(policy, number, subset), defaults), service, defaults),
    ),
  )
  return matters ? { service, ...(policy ? { policy } : {}) } : undefined
}

const encodeAssignment = encoder('endpoints', ClusterLoadAssignmentSchema)
const encodeCluster = encoder('cluster', ClusterSchema)

const nearEndpoints = deriveFlatMap<
  [PersistentMap<Preferring>, PersistentMap<EndpointSet>],
  [ClientPlace, ClientDefaults, string],
  EncodedResource
>('translate/nearby/endpoints', (_, [preferring, set], place, defaults) => {
  if (preferring?.service.resolution !== 'endpoints') return []
  const made = loadAssignments(preferring.service, set, preferring.policy, { place, defaults })
  return made.map(([name, resource]) => [name, encodeAssignment(resource)] as const)
})

/** Of services that are resolved by DNS: their endpoints are in the clusters. */
const nearClusters = deriveFlatMap<
  [PersistentMap<Preferring>, PersistentMap<EndpointSet>, PersistentMap<Serving>],
  [ClientPlace, ClientDefaults, string, KeySource],
  EncodedResource
>('translate/nearby/clusters', (_, [preferring, set, served], place, defaults, _namespace, keys) => {
  if (!preferring?.service.resolution.endsWith('dns') || (set?.endpoints.length ?? 0) < 2) return []
  const { service, policy } = preferring
  const made = outboundClusters({
    service,
    keys,
    place,
    defaults,
    ...(policy ? { policy } : {}),
    ...(served ? { serving: served } : {}),
    ...(set ? { dnsEndpoints: set } : {}),
  })
  return made.map(([name, resource]) => [name, encodeCluster(resource)] as const)
})

const nearFirst = (_: string, [usual, near]: [EncodedResource | undefined, EncodedResource | undefined]) =>
  usual && (near?.version === usual.version ? usual : (near ?? usual))
const overEndpoints = deriveMap<[Encoded, Encoded], [ClientPlace, string], EncodedResource>(
  'translate/nearby/endpoints/over',
  nearFirst,
)
const overClusters = deriveMap<[Encoded, Encoded], [ClientPlace, string, KeySource], EncodedResource>(
  'translate/nearby/clusters/over',
  nearFirst,
)
