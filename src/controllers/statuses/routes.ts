import type { Service } from '../../mesh/model.ts'
import { type ApiGateway, takenListenerSets } from '../../mesh/routing/api-gateways.ts'
import {
  type ApiRoute,
  type ApiRoutes,
  apiRoutes,
  gatewayParent,
  namesPort,
  parentsOf,
  type RouteResource,
} from '../../mesh/routing/api-routes.ts'
import { type AttachmentRefusal, attach } from '../../mesh/routing/attachments.ts'
import {
  type BackendProblem,
  type BackendReference,
  backendProblem,
  backendReferences,
} from '../../mesh/routing/backend-problem.ts'
import type { GatewayListener } from '../../mesh/routing/gateway-listeners.ts'
import { gatewayOfListenerSet } from '../../mesh/routing/gateway-listeners.ts'
import { deriveReferences } from '../../mesh/routing/references.ts'
import { unsupportedRules } from '../../mesh/routing/unsupported-rules.ts'
import { services } from '../../mesh/services.ts'
import type { Namespace } from '../../resources/core.ts'
import type { ParentRef } from '../../resources/gateway-api.ts'
import { serviceHost } from '../../resources/host.ts'
import { derive, deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { ourGateways } from './gateways.ts'
import { type Condition, condition, type WantedEntries } from './wanted-status.ts'

/** By key and kind (`default/web HTTPRoute`): the statuses of the routes that name a parent of ours, a Gateway, a ListenerSet or a Service. */
export function routeStatuses(snapshot: Snapshot): PersistentMap<WantedEntries> {
  const routes = apiRoutes(snapshot)
  const parents = parentsNamed(routes, parentTable(snapshot))
  const called = servicesNamed(routes, services(snapshot))
  return statuses([routes, parents, called])
}

/** What a Gateway or ListenerSet is to the routes that name it. */
interface RouteParent {
  readonly listeners: readonly GatewayListener[]
  readonly namespaces: PersistentMap<Namespace>
}

/** By kind and key (`Gateway default/web`): ours. */
function parentTable(snapshot: Snapshot): PersistentMap<RouteParent> {
  const parents = ourGateways(snapshot).flatMap(({ key, api }) => {
    const parent = routeParent(api.listeners, api.namespaces)
    const sets = [...takenListenerSets(snapshot, api.gateway, key).keys()]
    return [[`Gateway ${key}`, parent] as const, ...sets.map((set) => [`ListenerSet ${set}`, parent] as const)]
  })
  return PersistentMap.from([...parents, ...refusedSets(snapshot, new Set(parents.map(([name]) => name)))])
}

/** ListenerSets that name a Gateway of ours which does not take them: to routes they are parents without listeners. */
function refusedSets(snapshot: Snapshot, known: ReadonlySet<string>): (readonly [string, RouteParent])[] {
  return [...snapshot.all('gateway.networking.k8s.io/ListenerSet')].flatMap(([key, set]) => {
    const gateway = gatewayOfListenerSet(set)
    const isOurs = gateway !== undefined && known.has(`Gateway ${gateway}`) && !known.has(`ListenerSet ${key}`)
    return isOurs ? [[`ListenerSet ${key}`, NO_LISTENERS] as const] : []
  })
}

const routeParent = derive(
  'controllers/route-parent',
  (listeners: ApiGateway['listeners'], namespaces: ApiGateway['namespaces']): RouteParent => ({
    listeners,
    namespaces,
  }),
)
const NO_LISTENERS: RouteParent = { listeners: [], namespaces: PersistentMap.empty() }

const parentsNamed = deriveReferences<ApiRoute, RouteParent>('controllers/route-parents', (_, { resource }) =>
  parentsOf(resource).flatMap((ref) => {
    const parent = gatewayParent(ref, resource.metadata.namespace ?? '')
    return parent ? [`${parent.kind} ${parent.key}`] : []
  }),
)

const servicesNamed = deriveReferences<ApiRoute, Service>('controllers/route-services', (_, { resource }) =>
  parentsOf(resource).flatMap((ref) => serviceParentHost(ref, resource) ?? []),
)

/** Kinds of routes that have an effect on the traffic of a mesh. */
const MESH_KINDS: readonly string[] = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute']

function serviceParentHost({ group, kind, name, namespace }: ParentRef, route: RouteResource): string | undefined {
  if (group !== '' || kind !== 'Service' || !MESH_KINDS.includes(route.kind)) return undefined
  return serviceHost(name, namespace ?? route.metadata.namespace ?? '')
}

const statuses = deriveMap<
  [ApiRoutes, PersistentMap<PersistentMap<RouteParent>>, PersistentMap<PersistentMap<Service>>],
  [],
  WantedEntries
>('controllers/route-statuses', (_, [route, parents, services]) => {
  if (!route) return undefined
  const { resource } = route
  const entries = parentsOf(resource).flatMap((ref) => {
    const attached = acceptedBy(route, ref, parents, services)
    return attached ? [{ ref, conditions: withRules(attached, resource) }] : []
  })
  if (entries.length === 0) return undefined
  const resolved = resolvedRefs(route)
  return {
    form: 'entries',
    generation: resource.metadata.generation ?? 0,
    list: 'parents',
    entries: entries.map(({ ref, conditions }) => ({ ref, conditions: [...conditions, resolved] })),
  }
})

/** What a parent that takes a route does about rules that can't be followed. */
function withRules(attached: Condition, route: RouteResource): readonly Condition[] {
  const dropped = attached.status === 'True' ? unsupportedRules(route) : []
  if (dropped.length === 0) return [attached]
  const message = `${dropped.slice(0, MOST_MESSAGES).join('; ')}: its requests are answered with errors`
  if (dropped.length === route.spec?.rules?.length) return [condition('Accepted', false, 'UnsupportedValue', message)]
  // "The message for this condition MUST start with the prefix "Dropped Rule""
  return [attached, condition('PartiallyInvalid', true, 'UnsupportedValue', `Dropped Rule: ${message}`)]
}

/** Undefined for a parent that is not ours to speak for, or is not there. */
function acceptedBy(
  route: ApiRoute,
  ref: ParentRef,
  parents: PersistentMap<RouteParent> | undefined,
  services: PersistentMap<Service> | undefined,
): Condition | undefined {
  const { resource } = route
  const parent = gatewayParent(ref, resource.metadata.namespace ?? '')
  if (!parent) return acceptedByService(ref, resource, services)
  const found = parents?.get(`${parent.kind} ${parent.key}`)
  if (!found) return undefined
  const attached = attach(route, parent, found.listeners, found.namespaces)
  if (typeof attached !== 'string') return condition('Accepted', true, 'Accepted')
  return condition('Accepted', false, attached, refusalText(attached, route, ref))
}

function acceptedByService(
  ref: ParentRef,
  route: RouteResource,
  services: PersistentMap<Service> | undefined,
): Condition | undefined {
  const host = serviceParentHost(ref, route)
  if (host === undefined) return undefined
  const service = services?.get(host)
  const name = `Service ${ref.namespace ?? route.metadata.namespace}/${ref.name}`
  if (!service) return condition('Accepted', false, 'NoMatchingParent', `there is no ${name}`)
  const ofAll = ref.port === undefined && ref.sectionName === undefined
  const meant = service.ports.filter((port) => namesPort(ref, port))
  if (meant.length === 0 && !ofAll) {
    const wanted = [ref.sectionName, ref.port].filter((each) => each !== undefined).join(' ')
    const there = service.ports.map(({ number, name }) => [name, number].filter(Boolean).join(' ')).join(', ')
    return condition('Accepted', false, 'NoMatchingParent', `${name} has no port ${wanted}: it has ${there || 'none'}`)
  }
  if (route.kind === 'TLSRoute' && !meant.some(({ protocol }) => protocol === 'tls' || protocol === 'https')) {
    const message = `${name} has no port for TLS that is meant: give it appProtocol or a name that begins with tls`
    return condition('Accepted', false, 'NoMatchingParent', message)
  }
  return condition('Accepted', true, 'Accepted')
}

function refusalText(refusal: AttachmentRefusal, { resource }: ApiRoute, ref: ParentRef): string {
  const parent = `${ref.kind ?? 'Gateway'} ${ref.namespace ?? resource.metadata.namespace}/${ref.name}`
  const { kind, metadata, spec } = resource
  switch (refusal) {
    case 'NoMatchingParent': {
      const wanted = [
        ...(ref.sectionName === undefined ? [] : [`named ${ref.sectionName}`]),
        ...(ref.port === undefined ? [] : [`on port ${ref.port}`]),
      ]
      if (wanted.length === 0) return `${parent} has no listener that a Gateway takes: its own conditions say why`
      return `${parent} has no listener ${wanted.join(' ')}`
    }
    case 'NotAllowedByListeners':
      return `no listener of ${parent} that is meant takes ${kind}s of namespace ${metadata.namespace}: see its protocol and allowedRoutes`
    case 'NoMatchingListenerHostname': {
      const hosts = spec && 'hostnames' in spec ? (spec.hostnames ?? []).join(', ') : ''
      return `no listener of ${parent} that is meant is for any of the hostnames ${hosts}`
    }
  }
}

function resolvedRefs(route: ApiRoute): Condition {
  const problems = backendReferences(route).flatMap((backend) => {
    const reason = backendProblem(backend, route)
    return reason ? [{ reason, message: backendText(reason, backend, route.resource) }] : []
  })
  const [first] = problems
  if (!first) return condition('ResolvedRefs', true, 'ResolvedRefs')
  const messages = [...new Set(problems.map(({ message }) => message))]
  return condition('ResolvedRefs', false, first.reason, messages.slice(0, MOST_MESSAGES).join('; '))
}

/** More help nobody. */
const MOST_MESSAGES = 10

function backendText(reason: BackendProblem, backend: BackendReference, route: RouteResource): string {
  const { group = '', kind = 'Service', name, namespace = route.metadata.namespace ?? '', port } = backend
  const what = `${kind} ${namespace}/${name}`
  switch (reason) {
    case 'InvalidKind':
      return `backendRef ${what}${group ? ` (${group})` : ''}: traffic cannot be sent to a ${kind}; name a Service`
    case 'RefNotPermitted':
      return `backendRef ${what}: no ReferenceGrant in namespace ${namespace} lets ${route.kind}s of namespace ${route.metadata.namespace} refer to it`
    case 'BackendNotFound':
      return port === undefined
        ? `backendRef ${what}: no port is named, which is required for a Service`
        : `backendRef ${what}: there is no such ${kind} with port ${port}`
    case 'UnsupportedProtocol':
      return `backendRef ${what}: port ${port} is ${route.kind === 'UDPRoute' ? 'not for' : 'for'} datagrams, so a ${route.kind} cannot send to it`
  }
}
