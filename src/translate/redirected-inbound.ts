import { create } from '@bufbuild/protobuf'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { type ListenerFilter, ListenerFilterSchema } from '#envoy/config/listener/v3/listener_components'
import type { PathNormalization } from '../mesh/mesh-config.ts'
import type { InboundPort } from '../mesh/model.ts'
import type { MtlsPolicy } from '../mesh/peer-authentication.ts'
import type { MeshPeers } from '../mesh/trust-domains.ts'
import { canonical } from '../store/canonical.ts'
import { FAILED_CONNECTIONS } from './access-log.ts'
import { ANY_ADDRESS, andIPv6, socketAddress } from './address.ts'
import type { EnvoyResource } from './encoded-resource.ts'
import { inboundCluster } from './inbound.ts'
import { inboundFilterChains } from './inbound-filter-chains.ts'
import { HTTP_INSPECTOR, ORIGINAL_DESTINATION, ORIGINAL_SOURCE, TLS_INSPECTOR } from './listener-filters.ts'
import { INBOUND_CAPTURE_PORT, INBOUND_PASSTHROUGH_CLUSTER } from './original-destination.ts'
import { PLAINTEXT_LOG } from './reporting/access-log-service.ts'
import { BLACK_HOLE_CLUSTER, tcpProxy } from './tcp-proxy.ts'

/** How connections come to it. */
interface Redirection {
  /** The kernel leaves them their addresses, and the application is to see the client's. */
  readonly transparent: boolean
  /** Some are of IPv6. */
  readonly ipv6: boolean
}

/**
 * The listener for all connections to a workload that the kernel redirects, in Istio's name. Ports that no Service names are passed on too, under the
 * same demands.
 */
export function virtualInbound(
  ports: readonly InboundPort[],
  policy: MtlsPolicy,
  { paths, peers }: { readonly paths: PathNormalization; readonly peers: MeshPeers },
  { transparent, ipv6 }: Redirection,
): EnvoyResource<Listener> {
  const inputs: ListenerInputs = {
    ports: ports.map(({ port, protocol, mtls }) => ({ port, protocol, mtls })),
    policy: { mode: policy.mode, ports: policy.ports },
    paths,
    peers,
    redirection: { transparent, ipv6 },
  }
  const message = listenerLike(JSON.stringify(inputs), () => listener(inputs))
  return { name: NAME, message, sources: [...policy.sources, ...new Set(ports.map(({ service }) => service))] }
}

const NAME = 'virtualInbound'

/** All that the listener depends on: nothing of the workload's own. */
interface ListenerInputs {
  readonly ports: readonly Pick<InboundPort, 'port' | 'protocol' | 'mtls'>[]
  readonly policy: Pick<MtlsPolicy, 'mode' | 'ports'>
  readonly paths: PathNormalization
  /** Which clients are let in with mutual TLS. */
  readonly peers: MeshPeers
  readonly redirection: Redirection
}

/** Workloads whose ports have the same numbers and protocols have one listener: it is large, and there are many of them. */
const listenerLike = canonical<Listener>()

function listener({ ports, policy, paths, peers, redirection: { transparent, ipv6 } }: ListenerInputs): Listener {
  const named = new Set(ports.map(({ port }) => port))
  const unnamed = Object.entries(policy.ports).filter(([port]) => !named.has(Number(port)))
  const keys = 'stream'
  const passedOn = { protocol: 'auto', keys, paths, peers, cluster: INBOUND_PASSTHROUGH_CLUSTER } as const
  const message = create(ListenerSchema, {
    name: NAME,
    address: socketAddress(ANY_ADDRESS.IPv4, INBOUND_CAPTURE_PORT),
    trafficDirection: TrafficDirection.INBOUND,
    accessLog: [...FAILED_CONNECTIONS, PLAINTEXT_LOG],
    ...(transparent ? { transparent: true } : {}),
    listenerFilters: [
      ORIGINAL_DESTINATION,
      ...(transparent ? [ORIGINAL_SOURCE] : []),
      exceptFor(
        ports.filter(({ mtls }) => mtls === 'DISABLE'),
        TLS_INSPECTOR,
      ),
      exceptFor(
        ports.filter(({ protocol }) => protocol !== 'auto'),
        HTTP_INSPECTOR,
      ),
    ],
    // Then a client that said nothing is taken to use plaintext: its server may be meant to speak first.
    listenerFiltersTimeout: { seconds: 1n, nanos: 0 },
    continueOnListenerFiltersTimeout: true,
    filterChains: [
      // What was sent to this port itself would come back here for ever.
      {
        filterChainMatch: { destinationPort: INBOUND_CAPTURE_PORT },
        filters: [tcpProxy(BLACK_HOLE_CLUSTER, BLACK_HOLE_CLUSTER)],
      },
      ...ports.flatMap((port) =>
        inboundFilterChains({
          ...port,
          keys,
          paths,
          peers,
          cluster: inboundCluster(port.port),
          destinationPort: port.port,
        }),
      ),
      ...unnamed.flatMap(([port, mtls]) => inboundFilterChains({ ...passedOn, mtls, destinationPort: Number(port) })),
      ...inboundFilterChains({ ...passedOn, mtls: policy.mode }),
    ],
  })
  return ipv6 ? andIPv6(message) : message
}

function exceptFor(ports: ListenerInputs['ports'], filter: ListenerFilter): ListenerFilter {
  const rules = ports.map(({ port }) => ({
    rule: { case: 'destinationPortRange' as const, value: { start: port, end: port + 1 } },
  }))
  const [only] = rules
  if (!only) return filter
  return create(ListenerFilterSchema, {
    name: filter.name,
    configType: filter.configType,
    filterDisabled: rules.length === 1 ? only : { rule: { case: 'orMatch', value: { rules } } },
  })
}
