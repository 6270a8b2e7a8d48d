import { create } from '@bufbuild/protobuf'
import { type Filter, FilterSchema } from '#envoy/config/listener/v3/listener_components'
import { TcpProxySchema } from '#envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy'
import { ACCESS_LOG } from './access-log.ts'
import { typedConfig } from './typed-config.ts'

/** The network filter that passes bytes on to a cluster. @param statPrefix names its counters: `tcp.PREFIX.downstream_cx_total` */
export function tcpProxy(statPrefix: string, cluster: string): Filter {
  return create(FilterSchema, {
    name: 'envoy.filters.network.tcp_proxy',
    configType: {
      case: 'typedConfig',
      value: typedConfig(TcpProxySchema, {
        statPrefix,
        clusterSpecifier: { case: 'cluster', value: cluster },
        accessLog: [ACCESS_LOG],
      }),
    },
  })
}
