import type { Namespace } from '../../resources/core.ts'
import type { AllowedRoutes, Gateway, Listener } from '../../resources/gateway-api.ts'
import { hostIntersection, mostSpecificMatch } from '../../resources/host.ts'
import { matchesSelector } from '../../resources/labels.ts'
import { keyOf } from '../../resources/resource.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { type ApiRoute, type ApiRoutes, gatewayParents } from './api-routes.ts'

/** A route that a listener takes, and for which hosts (or wildcards; `*` for all). */
export interface Attachment {
  readonly route: ApiRoute
  readonly hosts: readonly string[]
}

/**
 * The routes that a listener of a Gateway takes: those that name it as their parent, from a namespace and of a kind that it allows, with a hostname in
 * common. A request belongs to the listener of its port with the most specific hostname: for hosts of another listener, this one takes no routes.
 */
export function attachments(
  gateway: Gateway,
  listener: Listener,
  routes: ApiRoutes,
  namespaces: PersistentMap<Namespace>,
): Attachment[] {
  const key = keyOf(gateway)
  const neighbours = (gateway.spec?.listeners ?? []).filter(({ port }) => port === listener.port).map(listenerHost)
  return [...routes.values()].flatMap((route) => {
    const { kind, metadata, spec } = route.resource
    const names = gatewayParents(route).some(
      (parent) =>
        parent.key === key &&
        (parent.sectionName ?? listener.name) === listener.name &&
        (parent.port ?? listener.port) === listener.port,
    )
    if (!names || !allowedKinds(listener).includes(kind)) return []
    if (!allowsNamespace(listener.allowedRoutes, metadata.namespace ?? '', gateway, namespaces)) return []
    const written = spec && 'hostnames' in spec && spec.hostnames?.length ? spec.hostnames : [ANY]
    const hosts = written
      .flatMap((host) => hostIntersection(listenerHost(listener), host.toLowerCase()) ?? [])
      .filter((host) => mostSpecificMatch(host, neighbours) === listenerHost(listener))
    return hosts.length > 0 ? [{ route, hosts: [...new Set(hosts)] }] : []
  })
}

/** The hosts that a listener is for; `*` for all. */
export function listenerHost({ hostname }: Listener): string {
  return hostname ? hostname.toLowerCase() : ANY
}

/** Kinds of routes (of Gateway API's own group) that a listener takes. */
function allowedKinds({ protocol, tls, allowedRoutes }: Listener): readonly string[] {
  const fitting = kindsFor(protocol, tls?.mode)
  const kinds = allowedRoutes?.kinds
  if (!kinds?.length) return fitting
  const allowed = kinds.filter(({ group = GROUP }) => group === GROUP).map(({ kind }) => kind)
  return fitting.filter((kind) => allowed.includes(kind))
}

/** Whether a listener's `allowedRoutes` depends on labels of namespaces. */
export function looksAtNamespaces(gateway: Gateway): boolean {
  return (gateway.spec?.listeners ?? []).some(({ allowedRoutes }) => allowedRoutes?.namespaces?.from === 'Selector')
}

const ANY = '*'
const GROUP = 'gateway.networking.k8s.io'

function kindsFor(protocol: string, mode: string | undefined): readonly string[] {
  switch (protocol) {
    case 'HTTP':
    case 'HTTPS':
      return ['HTTPRoute', 'GRPCRoute']
    case 'TLS':
      return mode === 'Passthrough' ? ['TLSRoute'] : ['TCPRoute', 'TLSRoute']
    case 'TCP':
      return ['TCPRoute']
    default:
      return []
  }
}

function allowsNamespace(
  allowed: AllowedRoutes | undefined,
  namespace: string,
  gateway: Gateway,
  namespaces: PersistentMap<Namespace>,
): boolean {
  const { from = 'Same', selector } = allowed?.namespaces ?? {}
  if (from === 'All') return true
  if (from === 'Same') return namespace === gateway.metadata.namespace
  // A namespace that nobody wrote down has the one label that Kubernetes gives every namespace.
  const labels = { ...namespaces.get(namespace)?.metadata.labels, 'kubernetes.io/metadata.name': namespace }
  return selector !== undefined && matchesSelector(selector, labels)
}
