import { create } from '@bufbuild/protobuf'
import { type AddressSchema, SocketAddress_Protocol } from '#envoy/config/core/v3/address'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { DnsFilterConfigSchema } from '#envoy/extensions/filters/udp/dns_filter/v3/dns_filter'
import { CaresDnsResolverConfigSchema } from '#envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver'
import type { Workload } from '../mesh/model.ts'
import { resolvableNames } from '../mesh/resolvable-names.ts'
import { derive } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type EncodedResource, encoder } from './encoded-resource.ts'
import type { Init } from './routes/init.ts'
import { typedConfig } from './typed-config.ts'

/** Where the kernel sends a workload's questions for addresses, over UDP; Istio's. */
const DNS_PORT = 15053

/**
 * Answers questions for the addresses of names that only the mesh knows; others the pod's own name servers are asked. The same for all workloads of a namespace, but
 * for those with IPv6 addresses and for hosts outside of clusters.
 */
export function dnsListener(
  snapshot: Snapshot,
  { namespace, isHost }: Pick<Workload, 'namespace' | 'isHost'>,
  ipv6: boolean,
): PersistentMap<EncodedResource> {
  return listenerFor(resolvableNames(snapshot, namespace, ipv6, isHost === true), ipv6)
}

const encode = encoder('listener', ListenerSchema)

const listenerFor = derive('translate/dns', (names: PersistentMap<readonly string[]>, ipv6: boolean) => {
  const message = listener(
    [...names].sort(([a], [b]) => (a < b ? -1 : 1)),
    ipv6,
  )
  return PersistentMap.from([[message.name, encode({ name: message.name, message, sources: [] })]])
})

/** Where questions are redirected to, which are sent to either family of name servers. */
function dnsAddress(address: '127.0.0.1' | '::1'): Init<typeof AddressSchema> {
  const value = {
    protocol: SocketAddress_Protocol.UDP,
    address,
    portSpecifier: { case: 'portValue' as const, value: DNS_PORT },
  }
  return { address: { case: 'socketAddress', value } }
}

function listener(names: readonly (readonly [string, readonly string[]])[], ipv6: boolean): Listener {
  const tableTtl = { seconds: 30n, nanos: 0 }
  return create(ListenerSchema, {
    name: 'dns',
    address: dnsAddress('127.0.0.1'),
    ...(ipv6 ? { additionalAddresses: [{ address: dnsAddress('::1') }] } : {}),
    udpListenerConfig: {},
    listenerFilters: [
      {
        name: 'envoy.filters.udp.dns_filter',
        configType: {
          case: 'typedConfig',
          value: typedConfig(DnsFilterConfigSchema, {
            statPrefix: 'dns',
            serverConfig: {
              configSource: {
                case: 'inlineDnsTable',
                value: {
                  virtualDomains: names.map(([name, address]) => ({
                    name,
                    answerTtl: tableTtl,
                    endpoint: { endpointConfig: { case: 'addressList' as const, value: { address: [...address] } } },
                  })),
                },
              },
            },
            clientConfig: {
              resolverTimeout: { seconds: 5n, nanos: 0 },
              maxPendingLookups: 256n,
              // Those of the pod's /etc/resolv.conf. Names come complete: the application's resolver has tried the search domains.
              typedDnsResolverConfig: {
                name: 'envoy.network.dns_resolver.cares',
                typedConfig: typedConfig(CaresDnsResolverConfigSchema, {
                  dnsResolverOptions: { noDefaultSearchDomain: true },
                }),
              },
            },
          }),
        },
      },
    ],
  })
}
