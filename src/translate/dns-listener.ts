import { create } from '@bufbuild/protobuf'
import { SocketAddress_Protocol } from '#envoy/config/core/v3/address'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { DnsFilterConfigSchema } from '#envoy/extensions/filters/udp/dns_filter/v3/dns_filter'
import { CaresDnsResolverConfigSchema } from '#envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver'
import { resolvableNames } from '../mesh/resolvable-names.ts'
import { derive } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type EncodedResource, encoder } from './encoded-resource.ts'
import { typedConfig } from './typed-config.ts'

/** Where the kernel sends a workload's questions for addresses, over UDP; Istio's. */
const DNS_PORT = 15053

/** Answers questions for the addresses of names that only the mesh knows; others the pod's own name servers are asked. The same for all workloads of a namespace. */
export function dnsListener(snapshot: Snapshot, namespace: string): PersistentMap<EncodedResource> {
  return listenerFor(resolvableNames(snapshot, namespace))
}

const encode = encoder('listener', ListenerSchema)

const listenerFor = derive('translate/dns', (names: PersistentMap<readonly string[]>) => {
  const message = listener([...names].sort(([a], [b]) => (a < b ? -1 : 1)))
  return PersistentMap.from([[message.name, encode({ name: message.name, message, sources: [] })]])
})

function listener(names: readonly (readonly [string, readonly string[]])[]): Listener {
  const tableTtl = { seconds: 30n, nanos: 0 }
  return create(ListenerSchema, {
    name: 'dns',
    address: {
      address: {
        case: 'socketAddress',
        value: {
          protocol: SocketAddress_Protocol.UDP,
          address: '127.0.0.1',
          portSpecifier: { case: 'portValue', value: DNS_PORT },
        },
      },
    },
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
