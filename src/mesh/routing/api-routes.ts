import type {
  GRPCRoute,
  HTTPBackendRef,
  HTTPRoute,
  HTTPRouteRule,
  ParentRef,
  TCPRoute,
  TLSRoute,
  UDPRoute,
} from '../../resources/gateway-api.ts'
import { resolveHost, serviceHost } from '../../resources/host.ts'
import type { HttpRetry } from '../../resources/istio.ts'
import { deriveFlatMap, deriveIndex, deriveMap, deriveOverlay } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { ClientPolicy } from '../destination-rules.ts'
import { meshConfig } from '../mesh-config.ts'
import type { Service, ServicePort } from '../model.ts'
import { services } from '../services.ts'
import { type Grants, isGranted, referenceGrants } from './reference-grants.ts'
import { deriveReferences } from './references.ts'
import { routingPolicies, type Targets } from './targets.ts'

/** A route of Gateway API of any kind, with what is known of the backends that it refers to. */
export interface ApiRoute {
  readonly resource: RouteResource
  readonly targets: Targets
  /** Hosts of backends in other namespaces that it may not refer to. */
  readonly refused: readonly string[]
  /** How its requests are tried again where its rules don't say it, and the mesh config does. */
  readonly retries?: HttpRetry
}

/** Routes by kind, namespace and name. */
export type ApiRoutes = PersistentMap<ApiRoute>

const GROUP = 'gateway.networking.k8s.io'

/** By host: the HTTPRoutes and GRPCRoutes for requests to a Service, which name it as their parent. */
export function serviceRoutes(snapshot: Snapshot): PersistentMap<ApiRoutes> {
  return httpByService(apiRoutes(snapshot))
}

/** By host: the TCPRoutes and TLSRoutes for connections to a Service, which name it as their parent. */
export function serviceConnectionRoutes(snapshot: Snapshot): PersistentMap<ApiRoutes> {
  return connectionsByService(apiRoutes(snapshot))
}

/** By kind and key (`Gateway default/web`) of the Gateways and ListenerSets that they name as a parent. Whether these take them is another question. */
export function gatewayRoutes(snapshot: Snapshot): PersistentMap<ApiRoutes> {
  return byGateway(apiRoutes(snapshot))
}

/** Parents of a route that are Services, with their hosts. */
function serviceParents({ resource }: ApiRoute): readonly (ParentRef & { readonly host: string })[] {
  return parentsOf(resource).flatMap((parent) =>
    isService(parent) ? [{ ...parent, host: serviceHost(parent.name, parent.namespace ?? namespaceOf(resource)) }] : [],
  )
}

function isService({ group = GROUP, kind }: ParentRef): boolean {
  return kind === 'Service' && group === ''
}

/** Whether a route is for a port of the Service of a host. */
export function isForServicePort(route: ApiRoute, host: string, port: Pick<ServicePort, 'number' | 'name'>): boolean {
  return serviceParents(route).some((parent) => parent.host === host && namesPort(parent, port))
}

/** Whether a reference to a Service is to one of its ports. "SectionName is the name of a section: Service: Port name" (ParentReference). */
export function namesPort(parent: ParentRef, { number, name }: Pick<ServicePort, 'number' | 'name'>): boolean {
  return (parent.port ?? number) === number && (parent.sectionName ?? name) === name
}

/** Parents of a route that are Gateways or ListenerSets, with their keys. */
export function gatewayParents({ resource }: ApiRoute): readonly Parent[] {
  return parentsOf(resource).flatMap((parent) => gatewayParent(parent, namespaceOf(resource)) ?? [])
}

/** A reference of a route to a Gateway or ListenerSet, with the key (`namespace/name`) and kind of that. */
export type Parent = ParentRef & { readonly key: string; readonly kind: string }

/** What a reference of a route of this namespace is to; undefined where it is neither to a Gateway nor to a ListenerSet. */
export function gatewayParent(parent: ParentRef, namespace: string): Parent | undefined {
  const { group = GROUP, kind = 'Gateway', name } = parent
  if (group !== GROUP || (kind !== 'Gateway' && kind !== 'ListenerSet')) return undefined
  return { ...parent, kind, key: `${parent.namespace ?? namespace}/${name}` }
}

/** The host that a backend is: of a Service, or any host by Istio's `Hostname`. Undefined for other kinds. */
export function backendHost(
  backend: Pick<HTTPBackendRef, 'group' | 'kind' | 'name' | 'namespace'>,
  namespace: string,
): string | undefined {
  const { group = '', kind = 'Service', name } = backend
  if (group === '' && kind === 'Service') return serviceHost(name, backend.namespace ?? namespace)
  if (group === 'networking.istio.io' && kind === 'Hostname') return resolveHost(name, namespace)
  return undefined
}

export type RouteResource = HTTPRoute | GRPCRoute | TLSRoute | TCPRoute | UDPRoute

