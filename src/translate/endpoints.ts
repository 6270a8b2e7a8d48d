import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import type { LbEndpointSchema, LocalityLbEndpointsSchema } from '#envoy/config/endpoint/v3/endpoint_components'
import type { ClientPolicy } from '../mesh/destination-rules.ts'
import type { Endpoint, EndpointSet, Service } from '../mesh/model.ts'
import { matchesLabels } from '../resources/labels.ts'
import { socketAddress } from './address.ts'
import type { EnvoyResource } from './encoded-resource.ts'
import { outboundCluster } from './routes/destination.ts'

/** The endpoints of each of a service's clusters: a port, and a port of a subset. Named as the cluster. */
export function loadAssignments(
  service: Service,
  set: EndpointSet | undefined,
  policy: ClientPolicy | undefined,
): [string, EnvoyResource<ClusterLoadAssignment>][] {
  const sources = [service.resource]
  return service.ports.flatMap(({ number }) =>
    [undefined, ...(policy?.subsets ?? [])].map((subset): [string, EnvoyResource<ClusterLoadAssignment>] => {
      const name = outboundCluster(service.host, number, subset?.name)
      const endpoints = set?.endpoints.filter(({ labels }) => matchesLabels(subset?.labels, labels)) ?? []
      return [name, { name, message: loadAssignment(name, endpoints, number), sources }]
    }),
  )
}

/**
 * Grouped by locality, of which each weighs as much as its endpoints together. Endpoints that are not ready are left out: a proxy ends what it has
 * with them in peace and begins nothing new.
 */
export function loadAssignment(
  name: string,
  endpoints: readonly Endpoint[],
  servicePort: number,
): ClusterLoadAssignment {
  const usable = endpoints.filter(({ healthy, ports }) => healthy && ports[servicePort] !== undefined)
  const localities = Map.groupBy(usable, ({ locality }) =>
    locality ? `${locality.region}/${locality.zone}/${locality.subZone}` : '',
  )
  return create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: [...localities]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([, members]): MessageInitShape<typeof LocalityLbEndpointsSchema> => ({
          ...(members[0]?.locality ? { locality: members[0].locality } : {}),
          lbEndpoints: members.map((endpoint) => lbEndpoint(endpoint, servicePort)),
          loadBalancingWeight: members.reduce((sum, { weight }) => sum + weight, 0),
        }),
      ),
  })
}

function lbEndpoint(endpoint: Endpoint, servicePort: number): MessageInitShape<typeof LbEndpointSchema> {
  const takesMtls = endpoint.mtlsPorts.includes(servicePort)
  return {
    hostIdentifier: {
      case: 'endpoint',
      value: { address: socketAddress(endpoint.address, endpoint.ports[servicePort] ?? servicePort) },
    },
    loadBalancingWeight: endpoint.weight,
    // What the cluster's transport socket matches look at.
    ...(takesMtls ? { metadata: { filterMetadata: { 'envoy.transport_socket_match': { tlsMode: 'istio' } } } } : {}),
  }
}
