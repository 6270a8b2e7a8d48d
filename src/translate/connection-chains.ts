import type { FilterChainSchema } from '#envoy/config/listener/v3/listener_components'
import type { Service, ServicePort } from '../mesh/model.ts'
import { outboundCluster } from './routes/destination.ts'
import type { Init } from './routes/init.ts'
import type { ConnectionRoute } from './routes/outbound-connections.ts'
import { connectionFilters } from './tcp-proxy.ts'

export type FilterChain = Init<typeof FilterChainSchema>

/** Which connections a chain is for, as text: two chains for the same would have Envoy refuse the whole listener. '' for any. */
export type Claim = string

/** Whether its connections are told apart by the server name that they ask for in TLS. */
export function isNamedInTls({ protocol }: ServicePort): boolean {
  return protocol === 'tls' || protocol === 'https'
}

/**
 * What is done with connections to a port of a service by its routes, the first one first. Where no route is for any connection, `rest` is for those that
 * are left.
 */
export function routedChains(
  service: Service,
  port: ServicePort,
  routes: readonly ConnectionRoute[],
): ReadonlyMap<Claim, FilterChain> {
  const chains = new Map<Claim, FilterChain>()
  const statPrefix = outboundCluster(service.host, port.number)
  for (const { serverNames, ranges, targets } of routes.filter((route) => route.port === port.number))
    for (const name of serverNames ?? [undefined])
      for (const range of ranges.length > 0 ? ranges : [undefined]) {
        const claim = claimOf(name, range)
        if (chains.has(claim)) continue
        const filterChainMatch = {
          ...(name === undefined ? {} : { transportProtocol: 'tls', serverNames: name === '*' ? [] : [name] }),
          ...(range === undefined ? {} : { prefixRanges: [prefixRange(range)] }),
        }
        chains.set(claim, { filterChainMatch, filters: connectionFilters(statPrefix, targets) })
      }
  return chains
}

export function claimOf(serverName: string | undefined, range: string | undefined): Claim {
  return serverName === undefined && range === undefined ? '' : `${serverName ?? ''} ${range ?? ''}`
}

/** Of `10.0.0.0/8`, or one address. */
export function prefixRange(range: string): { readonly addressPrefix: string; readonly prefixLen: number } {
  const [addressPrefix = '', length] = range.split('/')
  return { addressPrefix, prefixLen: Number(length ?? (addressPrefix.includes(':') ? 128 : 32)) }
}
