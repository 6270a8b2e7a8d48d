import type { JsonObject } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import type { Cluster } from '#envoy/config/cluster/v3/cluster'
import { MetadataSchema } from '#envoy/config/core/v3/base'
import type { Endpoint, Service } from '../../mesh/model.ts'
import { workloadNames } from '../../mesh/workload-names.ts'
import { serviceHost } from '../../resources/host.ts'
import type { Resource } from '../../resources/resource.ts'
import type { Init } from '../routes/init.ts'

/** Whose metadata it is, on clusters and endpoints. */
export const METADATA = 'weft'

/** Keys of a cluster's metadata. */
export const SERVICE_KEYS = { host: 'service', name: 'service_name', namespace: 'service_namespace' } as const

/** Keys of an endpoint's metadata: letters, as every endpoint of the mesh has them. The last two are left out where they say what the two before them do. */
export const ENDPOINT_KEYS = { workload: 'w', app: 'a', version: 'v', service: 'c', revision: 'r' } as const

/** What metrics say of a service. */
function serviceMetadata({ host, name, namespace }: Pick<Service, 'host' | 'name' | 'namespace'>): JsonObject {
  return { [SERVICE_KEYS.host]: host, [SERVICE_KEYS.name]: name, [SERVICE_KEYS.namespace]: namespace }
}

/** The metadata of a service's cluster. */
export function clusterMetadata(service: Pick<Service, 'host' | 'name' | 'namespace'>): Init<typeof MetadataSchema> {
  return { filterMetadata: { [METADATA]: serviceMetadata(service) } }
}

/** Says on the cluster of a workload's own port which Service names that. */
export function withService(cluster: Cluster, { metadata: { name, namespace = '' } }: Resource): Cluster {
  cluster.metadata = create(MetadataSchema, clusterMetadata({ host: serviceHost(name, namespace), name, namespace }))
  return cluster
}

/** What metrics say of the workload behind an endpoint; undefined where there is none that is known. */
export function endpointMetadata({ labels, workloadName }: Endpoint): JsonObject | undefined {
  if (workloadName === undefined) return undefined
  const { workload, app, version, canonicalService, canonicalRevision } = workloadNames(labels, workloadName)
  return {
    [ENDPOINT_KEYS.workload]: workload,
    ...(app ? { [ENDPOINT_KEYS.app]: app } : {}),
    ...(version ? { [ENDPOINT_KEYS.version]: version } : {}),
    ...(canonicalService === app ? {} : { [ENDPOINT_KEYS.service]: canonicalService }),
    ...(canonicalRevision === version ? {} : { [ENDPOINT_KEYS.revision]: canonicalRevision }),
  }
}
