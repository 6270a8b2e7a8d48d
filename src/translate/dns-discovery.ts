import type { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { DnsLookupFamily } from '#envoy/extensions/clusters/common/dns/v3/dns'
import { DnsClusterSchema } from '#envoy/extensions/clusters/dns/v3/dns_cluster'
import type { Init } from './routes/init.ts'
import { typedConfig } from './typed-config.ts'

type Discovery = NonNullable<Init<typeof ClusterSchema>['clusterDiscoveryType']>

/** Endpoints of a cluster whose names the proxy resolves, as often as their records say. @param options what more there is to say */
export function dnsDiscovery(options: Init<typeof DnsClusterSchema> = {}): Discovery {
  return {
    case: 'clusterType',
    value: {
      name: 'envoy.cluster.dns',
      typedConfig: typedConfig(DnsClusterSchema, {
        dnsLookupFamily: DnsLookupFamily.V4_PREFERRED,
        dnsRefreshRate: { seconds: 60n, nanos: 0 },
        respectDnsTtl: true,
        ...options,
      }),
    },
  }
}
