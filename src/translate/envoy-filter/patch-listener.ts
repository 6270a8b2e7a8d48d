import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import {
  type Filter,
  type FilterChain,
  FilterChainSchema,
  FilterSchema,
  ListenerFilterSchema,
} from '#envoy/config/listener/v3/listener_components'
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  HttpFilterSchema,
} from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { mergePatch, merges, type Patch } from './patch.ts'
import { patchList } from './patch-list.ts'
import { patchRoutes } from './patch-routes.ts'

const HTTP = 'envoy.filters.network.http_connection_manager'

/** Applies a patch to a listener. Changes `listener`; returns whether it did. REMOVE of the listener itself is for the caller. */
export function patchListener(listener: Listener, patch: Patch): boolean {
  const { applyTo, match } = patch
  const wanted = match.listener ?? {}
  if (wanted.name !== undefined && wanted.name !== listener.name) return false
  const chainsOfPort = wanted.portNumber !== undefined && listener.name === 'virtualInbound'
  if (wanted.portNumber !== undefined && !chainsOfPort && wanted.portNumber !== portOf(listener)) return false
  const chains = listener.filterChains.filter(
    (chain) =>
      chainFits(chain, listener, patch) &&
      (!chainsOfPort || chain.filterChainMatch?.destinationPort === wanted.portNumber),
  )
  switch (applyTo) {
    case 'LISTENER':
      if (!merges(patch)) return false
      mergePatch(ListenerSchema, listener, patch)
      return true
    case 'LISTENER_FILTER':
      return patchList(listener.listenerFilters, patch, {
        schema: ListenerFilterSchema,
        isMeant: ({ name }) => wanted.listenerFilter === undefined || wanted.listenerFilter === name,
        isNamed: wanted.listenerFilter !== undefined,
        last: () => 0,
      })
    case 'FILTER_CHAIN':
      return patchList(listener.filterChains, patch, {
        schema: FilterChainSchema,
        isMeant: (chain) => chains.includes(chain),
        isNamed: wanted.filterChain !== undefined,
        last: () => 0,
      })
    case 'NETWORK_FILTER':
      return some(chains, ({ filters }) =>
        patchList(filters, patch, {
          schema: FilterSchema,
          isMeant: ({ name }) => isFilter(name, wanted.filterChain?.filter?.name),
          isNamed: wanted.filterChain?.filter?.name !== undefined,
          // The one that answers, or passes bytes on, comes last.
          last: () => 1,
        }),
      )
    case 'HTTP_FILTER':
      return inHttp(chains, patch, (hcm) =>
        patchList(hcm.httpFilters, patch, {
          schema: HttpFilterSchema,
          isMeant: ({ name }) => isFilter(name, wanted.filterChain?.filter?.subFilter?.name),
          isNamed: wanted.filterChain?.filter?.subFilter?.name !== undefined,
          last: () => 1,
        }),
      )
    case 'ROUTE_CONFIGURATION':
    case 'VIRTUAL_HOST':
    case 'HTTP_ROUTE':
      return inHttp(chains, patch, ({ routeSpecifier }) =>
        routeSpecifier.case === 'routeConfig' ? patchRoutes(routeSpecifier.value, patch) : false,
      )
    default:
      return false
  }
}

/** Whether what a patch is for can be in a listener. */
export function isInListeners({ applyTo }: Patch): boolean {
  return applyTo !== 'CLUSTER' && applyTo !== 'EXTENSION_CONFIG'
}

function inHttp(chains: readonly FilterChain[], { match }: Patch, change: (hcm: HttpConnectionManager) => boolean) {
  const name = match.listener?.filterChain?.filter?.name
  if (name !== undefined && !isFilter(HTTP, name)) return false
  return some(chains, ({ filters }) => some(filters, (filter) => inHttpFilter(filter, change)))
}

function inHttpFilter(filter: Filter, change: (hcm: HttpConnectionManager) => boolean): boolean {
  if (filter.configType.case !== 'typedConfig') return false
  const hcm = anyUnpack(filter.configType.value, HttpConnectionManagerSchema)
  if (!hcm || !change(hcm)) return false
  filter.configType = { case: 'typedConfig', value: anyPack(HttpConnectionManagerSchema, hcm) }
  return true
}

function chainFits(chain: FilterChain, listener: Listener, { match }: Patch): boolean {
  const { filterChain: wanted } = match.listener ?? {}
  if (!wanted) return true
  const {
    destinationPort,
    serverNames = [],
    transportProtocol,
    applicationProtocols = [],
  } = chain.filterChainMatch ?? {}
  const protocols = wanted.applicationProtocols?.split(',').map((each) => each.trim())
  return (
    (wanted.name === undefined || wanted.name === chain.name || wanted.name === istioName(chain, listener)) &&
    (wanted.sni === undefined || serverNames.includes(wanted.sni)) &&
    (wanted.destinationPort === undefined || wanted.destinationPort === destinationPort) &&
    (wanted.transportProtocol === undefined || wanted.transportProtocol === transportProtocol) &&
    (protocols === undefined || protocols.some((each) => applicationProtocols.includes(each)))
  )
}

/** Ours have no names, which only cost; those of redirected inbound traffic have some with Istio. */
function istioName({ filterChainMatch, filters }: FilterChain, { name }: Listener): string | undefined {
  if (name !== 'virtualInbound') return undefined
  const port = filterChainMatch?.destinationPort
  if (port !== undefined) return `0.0.0.0_${port}`
  return filters.some((filter) => filter.name === HTTP) ? 'virtualInbound-catchall-http' : 'virtualInbound'
}

/** Names of filters from before `envoy.filters.` came are still written. */
function isFilter(name: string, wanted: string | undefined): boolean {
  if (wanted === undefined || wanted === name) return true
  return (
    name === `envoy.filters.network.${wanted.replace(/^envoy\./, '')}` ||
    name === `envoy.filters.http.${wanted.replace(/^envoy\./, '')}`
  )
}

function portOf({ address }: Listener): number | undefined {
  if (address?.address.case !== 'socketAddress') return undefined
  const { portSpecifier } = address.address.value
  return portSpecifier.case === 'portValue' ? portSpecifier.value : undefined
}

/** Whether `change` changed any of the items; each is tried. */
function some<T>(items: readonly T[], change: (item: T) => boolean): boolean {
  return items.map(change).includes(true)
}
