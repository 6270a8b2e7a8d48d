import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import type { LbEndpointSchema, LocalityLbEndpointsSchema } from '#envoy/config/endpoint/v3/endpoint_components'
import type { ClientPlace } from '../mesh/client-place.ts'
import type { ClientPolicy } from '../mesh/destination-rules.ts'
import { type LocalityPreference, localityPreference } from '../mesh/locality-preference.ts'
import type { ClientDefaults } from '../mesh/mesh-config.ts'
import type { Endpoint, EndpointSet, Service } from '../mesh/model.ts'
import { effectiveTrafficPolicy, withMeshDefaults } from '../mesh/traffic-policy.ts'
import { matchesLabels } from '../resources/labels.ts'
import { socketAddress } from './address.ts'
import type { EnvoyResource } from './encoded-resource.ts'
import { localityGroups } from './locality-groups.ts'
import { endpointMetadata, METADATA } from './metrics/metadata.ts'
import { outboundCluster } from './routes/destination.ts'

/** What a client's place makes of a service's endpoints. */
export interface EndpointPreference {
  /** What holds where the service's own policies say nothing. */
  readonly defaults: ClientDefaults
  readonly place: ClientPlace
}

/** The endpoints of each of a service's clusters: a port, and a port of a subset. Named as the cluster. */
export function loadAssignments(
  service: Service,
  set: EndpointSet | undefined,
  policy: ClientPolicy | undefined,
  near?: EndpointPreference,
): [string, EnvoyResource<ClusterLoadAssignment>][] {
  const sources = [service.resource]
  return service.ports.flatMap(({ number }) =>
    [undefined, ...(policy?.subsets ?? [])].map((subset): [string, EnvoyResource<ClusterLoadAssignment>] => {
      const name = outboundCluster(service.host, number, subset?.name)
      const endpoints = set?.endpoints.filter(({ labels }) => matchesLabels(subset?.labels, labels)) ?? []
      const preference =
        near &&
        localityPreference(
          withMeshDefaults(effectiveTrafficPolicy(policy, number, subset?.name), near.defaults),
          service,
          near.defaults,
        )
      return [name, { name, message: loadAssignment(name, endpoints, number, preference, near?.place), sources }]
    }),
  )
}

/**
 * Grouped by locality, of which each weighs as much as its endpoints together, unless the client prefers some. Endpoints that are not ready are left out: a
 * proxy ends what it has with them in peace and begins nothing new.
 */
export function loadAssignment(
  name: string,
  endpoints: readonly Endpoint[],
  servicePort: number,
  preference?: LocalityPreference,
  place?: ClientPlace,
): ClusterLoadAssignment {
  const usable = endpoints.filter(({ healthy, ports }) => healthy && ports[servicePort] !== undefined)
  return create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: localityGroups(usable, preference, place).map(
      ({ locality, members, priority, weight }): MessageInitShape<typeof LocalityLbEndpointsSchema> => ({
        ...(locality ? { locality } : {}),
        lbEndpoints: members.map((endpoint) => lbEndpoint(endpoint, servicePort)),
        loadBalancingWeight: weight,
        priority,
      }),
    ),
  })
}

function lbEndpoint(endpoint: Endpoint, servicePort: number): MessageInitShape<typeof LbEndpointSchema> {
  const takesMtls = endpoint.mtlsPorts.includes(servicePort)
  const workload = endpointMetadata(endpoint)
  const port = endpoint.ports[servicePort] ?? servicePort
  const filterMetadata = {
    // What the cluster's transport socket matches look at.
    ...(takesMtls ? { 'envoy.transport_socket_match': { tlsMode: 'istio' } } : {}),
    ...(workload ? { [METADATA]: workload } : {}),
  }
  return {
    hostIdentifier: {
      case: 'endpoint',
      value: {
        address: socketAddress(endpoint.address, port),
        // A client that can't connect to the one connects to the other.
        ...(endpoint.otherAddress === undefined
          ? {}
          : { additionalAddresses: [{ address: socketAddress(endpoint.otherAddress, port) }] }),
      },
    },
    loadBalancingWeight: endpoint.weight,
    ...(takesMtls || workload ? { metadata: { filterMetadata } } : {}),
  }
}
