import { create } from '@bufbuild/protobuf'
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'

/** The endpoints as gRPC takes them: it uses only localities that are named and have a weight. */
export function proxylessEndpoints({ clusterName, endpoints }: ClusterLoadAssignment): ClusterLoadAssignment {
  return create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: endpoints.map(({ locality, lbEndpoints, loadBalancingWeight, priority }) => ({
      locality: locality ?? {},
      // What only Envoys ask of an endpoint is left out.
      lbEndpoints: lbEndpoints.map(({ hostIdentifier, loadBalancingWeight, healthStatus }) => ({
        hostIdentifier,
        healthStatus,
        ...(loadBalancingWeight ? { loadBalancingWeight } : {}),
      })),
      loadBalancingWeight: loadBalancingWeight ?? 1,
      priority,
    })),
  })
}
