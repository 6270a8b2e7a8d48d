import { compareTexts } from '../../resources/text-order.ts'
import { table } from '../table.ts'
import { type ClusterFilter, clusterName, matchesCluster } from './cluster-name.ts'
import { type Cluster, type ClustersSection, type ConfigDump, section } from './dump.ts'
import { type Sources, sourceNames } from './sources.ts'

/** The clusters that a proxy has, by name. */
export function clusters(dump: ConfigDump, filter: ClusterFilter): readonly Cluster[] {
  const all = section<ClustersSection>(dump, 'ClustersConfigDump')
  return [
    ...(all.static_clusters ?? []),
    ...(all.dynamic_active_clusters ?? []),
    ...(all.dynamic_warming_clusters ?? []),
  ]
    .map(({ cluster }) => cluster)
    .filter(({ name }) => matchesCluster(name, filter))
    .sort((a, b) => compareTexts(sortKey(a), sortKey(b)))
}

export function clusterTable(shown: readonly Cluster[], sources: Sources): string {
  const rows = shown.map(({ name, type, cluster_type }) => {
    const { fqdn, port, subset, direction } = clusterName(name)
    // Envoy leaves out what has its default value, which for the type is STATIC.
    const kind = type ?? cluster_type?.name ?? 'STATIC'
    return [
      fqdn || '-',
      port || '-',
      subset || '-',
      direction || '-',
      kind,
      sourceNames(sources, 'cluster', name, 'DestinationRule'),
    ]
  })
  return table(['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'], rows, ['DESTINATION RULE'])
}

/** Of one service together, without subset first. */
function sortKey({ name }: Cluster): string {
  const { fqdn, port, subset, direction } = clusterName(name)
  return [fqdn, direction, port.padStart(5, '0'), subset].join('|')
}
