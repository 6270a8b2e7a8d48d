import type { ApiGateway } from '../../mesh/routing/api-gateways.ts'
import type { ApiRoute } from '../../mesh/routing/api-routes.ts'
import { gatewayParents } from '../../mesh/routing/api-routes.ts'
import { allowedKinds, attach } from '../../mesh/routing/attachments.ts'
import { type FrontendValidation, frontendValidation } from '../../mesh/routing/frontend-validation.ts'
import { type GatewayListener, listenerHost } from '../../mesh/routing/gateway-listeners.ts'
import { isGranted } from '../../mesh/routing/reference-grants.ts'
import type { Secret } from '../../resources/core.ts'
import { hostIntersection } from '../../resources/host.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { isKeyPair } from '../../translate/gateway/credentials.ts'
import { type Condition, condition, type WantedListener } from './wanted-status.ts'

export const GATEWAY_API_GROUP = 'gateway.networking.k8s.io'

/** A listener's status, and what it means for the Gateway or ListenerSet that it is in. */
export interface ListenerVerdict {
  readonly status: WantedListener
  readonly accepted: boolean
  /** It takes traffic: accepted, and with what it refers to. */
  readonly works: boolean
}

/** The statuses of some listeners of a Gateway, in their order. */
export function listenerVerdicts(
  api: ApiGateway,
  listeners: readonly GatewayListener[],
  secrets: PersistentMap<Secret>,
): readonly ListenerVerdict[] {
  const routes = attachedRoutes(api)
  return listeners.map((listener) => verdict(listener, routes.get(listener)?.size ?? 0, api, secrets))
}

/** ListenerStatus.attachedRoutes: "the total number of Routes that have been successfully attached to this Listener", whether or not any of them can do anything. */
function attachedRoutes({ routes, listeners, namespaces }: ApiGateway): ReadonlyMap<GatewayListener, Set<ApiRoute>> {
  const attached = new Map<GatewayListener, Set<ApiRoute>>()
  for (const route of routes.values()) {
    for (const parent of gatewayParents(route)) {
      const found = attach(route, parent, listeners, namespaces)
      if (typeof found === 'string') continue
      for (const { listener } of found) attached.set(listener, (attached.get(listener) ?? new Set()).add(route))
    }
  }
  return attached
}

function verdict(
  given: GatewayListener,
  attachedRoutes: number,
  api: ApiGateway,
  secrets: PersistentMap<Secret>,
): ListenerVerdict {
  const { listener, problem } = given
  const clients = frontendValidation(api.gateway, listener, api.roots, api.grants)
  const refs = unresolved(given, api, secrets) ?? (clients && unresolvedRoots(clients))
  const unknownClients = clients !== undefined && clients.pem === undefined
  const conflict = problem === 'ProtocolConflict' || problem === 'HostnameConflict'
  const accepted = !problem && !unknownClients
  const works = accepted && !refs?.stops
  const conditions: Condition[] = [
    problem
      ? condition('Accepted', false, problem, problemText(given))
      : unknownClients
        ? condition('Accepted', false, 'NoValidCACertificate', clients.problem?.message)
        : condition('Accepted', true, 'Accepted'),
    conflict
      ? condition('Conflicted', true, problem, problemText(given))
      : condition('Conflicted', false, 'NoConflicts'),
    refs
      ? condition('ResolvedRefs', false, refs.reason, refs.message)
      : condition('ResolvedRefs', true, 'ResolvedRefs'),
    works
      ? condition('Programmed', true, 'Programmed')
      : condition('Programmed', false, conflict ? problem : 'Invalid', problem ? problemText(given) : refs?.message),
    ...overlap(given, api.listeners),
  ]
  const supportedKinds = allowedKinds(listener).map((kind) => ({ group: GATEWAY_API_GROUP, kind }))
  return { status: { name: listener.name, supportedKinds, attachedRoutes, conditions }, accepted, works }
}

/**
 * "Controllers MUST detect the presence of overlapping hostnames": browsers may reuse a connection for one of them for requests that are for another, which
 * Weft answers with 421.
 */
