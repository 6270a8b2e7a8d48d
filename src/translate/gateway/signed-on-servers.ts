import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { FilterConfigSchema, type Route, RouteSchema } from '#envoy/config/route/v3/route_components'
import type { GatewayProxy } from '../../mesh/routing/gateway-proxy.ts'
import { oldest, type SignOn, selectsGateway, targetsOf } from '../../mesh/sign-on/oidc-policies.ts'
import { LOGOUT_PATH, REDIRECT_PATH } from '../../mesh/sign-on/own-paths.ts'
import { isKind, keyOf } from '../../resources/resource.ts'
import { derive } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { originOf, withOrigin } from '../routes/route-origin.ts'
import { filterNames } from '../sign-on/filters.ts'
import { typedConfig } from '../typed-config.ts'
import { type HostRoutes, type HttpService, isHttpService, type Server } from './server.ts'

/** The same servers, with routes that have people sign on where OIDCPolicies ask for it. */
export function signedOnServers(
  servers: readonly Server[],
  signOns: PersistentMap<SignOn>,
  proxy: GatewayProxy,
): readonly Server[] {
  return signOns.size === 0 ? servers : signedOn(servers, signOns, proxy)
}

const signedOn = derive(
  'translate/gateway/signed-on-servers',
  (servers: readonly Server[], signOns: PersistentMap<SignOn>, proxy: GatewayProxy): readonly Server[] => {
    const used = new Map<string, Set<SignOn>>()
    const asking = servers.map((server): Server => {
      const { serves } = server
      if (!isHttpService(serves)) return server
      const ofServer = serverPolicy([...signOns.values()], server, proxy)
      const asked = used.get(serves.routeName) ?? new Set()
      used.set(serves.routeName, asked)
      const hosts = serves.hosts.map((host) => asks(host, ofServer, signOns, asked))
      return { ...server, serves: { ...serves, hosts } }
    })
    // Plain HTTP servers of one port are one server to Envoy, whose filters are for all of them.
    return asking.map((server) => {
      const asked = isHttpService(server.serves) ? used.get(server.serves.routeName) : undefined
      if (!asked || asked.size === 0) return server
      return { ...server, serves: { ...(server.serves as HttpService), signOns: [...asked] } }
    })
  },
)

/** What is said of its listener counts more than what is said of its Gateway, and that more than what selects pods. */
function serverPolicy(signOns: readonly SignOn[], { listener }: Server, proxy: GatewayProxy): SignOn | undefined {
  const naming = (section: string | undefined) =>
    oldest(
      signOns.filter((signOn) =>
        targetsOf(signOn, 'Gateway').some((target) => target.key === listener?.gateway && target.section === section),
      ),
    )
  const named = listener && (naming(listener.name) ?? naming(undefined))
  return named ?? oldest(signOns.filter((signOn) => selectsGateway(signOn, proxy)))
}

/** @param asked gets the policies that any of the routes asks for */
function asks(
  host: HostRoutes,
  ofServer: SignOn | undefined,
  signOns: PersistentMap<SignOn>,
  asked: Set<SignOn>,
): HostRoutes {
  const here = new Set<SignOn>()
  const routes = host.routes.map((route) => {
    if (isMisdirected(route)) return route
    const signOn = policyOfRoute(route, signOns) ?? ofServer
    if (!signOn) return route
    here.add(signOn)
    return withFilters(route, signOn)
  })
  if (here.size === 0) return host
  for (const signOn of here) asked.add(signOn)
  const sources = [...host.sources, ...[...here].map(({ policy }) => policy)]
  return { ...host, routes: [...[...here].flatMap(ownRoutes), ...routes], sources }
}

function policyOfRoute(route: Route, signOns: PersistentMap<SignOn>): SignOn | undefined {
  const resource = originOf(route)?.resource
  if (!resource || !isKind(resource, 'gateway.networking.k8s.io/HTTPRoute')) return undefined
  const key = keyOf(resource)
  return oldest(
    [...signOns.values()].filter((signOn) => targetsOf(signOn, 'HTTPRoute').some((target) => target.key === key)),
  )
}

/** Requests for another listener have no session here. */
function isMisdirected({ action }: Route): boolean {
  return action.case === 'directResponse' && action.value.status === 421
}

const ENABLED = typedConfig(FilterConfigSchema, { config: { typeUrl: '', value: new Uint8Array() } })

function perFilter(signOn: SignOn): Record<string, Any> {
  const names = 'problem' in signOn.ready ? filterNames(signOn).slice(0, 1) : filterNames(signOn)
  return Object.fromEntries(names.map((name) => [name, ENABLED]))
}

function withFilters(route: Route, signOn: SignOn): Route {
  const typedPerFilterConfig = { ...route.typedPerFilterConfig, ...perFilter(signOn) }
  return withOrigin(create(RouteSchema, { ...route, typedPerFilterConfig }), originOf(route))
}

/** Where people come back to and sign out: the filter answers there, but only where there is a route. */
function ownRoutes(signOn: SignOn): Route[] {
  const { redirectPath = REDIRECT_PATH, logoutPath = LOGOUT_PATH } = signOn.spec
  return [redirectPath, logoutPath].map((path) =>
    create(RouteSchema, {
      name: `sign-on.${keyOf(signOn.policy).replace('/', '.')}`,
      match: { pathSpecifier: { case: 'path', value: path } },
      action: { case: 'directResponse', value: { status: 404 } },
      typedPerFilterConfig: perFilter(signOn),
    }),
  )
}
