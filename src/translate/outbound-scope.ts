import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import type { ClientPlace } from '../mesh/client-place.ts'
import { type ClientPolicy, namespaceClientPolicies, publicClientPolicies } from '../mesh/destination-rules.ts'
import { endpointSets } from '../mesh/endpoints.ts'
import { type ClientDefaults, meshConfig } from '../mesh/mesh-config.ts'
import type { EndpointSet, KeySource, Service } from '../mesh/model.ts'
import { publicServices, services } from '../mesh/services.ts'
import { type Serving, serving } from '../mesh/serving.ts'
import { deriveFlatMap, deriveMap, perSnapshot } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import { sameValue } from '../store/same-value.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { outboundClusters } from './cluster.ts'
import { type EncodedResource, type EnvoyResource, encoder } from './encoded-resource.ts'
import { loadAssignments } from './endpoints.ts'
import { nearby, type OutboundScope } from './nearby.ts'

/**
 * The clusters of all services that a namespace sees, and their endpoints. The same maps for every namespace that neither sees more services
 * than others nor has client policies of its own, but for what a client at its place prefers to what others use.
 */
export function outboundScope(
  snapshot: Snapshot,
  namespace: string,
  keys: KeySource,
  place: ClientPlace | undefined,
): OutboundScope {
  const ownPolicies = namespaceClientPolicies(snapshot, namespace)
  if (ownPolicies.size === 0) return everyonesScope(snapshot, keys, place)
  const { clusters, endpoints, served, resolved } = everyonesGroups(snapshot, keys)
  const all = services(snapshot)
  const defaults = meshConfig(snapshot).clients
  const ownClusters = ownClustersByHost([all, ownPolicies, served, resolved], namespace, keys, defaults)
  const ownEndpoints = ownEndpointsByHost([all, ownPolicies, endpointSets(snapshot)], namespace)
  const scope = {
    clusters: encodeOwnClusters([flatOwnClusters([clusters, ownClusters], namespace, keys)], namespace, keys),
    endpoints: encodeOwnEndpoints([flatOwnEndpoints([endpoints, ownEndpoints], namespace)], namespace),
  }
  return place ? nearby(snapshot, scope, { place, namespace, keys }) : scope
}

/** Asked for by each namespace that has nothing of its own. */
const everyonesScope = perSnapshot((snapshot, keys: KeySource, place: ClientPlace | undefined): OutboundScope => {
  const { clusters, endpoints } = everyonesGroups(snapshot, keys)
  const scope = {
    clusters: encodeClusters([flatClusters([clusters], keys)], keys),
    endpoints: encodeEndpoints([flatEndpoints([endpoints])]),
  }
  return place ? nearby(snapshot, scope, { place, namespace: '', keys }) : scope
})

const everyonesGroups = perSnapshot((snapshot, keys: KeySource) => {
  const [seen, policies] = [publicServices(snapshot), publicClientPolicies(snapshot)]
  const [served, sets] = [serving(snapshot), endpointSets(snapshot)]
  const resolved = dnsEndpoints([services(snapshot), sets])
  return {
    clusters: clustersByHost([seen, policies, served, resolved], keys, meshConfig(snapshot).clients),
    endpoints: endpointsByHost([seen, policies, sets]),
    served,
    resolved,
  }
})

/** Endpoints that are part of a cluster rather than sent on their own. */
const dnsEndpoints = deriveMap<[PersistentMap<Service>, PersistentMap<EndpointSet>], [], EndpointSet>(
  'translate/dns-endpoints',
  (_, [service, set]) => (service?.resolution.endsWith('dns') ? set : undefined),
)

type Group<M> = readonly (readonly [string, EnvoyResource<M>])[]

type ClusterInputs = [
  PersistentMap<Service>,
  PersistentMap<ClientPolicy>,
  PersistentMap<Serving>,
  PersistentMap<EndpointSet>,
]

function clusterGroup(
  [service, policy, served, dnsEndpoints]: [
    Service | undefined,
    ClientPolicy | undefined,
    Serving | undefined,
    EndpointSet | undefined,
  ],
  keys: KeySource,
  defaults: ClientDefaults,
): Group<Cluster> | undefined {
  if (!service) return undefined
  return outboundClusters({
    service,
    keys,
    defaults,
    ...(policy ? { policy } : {}),
    ...(served ? { serving: served } : {}),
    ...(dnsEndpoints ? { dnsEndpoints } : {}),
  })
}

