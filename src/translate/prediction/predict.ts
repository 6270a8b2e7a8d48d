import { anyUnpack } from '@bufbuild/protobuf/wkt'
import type { Listener } from '#envoy/config/listener/v3/listener'
import type { FilterChain } from '#envoy/config/listener/v3/listener_components'
import type { RouteConfiguration } from '#envoy/config/route/v3/route'
import { type Route, VirtualHost_TlsRequirementType } from '#envoy/config/route/v3/route_components'
import type { ScopedRouteConfiguration } from '#envoy/config/route/v3/scoped_route'
import { HttpConnectionManagerSchema } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import type { Resource } from '../../resources/resource.ts'
import type { EncodedResource, ProxyResources, ResourceType } from '../encoded-resource.ts'
import { ANY_HOST } from '../routes/outbound-routes.ts'
import type { PredictedRequest } from './request.ts'
import { routeMismatch } from './route-mismatch.ts'
import { virtualHostFor } from './virtual-host.ts'

/** What a proxy would do with a request, and why. */
export interface Prediction {
  /** Where its routes come from: a route configuration, and of it a virtual host. Absent where none has the request's host. */
  readonly routeConfiguration?: string
  readonly virtualHost?: string
  /** The objects that the routes were made from, the most specific first. */
  readonly sources: readonly Resource[]
  /** Routes that come before the chosen one, with the reason why each does not take the request. */
  readonly passedOver: readonly PassedOver[]
  /** The route that takes it. Absent where none does: the answer is 404 then. */
  readonly route?: Route
  readonly outcome: Outcome
}

export interface PassedOver {
  readonly route: Route
  readonly why: string
}

/** Shares are of 1. */
export type Outcome =
  | { readonly kind: 'forward'; readonly clusters: readonly { readonly name: string; readonly share: number }[] }
  | { readonly kind: 'redirect'; readonly status: number }
  | { readonly kind: 'answer'; readonly status: number }

/** A request that leaves the application of a sidecar. */
export function predictOutbound(resources: ProxyResources, request: PredictedRequest): Prediction {
  const host = request.authority.replace(/:.*$/, '')
  const scopes = [...new Set([host, host.toLowerCase(), ANY_HOST])]
  let last: Prediction = UNROUTED
  for (const scope of scopes) {
    const found = find<ScopedRouteConfiguration>(resources, 'scopedRoutes', scope)
    if (!found) continue
    last = predictByRoutes(resources, found.message.routeConfigurationName, request)
    if (last.route) return last
  }
  return last
}

/**
 * A request that comes to a gateway.
 * @param port that it listens at
 * @throws Error naming the ports that it listens at, where that is none of them
 */
export function predictAtGateway(resources: ProxyResources, port: number, request: PredictedRequest): Prediction {
  const listeners = messages<Listener>(resources, 'listener').filter(({ message }) => !message.udpListenerConfig)
  const listener = listeners.find(({ message }) => portOf(message) === port)?.message
  if (!listener) {
    const ports = listeners.map(({ message }) => portOf(message)).join(', ')
    throw new Error(`the gateway does not listen at port ${port}; it listens at ${ports || 'none'}`)
  }
  const chain = chainFor(listener, request)
  const name = chain && routesOfChain(chain)
  if (name === undefined) throw new Error(`at port ${port} the gateway takes no HTTP for ${request.authority}`)
  return predictByRoutes(resources, name, request)
}

const UNROUTED: Prediction = { sources: [], passedOver: [], outcome: { kind: 'answer', status: 404 } }

function predictByRoutes(resources: ProxyResources, name: string, request: PredictedRequest): Prediction {
  const found = find<RouteConfiguration>(resources, 'routes', name)
  const virtualHost = found && virtualHostFor(found.message, request.authority)
  if (!found || !virtualHost) return UNROUTED
  const { sources } = found
  const place = { routeConfiguration: name, virtualHost: virtualHost.name, sources }
  if (virtualHost.requireTls === VirtualHost_TlsRequirementType.ALL && request.scheme !== 'https')
    return { ...place, passedOver: [], outcome: { kind: 'redirect', status: 301 } }
  const passedOver: PassedOver[] = []
  for (const route of virtualHost.routes) {
    const why = route.match ? routeMismatch(route.match, request) : 'it has no match'
    if (why === undefined) return { ...place, passedOver, route, outcome: outcomeOf(route) }
    passedOver.push({ route, why })
  }
  return { ...place, passedOver, outcome: { kind: 'answer', status: 404 } }
}

/** `config.route.v3.RedirectAction.RedirectResponseCode` counts these from 0. */
const REDIRECT_STATUS = [301, 302, 303, 307, 308]

function outcomeOf({ action }: Route): Outcome {
  switch (action.case) {
    case 'redirect':
      return { kind: 'redirect', status: REDIRECT_STATUS[action.value.responseCode] ?? 301 }
    case 'directResponse':
      return { kind: 'answer', status: action.value.status }
    case 'route': {
      const { clusterSpecifier: to } = action.value
      if (to.case === 'cluster') return { kind: 'forward', clusters: [{ name: to.value, share: 1 }] }
      if (to.case !== 'weightedClusters') throw new Error(`where ${to.case} leads cannot be told`)
      const weighed = to.value.clusters.map(({ name, weight }) => ({ name, weight: weight ?? 0 }))
      const total = weighed.reduce((sum, { weight }) => sum + weight, 0)
      return { kind: 'forward', clusters: weighed.map(({ name, weight }) => ({ name, share: weight / total })) }
    }
    default:
      throw new Error(`what ${action.case ?? 'a route without an action'} does cannot be told`)
  }
}

function chainFor(listener: Listener, { scheme, authority }: PredictedRequest): FilterChain | undefined {
  const name = authority.replace(/:\d+$/, '').toLowerCase()
  const ofScheme = listener.filterChains.filter(
    ({ filterChainMatch }) => (filterChainMatch?.transportProtocol === 'tls') === (scheme === 'https'),
  )
  const names = [name, ...name.split('.').map((_, i, labels) => `*.${labels.slice(i + 1).join('.')}`)]
  for (const candidate of names) {
    const chain = ofScheme.find(({ filterChainMatch }) => filterChainMatch?.serverNames.includes(candidate))
    if (chain) return chain
  }
  return ofScheme.find(({ filterChainMatch }) => !filterChainMatch?.serverNames.length)
}

function routesOfChain({ filters }: FilterChain): string | undefined {
  for (const { configType } of filters) {
    const hcm = configType.case === 'typedConfig' && anyUnpack(configType.value, HttpConnectionManagerSchema)
    if (hcm && hcm.routeSpecifier.case === 'rds') return hcm.routeSpecifier.value.routeConfigName
  }
  return undefined
}

function portOf({ address }: Listener): number | undefined {
  if (address?.address.case !== 'socketAddress') return undefined
  const { portSpecifier } = address.address.value
  return portSpecifier.case === 'portValue' ? portSpecifier.value : undefined
}

type Typed<M> = EncodedResource & { readonly message: M }

function find<M>(resources: ProxyResources, type: ResourceType, name: string): Typed<M> | undefined {
  for (const layer of resources[type] ?? []) {
    const found = layer.get(name)
    if (found) return found as Typed<M>
  }
  return undefined
}

function messages<M>(resources: ProxyResources, type: ResourceType): Typed<M>[] {
  return (resources[type] ?? []).flatMap((layer) => [...layer.values()] as Typed<M>[])
}
