import type { Gateway, Listener, ParentRef } from '../../resources/gateway-api.ts'
import { KINDS, type KindId } from '../../resources/kinds.ts'
import { matchesSelector } from '../../resources/labels.ts'
import type { FieldPath, Resource } from '../../resources/resource.ts'
import { deriveFromReads } from '../../store/derive.ts'
import type { Snapshot } from '../../store/snapshot.ts'

/** What all kinds of routes of the Gateway API have in common. */
export interface RouteSpec {
  readonly parentRefs?: readonly ParentRef[]
  readonly hostnames?: readonly string[]
  readonly rules?: readonly RouteRule[]
}

interface RouteRule {
  readonly backendRefs?: readonly (BackendObject & { readonly filters?: readonly RouteFilter[] })[]
  readonly filters?: readonly RouteFilter[]
}

interface RouteFilter {
  readonly requestMirror?: { readonly backendRef?: BackendObject }
  readonly externalAuth?: { readonly backendRef?: BackendObject }
}

/** An object that gets requests. */
export interface BackendObject {
  readonly group?: string
  readonly kind?: string
  readonly name: string
  readonly namespace?: string
  readonly port?: number
}

export interface Route {
  readonly resource: Resource
  readonly namespace: string
  readonly spec: RouteSpec
}

const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'] as const

export const GATEWAY_API = 'gateway.networking.k8s.io'

/** Every route of every kind. */
export const routes = deriveFromReads('analysis/routes', (snapshot: Snapshot): readonly Route[] =>
  ROUTE_KINDS.map((kind) => `${GATEWAY_API}/${kind}` as KindId)
    .filter((kind) => kind in KINDS)
    .flatMap((kind) =>
      Array.from(snapshot.all(kind).values() as Iterable<Resource>, (resource) => ({
        resource,
        namespace: resource.metadata.namespace ?? '',
        spec: (resource.spec ?? {}) as RouteSpec,
      })),
    ),
)

/** Every object that a route sends to, mirrors and authorizers included. */
export function* backends({ spec }: Route): Iterable<{ readonly path: FieldPath; readonly backend: BackendObject }> {
  for (const [i, rule] of (spec.rules ?? []).entries()) {
    const path = ['spec', 'rules', i]
    for (const [j, backend] of (rule.backendRefs ?? []).entries()) {
      yield { path: [...path, 'backendRefs', j], backend }
      yield* asides(backend.filters, [...path, 'backendRefs', j, 'filters'])
    }
    yield* asides(rule.filters, [...path, 'filters'])
  }
}

function* asides(filters: readonly RouteFilter[] | undefined, path: FieldPath) {
  for (const [i, filter] of (filters ?? []).entries())
    for (const field of ['requestMirror', 'externalAuth'] as const) {
      const backend = filter[field]?.backendRef
      if (backend) yield { path: [...path, i, field, 'backendRef'], backend }
    }
}

/** The Gateway that a parentRef names; undefined for other kinds of parents, and where there is none. */
export function parentGateway(snapshot: Snapshot, route: Route, ref: ParentRef): Gateway | undefined {
  if ((ref.group ?? GATEWAY_API) !== GATEWAY_API || (ref.kind ?? 'Gateway') !== 'Gateway') return undefined
  return snapshot.get('gateway.networking.k8s.io/Gateway', `${ref.namespace ?? route.namespace}/${ref.name}`)
}

/** The listeners that a parentRef is for. */
export function namedListeners(gateway: Gateway, ref: ParentRef): readonly Listener[] {
  return (gateway.spec?.listeners ?? []).filter(
    (listener) =>
      (ref.sectionName === undefined || listener.name === ref.sectionName) &&
      (ref.port === undefined || listener.port === ref.port),
  )
}

/** Whether `allowedRoutes` lets routes of the kind and of that namespace in. */
export function allows(snapshot: Snapshot, gateway: Gateway, listener: Listener, route: Route): boolean {
  return allowsKind(listener, route.resource.kind) && allowsNamespace(snapshot, gateway, listener, route.namespace)
}

/** What a listener's protocol takes where it names no kinds: see Gateway API's `ProtocolType`. */
const KINDS_BY_PROTOCOL: Readonly<Record<string, readonly string[]>> = {
  HTTP: ['HTTPRoute', 'GRPCRoute'],
  HTTPS: ['HTTPRoute', 'GRPCRoute'],
  TLS: ['TLSRoute', 'TCPRoute'],
  TCP: ['TCPRoute'],
  UDP: ['UDPRoute'],
}

function allowsKind({ allowedRoutes, protocol }: Listener, kind: string): boolean {
  const byProtocol = KINDS_BY_PROTOCOL[protocol]
  if (byProtocol && !byProtocol.includes(kind)) return false
  return !allowedRoutes?.kinds?.length || allowedRoutes.kinds.some((allowed) => allowed.kind === kind)
}

function allowsNamespace(
  snapshot: Snapshot,
  gateway: Gateway,
  { allowedRoutes }: Listener,
  namespace: string,
): boolean {
  const { from = 'Same', selector } = allowedRoutes?.namespaces ?? {}
  if (from === 'All') return true
  if (from === 'Same') return namespace === gateway.metadata.namespace
  // Kubernetes labels every namespace with its name, so that one which nobody wrote has that at least.
  const labels = {
    'kubernetes.io/metadata.name': namespace,
    ...snapshot.get('core/Namespace', namespace)?.metadata.labels,
  }
  return selector !== undefined && matchesSelector(selector, labels)
}