const clustersByHost = deriveMap<ClusterInputs, [KeySource, ClientDefaults], Group<Cluster>>(
  'translate/clusters',
  (_, inputs, keys, defaults) => clusterGroup(inputs, keys, defaults),
)

const ownClustersByHost = deriveMap<ClusterInputs, [string, KeySource, ClientDefaults], Group<Cluster>>(
  'translate/clusters/namespace',
  (_, inputs, _namespace, keys, defaults) => (inputs[1] ? clusterGroup(inputs, keys, defaults) : undefined),
)

type EndpointInputs = [PersistentMap<Service>, PersistentMap<ClientPolicy>, PersistentMap<EndpointSet>]

function endpointGroup([service, policy, set]: [
  Service | undefined,
  ClientPolicy | undefined,
  EndpointSet | undefined,
]): Group<ClusterLoadAssignment> | undefined {
  return service?.resolution === 'endpoints' ? loadAssignments(service, set, policy) : undefined
}

const endpointsByHost = deriveMap<EndpointInputs, [], Group<ClusterLoadAssignment>>(
  'translate/endpoints',
  (_, inputs) => endpointGroup(inputs),
)

const ownEndpointsByHost = deriveMap<EndpointInputs, [string], Group<ClusterLoadAssignment>>(
  'translate/endpoints/namespace',
  (_, inputs) => (inputs[1] ? endpointGroup(inputs) : undefined),
)

const flatClusters = flat<Cluster, [KeySource]>('translate/clusters/flat')
const flatEndpoints = flat<ClusterLoadAssignment, []>('translate/endpoints/flat')
const flatOwnClusters = flatOwn<Cluster, [string, KeySource]>('translate/clusters/namespace/flat')
const flatOwnEndpoints = flatOwn<ClusterLoadAssignment, [string]>('translate/endpoints/namespace/flat')

function flat<M, Shared extends readonly unknown[]>(name: string) {
  return deriveFlatMap<[PersistentMap<Group<M>>], Shared, EnvoyResource<M>>(
    name,
    (_, [group], ..._shared) => group ?? [],
  )
}

/** A host that the namespace sees its own way hides everything that others see of it. */
function flatOwn<M, Shared extends readonly unknown[]>(name: string) {
  return deriveFlatMap<[PersistentMap<Group<M>>, PersistentMap<Group<M>>], Shared, EnvoyResource<M>>(
    name,
    (_, [everyones, own], ..._shared) => (own && everyones ? shared(own, everyones) : (own ?? everyones ?? [])),
  )
}

/** What came out as for everyone is everyone's, and not encoded again. */
function shared<M>(own: Group<M>, everyones: Group<M>): Group<M> {
  return own.map(([name, resource]) => {
    const [, same] = everyones.find(([other]) => other === name) ?? []
    return [name, same && sameValue(same, resource) ? same : resource]
  })
}

const encodeCluster = encoder('cluster', ClusterSchema)
const encodeAssignment = encoder('endpoints', ClusterLoadAssignmentSchema)

const ofCluster = (_: string, [resource]: [EnvoyResource<Cluster> | undefined]) => resource && encodeCluster(resource)
const ofAssignment = (_: string, [resource]: [EnvoyResource<ClusterLoadAssignment> | undefined]) =>
  resource && encodeAssignment(resource)

type Clusters = [PersistentMap<EnvoyResource<Cluster>>]
type Assignments = [PersistentMap<EnvoyResource<ClusterLoadAssignment>>]

const encodeClusters = deriveMap<Clusters, [KeySource], EncodedResource>('translate/clusters/encoded', ofCluster)
const encodeEndpoints = deriveMap<Assignments, [], EncodedResource>('translate/endpoints/encoded', ofAssignment)
const encodeOwnClusters = deriveMap<Clusters, [string, KeySource], EncodedResource>(
  'translate/clusters/namespace/encoded',
  ofCluster,
)
const encodeOwnEndpoints = deriveMap<Assignments, [string], EncodedResource>(
  'translate/endpoints/namespace/encoded',
  ofAssignment,
)
