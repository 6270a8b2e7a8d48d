import { type Cluster_CustomClusterTypeSchema, Cluster_DnsLookupFamily } from '#envoy/config/cluster/v3/cluster'
import type { FilterSchema } from '#envoy/config/listener/v3/listener_components'
import { ClusterConfigSchema } from '#envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster'
import type { DnsCacheConfigSchema } from '#envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache'
import { FilterConfigSchema } from '#envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy'
import type { Init } from './routes/init.ts'
import { typedConfig } from './typed-config.ts'

// One cache for a proxy: what has one name must be configured alike everywhere.
const DNS_CACHE: Init<typeof DnsCacheConfigSchema> = {
  name: 'dynamic-hosts',
  dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
  dnsRefreshRate: { seconds: 60n, nanos: 0 },
}

/**
 * The kind of cluster that resolves whatever host a request is for, and sends it to that host's port, else 443 where it speaks TLS and 80 where not. That it
 * asks for that name in TLS and wants a certificate for it is for its options to say.
 */
export const DYNAMIC_HOSTS: Init<typeof Cluster_CustomClusterTypeSchema> = {
  name: 'envoy.clusters.dynamic_forward_proxy',
  typedConfig: typedConfig(ClusterConfigSchema, {
    clusterImplementationSpecifier: { case: 'dnsCacheConfig', value: DNS_CACHE },
    allowInsecureClusterOptions: true,
  }),
}

/** The network filter that resolves the server name a TLS connection asks for, for such a cluster. */
export function resolveServerName(port: number): Init<typeof FilterSchema> {
  return {
    name: 'envoy.filters.network.sni_dynamic_forward_proxy',
    configType: {
      case: 'typedConfig',
      value: typedConfig(FilterConfigSchema, {
        dnsCacheConfig: DNS_CACHE,
        portSpecifier: { case: 'portValue', value: port },
      }),
    },
  }
}
