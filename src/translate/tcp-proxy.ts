import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type Filter, FilterSchema } from '#envoy/config/listener/v3/listener_components'
import { TcpProxySchema, UpstreamConnectMode } from '#envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy'
import { USUAL_ACCESS_LOGS } from './access-log.ts'
import { resolveServerName } from './dynamic-hosts.ts'
import type { Reporter } from './metrics/labels.ts'
import { connectionMetrics } from './metrics/standard-metrics.ts'
import { REFUSAL_LOGS } from './reporting/access-log-service.ts'
import type { ConnectionSettings } from './routes/connection-settings.ts'
import { typedConfig } from './typed-config.ts'

/** Istio's name of the cluster without endpoints: connections to it are closed at once, also where there is no such cluster. */
export const BLACK_HOLE_CLUSTER = 'BlackHoleCluster'

/** Clusters with their shares of the connections, relative to each other; those with 0 get none. The first one's settings hold for all. */
export type ClusterShares = readonly {
  readonly cluster: string
  readonly weight: number
  readonly connection?: ConnectionSettings
  /** The port of whatever host a TLS connection asks for, where it is resolved on the way. */
  readonly resolvedPort?: number
}[]

/** The network filters that pass bytes on to clusters. */
export function connectionFilters(
  statPrefix: string,
  clusters: ClusterShares,
): MessageInitShape<typeof FilterSchema>[] {
  const { resolvedPort } = clusters.find(({ weight }) => weight > 0) ?? {}
  return [...(resolvedPort === undefined ? [] : [resolveServerName(resolvedPort)]), tcpProxy(statPrefix, clusters)]
}

/**
 * The network filter that passes bytes on to a cluster.
 * @param statPrefix names its counters: `tcp.PREFIX.downstream_cx_total`
 * @param reporter whose view of connections its metrics are
 */
export function tcpProxy(
  statPrefix: string,
  clusters: string | ClusterShares,
  reporter: Reporter = { side: 'source' },
): Filter {
  const shares: ClusterShares = typeof clusters === 'string' ? [{ cluster: clusters, weight: 1 }] : clusters
  const used = shares.filter(({ weight }) => weight > 0)
  const value = used.map(({ cluster, weight }) => ({ name: cluster, weight }))
  return create(FilterSchema, {
    name: 'envoy.filters.network.tcp_proxy',
    configType: {
      case: 'typedConfig',
      value: typedConfig(TcpProxySchema, {
        statPrefix,
        clusterSpecifier:
          used.length > 1
            ? { case: 'weightedClusters', value: { clusters: value } }
            : { case: 'cluster', value: used[0]?.cluster ?? BLACK_HOLE_CLUSTER },
        ...(isOfMesh(reporter)
          ? {
              upstreamConnectMode: UpstreamConnectMode.ON_DOWNSTREAM_TLS_HANDSHAKE,
              maxEarlyDataBytes: EARLY_DATA_BYTES,
            }
          : {}),
        accessLog: [
          USUAL_ACCESS_LOGS.connections,
          REFUSAL_LOGS[reporter.side].connections,
          ...connectionMetrics(reporter),
        ],
        accessLogOptions: { flushAccessLogOnConnected: true },
        ...used[0]?.connection,
      }),
    },
  })
}

/** A server is connected to when it is known who the client is: not before, and so that the metrics of it say so. */
function isOfMesh(reporter: Reporter): boolean {
  return reporter.side === 'destination' && reporter.security === 'mutual_tls'
}

/** How much of what a client says is kept until its server is connected to; then it is asked to wait. */
const EARLY_DATA_BYTES = 65_536
