import { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import type { ClientPlace } from '../mesh/client-place.ts'
import { type ClientPolicy, selectedClientPolicies } from '../mesh/destination-rules.ts'
import { endpointSets } from '../mesh/endpoints.ts'
import { type ClientDefaults, meshConfig } from '../mesh/mesh-config.ts'
import type { EndpointSet, KeySource, Service, Workload } from '../mesh/model.ts'
import { services } from '../mesh/services.ts'
import { type Serving, serving } from '../mesh/serving.ts'
import type { DestinationRule } from '../resources/istio.ts'
import { deriveFlatMap, deriveMap } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { outboundClusters } from './cluster.ts'
import { type EncodedResource, encoder } from './encoded-resource.ts'
import { loadAssignments } from './endpoints.ts'
import type { OutboundScope } from './nearby.ts'

type Encoded = PersistentMap<EncodedResource>

/**
 * What a client sends to, where DestinationRules with a `workloadSelector` select it: their hosts as they say, all others as for everybody. The very same maps
 * where none does.
 */
export function asSelected(
  snapshot: Snapshot,
  scope: OutboundScope,
  client: Workload,
  keys: KeySource,
  place: ClientPlace | undefined,
): OutboundScope {
  const selected = selectedClientPolicies(snapshot, client)
  if (!selected) return scope
  const { rules, policies } = selected
  const defaults = meshConfig(snapshot).clients
  const [all, sets] = [services(snapshot), endpointSets(snapshot)]
  const clusters = ownClusters([policies, all, sets, serving(snapshot)], rules, keys, place, defaults)
  const endpoints = ownEndpoints([policies, all, sets], rules, place, defaults)
  return {
    clusters: overClusters([scope.clusters, clusters], rules, keys, place),
    endpoints: overEndpoints([scope.endpoints, endpoints], rules, place),
  }
}

type Rules = readonly DestinationRule[]
type Place = ClientPlace | undefined

const encodeAssignment = encoder('endpoints', ClusterLoadAssignmentSchema)
const encodeCluster = encoder('cluster', ClusterSchema)

const ownClusters = deriveFlatMap<
  [PersistentMap<ClientPolicy>, PersistentMap<Service>, PersistentMap<EndpointSet>, PersistentMap<Serving>],
  [Rules, KeySource, Place, ClientDefaults],
  EncodedResource
>('translate/selected/clusters', (_, [policy, service, set, served], _rules, keys, place, defaults) => {
  if (!policy || !service) return []
  const made = outboundClusters({
    service,
    policy,
    keys,
    defaults,
    ...(place ? { place } : {}),
    ...(served ? { serving: served } : {}),
    ...(set && service.resolution.endsWith('dns') ? { dnsEndpoints: set } : {}),
  })
  return made.map(([name, resource]) => [name, encodeCluster(resource)] as const)
})

const ownEndpoints = deriveFlatMap<
  [PersistentMap<ClientPolicy>, PersistentMap<Service>, PersistentMap<EndpointSet>],
  [Rules, Place, ClientDefaults],
  EncodedResource
>('translate/selected/endpoints', (_, [policy, service, set], _rules, place, defaults) => {
  if (!policy || service?.resolution !== 'endpoints') return []
  const made = loadAssignments(service, set, policy, place ? { place, defaults } : undefined)
  return made.map(([name, resource]) => [name, encodeAssignment(resource)] as const)
})

const ownFirst = (_: string, [usual, own]: [EncodedResource | undefined, EncodedResource | undefined]) => own ?? usual
const overClusters = deriveMap<[Encoded, Encoded], [Rules, KeySource, Place], EncodedResource>(
  'translate/selected/clusters/over',
  ownFirst,
)
const overEndpoints = deriveMap<[Encoded, Encoded], [Rules, Place], EncodedResource>(
  'translate/selected/endpoints/over',
  ownFirst,
)
