import type { RouteConfiguration } from '#envoy/config/route/v3/route'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { type Route, RouteSchema, type VirtualHost, VirtualHostSchema } from '#envoy/config/route/v3/route_components'
import { ANY_HOST } from '../routes/outbound-routes.ts'
import { mergePatch, merges, type Patch } from './patch.ts'
import { patchList } from './patch-list.ts'

/**
 * Applies a patch to a route configuration. Those of sidecars are one for each host here and one for each port with Istio: where a patch names a port
 * (as `name` or `portNumber`) it is about the virtual hosts of that port, and a new virtual host goes to the hosts that nothing else is known of.
 * Changes `routes`; returns whether it did.
 */
export function patchRoutes(routes: RouteConfiguration, patch: Patch): boolean {
  const { applyTo, operation } = patch
  const wanted = patch.match.routeConfiguration ?? {}
  const ofHosts = (host: VirtualHost) => portFits(routes.name, host.name, wanted)
  if (applyTo === 'ROUTE_CONFIGURATION') {
    if (!merges(patch) || !routes.virtualHosts.some(ofHosts)) return false
    mergePatch(RouteConfigurationSchema, routes, patch)
    return true
  }
  const { vhost } = wanted
  const isMeant = (host: VirtualHost) =>
    ofHosts(host) &&
    (vhost?.name === undefined || vhost.name === host.name || vhost.name === inboundName(routes.name)) &&
    (vhost?.domainName === undefined || host.domains.includes(vhost.domainName))
  if (applyTo === 'VIRTUAL_HOST') {
    if (operation === 'ADD' && !takesNewHosts(routes, patch)) return false
    return patchList(routes.virtualHosts, patch, { schema: VirtualHostSchema, isMeant, isNamed: true, last: () => 0 })
  }
  let changed = false
  for (const host of routes.virtualHosts.filter(isMeant)) {
    const route = vhost?.route
    changed =
      patchList(host.routes, patch, {
        schema: RouteSchema,
        isMeant: (each) => (route?.name === undefined || route.name === each.name) && actionFits(each, route?.action),
        isNamed: route?.name !== undefined || (route?.action ?? 'ANY') !== 'ANY',
        last: () => 0,
      }) || changed
  }
  return changed
}

/** What Istio calls the virtual host of `inbound|8080||`. It names the Service's port, which is mostly the same. */
function inboundName(configuration: string): string | undefined {
  const port = /^inbound\|(\d+)\|/.exec(configuration)?.[1]
  return port === undefined ? undefined : `inbound|http|${port}`
}

interface Wanted {
  readonly name?: string
  readonly portNumber?: number
}

function portFits(configuration: string, host: string, { name, portNumber }: Wanted): boolean {
  // `http.8080` and `https.8443...` at gateways; `HOST:PORT` are the virtual hosts of sidecars.
  const port = /^https?\.(\d+)/.exec(configuration)?.[1] ?? /:(\d+)$/.exec(host)?.[1]
  if (portNumber !== undefined && port !== undefined && portNumber !== Number(port)) return false
  return name === undefined || name === configuration || name === port
}

function takesNewHosts(routes: RouteConfiguration, { context }: Patch): boolean {
  return /^https?\./.test(routes.name) || routes.name === ANY_HOST || context === 'SIDECAR_INBOUND'
}

function actionFits({ action }: Route, wanted: string | undefined): boolean {
  const kinds = { route: 'ROUTE', redirect: 'REDIRECT', directResponse: 'DIRECT_RESPONSE' } as const
  if (wanted === undefined || wanted === 'ANY') return true
  return action.case !== undefined && action.case in kinds && kinds[action.case as keyof typeof kinds] === wanted
}
