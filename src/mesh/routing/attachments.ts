import type { Namespace } from '../../resources/core.ts'
import type { Listener } from '../../resources/gateway-api.ts'
import { compareHosts, hostIntersection, hostMatches, mostSpecificMatch } from '../../resources/host.ts'
import { keyOf } from '../../resources/resource.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { allowsNamespace } from './allowed-namespaces.ts'
import { type ApiRoute, type ApiRoutes, gatewayParents, type Parent } from './api-routes.ts'
import { type GatewayListener, listenerHost } from './gateway-listeners.ts'

/** A route that a listener takes, and for which hosts (or wildcards; `*` for all). */
export interface Attachment {
  readonly listener: GatewayListener
  readonly route: ApiRoute
  /** Those of its hostnames that the listener is for, as far as it is. */
  readonly hosts: readonly string[]
}

/**
 * How specific a route is about a host, for its precedence: the most specific of its hostnames that match it, as it is written rather than as far as the
 * listener is for it. `*` where it names none.
 */
export function writtenHost({ listener, route, hosts }: Attachment, host: string): string | undefined {
  const own = listenerHost(listener.listener)
  return hostnamesOf(route)
    .filter((written) => {
      const common = hostIntersection(own, written)
      return common !== undefined && hosts.includes(common) && hostMatches(common, host)
    })
    .sort(compareHosts)[0]
}

/** Why a parent does not take a route: the reason of its condition `Accepted`. */
export type AttachmentRefusal = 'NoMatchingParent' | 'NotAllowedByListeners' | 'NoMatchingListenerHostname'

/**
 * What comes of a route's reference to a Gateway or ListenerSet: the listeners that take it, or why none does. What statuses say and what proxies do
 * is decided here.
 * @param listeners all that the Gateway has, by `listenersOf`
 */
export function attach(
  route: ApiRoute,
  parent: Parent,
  listeners: readonly GatewayListener[],
  namespaces: PersistentMap<Namespace>,
): readonly Attachment[] | AttachmentRefusal {
  const named = listeners.filter(
    ({ listener, owner }) =>
      owner.kind === parent.kind &&
      keyOf(owner) === parent.key &&
      (parent.sectionName ?? listener.name) === listener.name &&
      (parent.port ?? listener.port) === listener.port,
  )
  if (named.length === 0) return 'NoMatchingParent'
  const { kind, metadata } = route.resource
  const allowing = named.filter(
    ({ listener, owner, problem }) =>
      !problem &&
      allowedKinds(listener).includes(kind) &&
      allowsNamespace(
        listener.allowedRoutes?.namespaces ?? {},
        metadata.namespace ?? '',
        owner.metadata.namespace ?? '',
        namespaces,
      ),
  )
  if (allowing.length === 0) return 'NotAllowedByListeners'
  const attached = allowing.flatMap((listener): Attachment[] => {
    const own = listenerHost(listener.listener)
    const hosts = hostnamesOf(route).flatMap((host) => hostIntersection(own, host) ?? [])
    return hosts.length > 0 ? [{ listener, route, hosts: [...new Set(hosts)] }] : []
  })
  return attached.length > 0 ? attached : 'NoMatchingListenerHostname'
}

/**
 * The routes that each listener of a Gateway takes. A request belongs to the listener of its port with the most specific hostname: for hosts of
 * another listener, a listener's routes do nothing.
 */
export function attachments(
  listeners: readonly GatewayListener[],
  routes: ApiRoutes,
  namespaces: PersistentMap<Namespace>,
): ReadonlyMap<GatewayListener, readonly Attachment[]> {
  const taken = new Map<GatewayListener, Map<ApiRoute, Set<string>>>()
  for (const route of routes.values()) {
    for (const parent of gatewayParents(route)) {
      const attached = attach(route, parent, listeners, namespaces)
      if (typeof attached === 'string') continue
      for (const { listener, hosts } of attached) {
        const ofListener = taken.get(listener) ?? new Map<ApiRoute, Set<string>>()
        taken.set(listener, ofListener.set(route, new Set([...(ofListener.get(route) ?? []), ...hosts])))
      }
    }
  }
  return new Map(
    listeners.map((listener) => {
      const isOwn = isolation(listener, listeners)
      const ofListener = [...(taken.get(listener) ?? [])].flatMap(([route, hosts]): Attachment[] => {
        const own = [...hosts].filter(isOwn)
        return own.length > 0 ? [{ listener, route, hosts: own }] : []
      })
      return [listener, ofListener]
    }),
  )
}

/** Kinds of routes (of Gateway API's own group) that a listener takes. */
export function allowedKinds({ protocol, tls, allowedRoutes }: Listener): readonly string[] {
  const fitting = kindsFor(protocol, tls?.mode)
  const kinds = allowedRoutes?.kinds
  if (!kinds?.length) return fitting
  const allowed = kinds.filter(({ group = GROUP }) => group === GROUP).map(({ kind }) => kind)
  return fitting.filter((kind) => allowed.includes(kind))
}

function hostnamesOf({ resource: { spec } }: ApiRoute): readonly string[] {
  const written = spec && 'hostnames' in spec ? spec.hostnames : undefined
  return written?.length ? written.map((host) => host.toLowerCase()) : ['*']
}

const GROUP = 'gateway.networking.k8s.io'

/** The kinds of routes that a protocol can be routed by, of Gateway API's own group; none for a protocol that we do not know. */
function kindsFor(protocol: string, mode: string | undefined): readonly string[] {
  switch (protocol) {
    case 'HTTP':
    case 'HTTPS':
      return ['HTTPRoute', 'GRPCRoute']
    case 'TLS':
      return mode === 'Passthrough' ? ['TLSRoute'] : ['TLSRoute', 'TCPRoute']
    case 'TCP':
      return ['TCPRoute']
    case 'UDP':
      return ['UDPRoute']
    default:
      return []
  }
}

/** Whether a host is a listener's own, rather than one of a listener of the same port that is for fewer hosts. */
function isolation({ listener }: GatewayListener, listeners: readonly GatewayListener[]): (host: string) => boolean {
  const neighbours = listeners
    .filter((each) => !each.problem && each.listener.port === listener.port)
    .map((each) => listenerHost(each.listener))
  return (host) => mostSpecificMatch(host, neighbours) === listenerHost(listener)
}