/** Every route of every kind, by key and kind (`default/web HTTPRoute`). */
export function apiRoutes(snapshot: Snapshot): ApiRoutes {
  const routes = ofAllKinds(
    httpRoutes([snapshot.all('gateway.networking.k8s.io/HTTPRoute')]),
    grpcRoutes([snapshot.all('gateway.networking.k8s.io/GRPCRoute')]),
    tlsRoutes([snapshot.all('gateway.networking.k8s.io/TLSRoute')]),
    tcpRoutes([snapshot.all('gateway.networking.k8s.io/TCPRoute')]),
    udpRoutes([snapshot.all('gateway.networking.k8s.io/UDPRoute')]),
  )
  const known = servicesOf(routes, services(snapshot))
  const policies = policiesOf(routes, routingPolicies(snapshot))
  return withTargets([routes, known, policies], referenceGrants(snapshot), meshConfig(snapshot).retries)
}

const httpRoutes = named<HTTPRoute>('HTTPRoute')
const grpcRoutes = named<GRPCRoute>('GRPCRoute')
const tlsRoutes = named<TLSRoute>('TLSRoute')
const tcpRoutes = named<TCPRoute>('TCPRoute')
const udpRoutes = named<UDPRoute>('UDPRoute')
const ofAllKinds = deriveOverlay<RouteResource>('mesh/api-routes/all-kinds')

/** Makes keys differ where routes of two kinds have the same name. */
function named<R extends RouteResource>(kind: string) {
  return deriveFlatMap<[PersistentMap<R>], [], RouteResource>(`mesh/api-routes/${kind}`, (key, [route]) =>
    route ? [[`${key} ${kind}`, route]] : [],
  )
}

const namesOf = (_: string, route: RouteResource) => new Set(backendsOf(route).map(({ host }) => host))
const servicesOf = deriveReferences<RouteResource, Service>('mesh/api-routes/services', namesOf)
const policiesOf = deriveReferences<RouteResource, ClientPolicy>('mesh/api-routes/policies', namesOf)

const NO_SERVICES = PersistentMap.empty<Service>()
const NO_POLICIES = PersistentMap.empty<ClientPolicy>()

const withTargets = deriveMap<
  [PersistentMap<RouteResource>, PersistentMap<PersistentMap<Service>>, PersistentMap<PersistentMap<ClientPolicy>>],
  [Grants, HttpRetry | undefined],
  ApiRoute
>('mesh/api-routes', (_, [resource, services = NO_SERVICES, policies = NO_POLICIES], grants, retries) => {
  if (!resource) return undefined
  const from = { group: GROUP, kind: resource.kind, namespace: namespaceOf(resource) }
  const refused = isOfMeshOnly(parentsOf(resource))
    ? []
    : backendsOf(resource).filter(({ to }) => !isGranted(grants, from, to))
  return {
    resource,
    targets: { services, policies },
    refused: [...new Set(refused.map(({ host }) => host))],
    ...(retries ? { retries } : {}),
  }
})

/**
 * Whether a route is for the mesh alone: all its parents are Services. "Routes of either type can send traffic to `backendRefs` in any namespace. Unlike `Gateway` bound routes, this is
 * allowed without a `ReferenceGrant`" (GEP-1294): they expose nothing to anyone who could not call it anyway.
 */
export function isOfMeshOnly(parents: readonly ParentRef[]): boolean {
  return parents.length > 0 && parents.every(isService)
}

const httpByService = deriveIndex<ApiRoute>('mesh/api-routes/http-by-service', (_, route) =>
  ['HTTPRoute', 'GRPCRoute'].includes(route.resource.kind) ? serviceParents(route).map(({ host }) => host) : [],
)

const connectionsByService = deriveIndex<ApiRoute>('mesh/api-routes/connections-by-service', (_, route) =>
  ['TCPRoute', 'TLSRoute'].includes(route.resource.kind) ? serviceParents(route).map(({ host }) => host) : [],
)

const byGateway = deriveIndex<ApiRoute>('mesh/api-routes/by-gateway', (_, route) =>
  gatewayParents(route).map(({ kind, key }) => `${kind} ${key}`),
)

/** Every backend that it sends to, with copies or questions, too. */
function backendsOf(route: RouteResource) {
  const namespace = namespaceOf(route)
  const rules: readonly Pick<HTTPRouteRule, 'backendRefs' | 'filters'>[] = route.spec?.rules ?? []
  const references = rules.flatMap(({ backendRefs = [], filters = [] }) => [
    ...backendRefs,
    ...filters.flatMap(({ requestMirror, externalAuth }) => (requestMirror ?? externalAuth)?.backendRef ?? []),
  ])
  return references.flatMap((backend) => {
    const host = backendHost(backend, namespace)
    if (host === undefined) return []
    const { group = '', kind = 'Service', name } = backend
    return [{ host, to: { group, kind, name, namespace: backend.namespace ?? namespace } }]
  })
}

/** What a route names as its parents, as it stands there. */
export function parentsOf(route: RouteResource): readonly ParentRef[] {
  return route.spec?.parentRefs ?? []
}

function namespaceOf(route: RouteResource): string {
  return route.metadata.namespace ?? ''
}
