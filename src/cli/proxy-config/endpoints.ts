import { styled } from '../style.ts'
import { table } from '../table.ts'
import { type ClusterFilter, matchesCluster } from './cluster-name.ts'
import { addressText, type ClusterStatuses } from './dump.ts'

/** One host of one cluster, as the proxy sees it at this moment. */
export interface EndpointStatus {
  readonly endpoint: string
  readonly status: string
  /** Whether it was ejected for its errors. */
  readonly ejected: boolean
  readonly weight: number
  readonly cluster: string
}

/** The hosts of a proxy's clusters, by cluster. */
export function endpoints(statuses: ClusterStatuses, filter: ClusterFilter): readonly EndpointStatus[] {
  return (statuses.cluster_statuses ?? [])
    .filter(({ name }) => matchesCluster(name, filter))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, host_statuses = [] }) =>
      host_statuses.map(({ address, health_status, weight = 1 }) => ({
        endpoint: addressText(address),
        status: health_status?.eds_health_status ?? 'HEALTHY',
        ejected: health_status?.['failed_outlier_check'] === true,
        weight,
        cluster: name,
      })),
    )
}

export function endpointTable(shown: readonly EndpointStatus[]): string {
  const rows = shown.map(({ endpoint, status, ejected, cluster, weight }) => [
    endpoint,
    status === 'HEALTHY' ? status : styled('red', status),
    ejected ? styled('red', 'EJECTED') : 'OK',
    String(weight),
    cluster,
  ])
  return table(['ENDPOINT', 'STATUS', 'OUTLIER CHECK', 'WEIGHT', 'CLUSTER'], rows)
}