function overlap(given: GatewayListener, listeners: readonly GatewayListener[]): readonly Condition[] {
  if (!endsTls(given)) return []
  const host = listenerHost(given.listener)
  const others = listeners
    .filter((each) => each !== given && each.listener.port === given.listener.port && endsTls(each))
    .filter(({ listener }) => hostIntersection(listenerHost(listener), host) !== undefined)
    .map(({ listener }) => listener.name)
  if (others.length === 0) return []
  const message = `some hosts are those of other listeners of port ${given.listener.port} as well: ${others.join(', ')}`
  return [condition('OverlappingTLSConfig', true, 'OverlappingHostnames', message)]
}

function endsTls({ listener: { protocol, tls }, problem }: GatewayListener): boolean {
  return !problem && (protocol === 'HTTPS' || (protocol === 'TLS' && tls?.mode !== 'Passthrough'))
}

function problemText({ listener, problem }: GatewayListener): string {
  const { protocol, port, hostname } = listener
  switch (problem) {
    case 'UnsupportedProtocol':
      return `protocol ${protocol} is not one that Weft serves: use HTTP, HTTPS, TLS, TCP or UDP`
    case 'ProtocolConflict':
      return `port ${port} has another protocol in a listener before this one: use another port, or the same protocol`
    case 'HostnameConflict':
      return `port ${port} with ${hostname ? `hostname ${hostname}` : 'no hostname'} is taken by a listener before this one: give one of them another port or hostname`
    default:
      return ''
  }
}

/** About the roots that clients' certificates are verified by. */
function unresolvedRoots({ problem, pem }: FrontendValidation): Unresolved | undefined {
  if (!problem) return undefined
  const reason = problem.reason === 'InvalidKind' ? 'InvalidCACertificateKind' : problem.reason
  return { reason, message: `spec.tls.frontend of the Gateway: ${problem.message}`, stops: pem === undefined }
}

interface Unresolved {
  readonly reason:
    | 'InvalidRouteKinds'
    | 'InvalidCertificateRef'
    | 'InvalidCACertificateKind'
    | 'InvalidCACertificateRef'
    | 'RefNotPermitted'
  readonly message: string
  /** The listener can't take traffic so. */
  readonly stops: boolean
}

function unresolved(
  { listener, owner }: GatewayListener,
  { grants }: ApiGateway,
  secrets: PersistentMap<Secret>,
): Unresolved | undefined {
  const supported = allowedKinds(listener)
  const odd = (listener.allowedRoutes?.kinds ?? []).find(
    ({ group = GATEWAY_API_GROUP, kind }) => group !== GATEWAY_API_GROUP || !supported.includes(kind),
  )
  if (odd) {
    const message = `allowedRoutes.kinds: a listener of protocol ${listener.protocol} takes no ${odd.kind}s`
    return { reason: 'InvalidRouteKinds', message, stops: supported.length === 0 }
  }
  if (listener.protocol !== 'HTTPS' && (listener.protocol !== 'TLS' || listener.tls?.mode === 'Passthrough'))
    return undefined
  const references = listener.tls?.certificateRefs ?? []
  if (references.length === 0) {
    const message = 'tls.certificateRefs names no certificate: add the name of a Secret of type kubernetes.io/tls'
    return { reason: 'InvalidCertificateRef', message, stops: true }
  }
  const namespace = owner.metadata.namespace ?? ''
  const from = { group: GATEWAY_API_GROUP, kind: owner.kind, namespace }
  const problems = references.flatMap((reference): (readonly [Unresolved['reason'], string])[] => {
    const { group = '', kind = 'Secret', name } = reference
    const to = { group, kind, name, namespace: reference.namespace ?? namespace }
    const key = `${to.namespace}/${name}`
    if (group !== '' || kind !== 'Secret')
      return [['InvalidCertificateRef', `tls.certificateRefs: ${kind} ${key} is no Secret`]]
    if (!isGranted(grants, from, to))
      return [
        [
          'RefNotPermitted',
          `tls.certificateRefs: no ReferenceGrant in namespace ${to.namespace} lets ${owner.kind}s of namespace ${namespace} refer to Secret ${name}`,
        ],
      ]
    const secret = secrets.get(key)
    if (isKeyPair(secret)) return []
    const what = secret ? 'holds no certificate with its key (tls.crt and tls.key)' : 'does not exist'
    return [['InvalidCertificateRef', `tls.certificateRefs: Secret ${key} ${what}`]]
  })
  const [first] = problems
  return first && { reason: first[0], message: first[1], stops: problems.length === references.length }
}
