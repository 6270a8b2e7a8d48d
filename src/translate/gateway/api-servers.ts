import { create } from '@bufbuild/protobuf'
import { type Route, RouteSchema } from '#envoy/config/route/v3/route_components'
import { byAge } from '../../mesh/precedence.ts'
import type { ApiGateway } from '../../mesh/routing/api-gateways.ts'
import { type Attachment, writtenHost } from '../../mesh/routing/attachments.ts'
import { frontendValidation } from '../../mesh/routing/frontend-validation.ts'
import { type GatewayListener, listenerHost } from '../../mesh/routing/gateway-listeners.ts'
import { boundPort, type GatewayProxy } from '../../mesh/routing/gateway-proxy.ts'
import { type Grants, isGranted } from '../../mesh/routing/reference-grants.ts'
import type { Gateway, Listener, ListenerSet } from '../../resources/gateway-api.ts'
import { compareHosts, hostMatches } from '../../resources/host.ts'
import { keyOf } from '../../resources/resource.ts'
import { backendTargets } from '../routes/api-backends.ts'
import { apiRoutes } from '../routes/api-route.ts'
import { ANY_REQUEST } from '../routes/route-match.ts'
import { acceptableRoutes } from '../routes/shared-routes.ts'
import { type Credentials, serverTls } from './credentials.ts'
import { http3 } from './http3.ts'
import type { HostRoutes, Server } from './server.ts'
import { udpCluster } from './udp.ts'

/** What the proxy of a Gateway does for its listeners. One whose certificate is not there, or whose protocol is not known, does nothing. */
export function apiServers(api: ApiGateway, proxy: GatewayProxy, credentials: Credentials): Server[] {
  return api.listeners.flatMap((each) => {
    if (each.problem) return []
    const { listener, owner } = each
    const context = { api, listener, owner, attached: api.attachments.get(each) ?? [], proxy, credentials }
    switch (listener.protocol) {
      case 'HTTP':
      case 'HTTPS':
        return httpServer(context)
      case 'TLS':
        return tlsServers(context)
      case 'TCP':
        return tcpServers(context)
      case 'UDP':
        return udpServers(context)
      default:
        return []
    }
  })
}

/** Names of the Secrets that a listener may use, as `namespace/name`. Those of another namespace need a ReferenceGrant there. */
export function certificateKeys({ listener, owner }: GatewayListener, grants: Grants): string[] {
  const namespace = owner.metadata.namespace ?? ''
  const from = { group: 'gateway.networking.k8s.io', kind: owner.kind, namespace }
  return (listener.tls?.certificateRefs ?? []).flatMap(({ group = '', kind = 'Secret', name, ...reference }) => {
    const to = { group, kind, name, namespace: reference.namespace ?? namespace }
    const usable = group === '' && kind === 'Secret' && isGranted(grants, from, to)
    return usable ? [`${to.namespace}/${name}`] : []
  })
}

interface Context {
  readonly api: ApiGateway
  readonly listener: Listener
  /** In whose `spec.listeners` it is. */
  readonly owner: Gateway | ListenerSet
  readonly attached: readonly Attachment[]
  readonly proxy: GatewayProxy
  readonly credentials: Credentials
}

function httpServer(context: Context): Server[] {
  const { listener, owner } = context
  const common = commonFields(context)
  const hosts = hostRoutes(context)
  if (listener.protocol === 'HTTP') return [{ ...common, serves: { routeName: `http.${common.port}`, hosts } }]
  const transportSocket = terminatedTls(context, ['h2', 'http/1.1'])
  if (!transportSocket) return []
  const { name, namespace } = owner.metadata
  const routeName = `https.${common.port}.${listener.name}.${name}.${namespace}`
  const quic = takesDatagrams(context) ? undefined : http3(listener.port, transportSocket, context.proxy)
  const serves = { routeName, hosts }
  return [{ ...common, serverNames: serverNames(listener), transportSocket, serves, ...(quic ? { http3: quic } : {}) }]
}

/** Whether there is a listener for datagrams of any kind at the same port. */
function takesDatagrams({ api, listener }: Context): boolean {
  return api.listeners.some((each) => each.listener.protocol === 'UDP' && each.listener.port === listener.port)
}

/** The oldest route has the connections. */
function tcpServers(context: Context): Server[] {
  const [oldest] = sortedForHost(context.attached, listenerHost(context.listener))
  return oldest ? [{ ...commonFields(context), ...connections(oldest, context) }] : []
}

/** The oldest route has the datagrams. */
function udpServers(context: Context): Server[] {
  const [oldest] = sortedForHost(context.attached, listenerHost(context.listener))
  if (!oldest) return []
  const sources = [oldest.route.resource, context.owner]
  return [{ ...commonFields(context), sources, serves: { udpCluster: udpCluster(oldest.route) } }]
}

/**
 * By the names that connections ask for: for each of them the TLSRoute that is the most specific about it. Where TLS ends here, a TCPRoute may have what
 * no TLSRoute wants.
 */
function tlsServers(context: Context): Server[] {
  const { listener, attached } = context
  const passedThrough = listener.tls?.mode === 'Passthrough'
  const transportSocket = passedThrough ? undefined : terminatedTls(context, [])
  if (!passedThrough && !transportSocket) return []
  const common = { ...commonFields(context), ...(transportSocket ? { transportSocket } : {}) }
  const ofKind = (kind: string) => attached.filter(({ route }) => route.resource.kind === kind)
  const tls = ofKind('TLSRoute')
  const hosts = [...new Set(tls.flatMap(({ hosts }) => hosts))].sort(compareHosts)
  const byRoute = Map.groupBy(hosts, (host) => sortedForHost(tls, host)[0] as Attachment)
  const routed = [...byRoute].map(([attachment, hosts]) => ({
    ...common,
    serverNames: hosts.includes('*') ? [] : hosts,
    ...connections(attachment, context),
  }))
  const [rest] = sortedForHost(ofKind('TCPRoute'), listenerHost(listener))
  return rest ? [...routed, { ...common, serverNames: serverNames(listener), ...connections(rest, context) }] : routed
}

/** The routes for a host in the order of their precedence: by how specific they are about it, then the older first. */
function sortedForHost(attached: readonly Attachment[], host: string): readonly Attachment[] {
  return attached
    .filter((attachment) => attachment.hosts.some((pattern) => hostMatches(pattern, host)))
    .map((attachment) => ({ attachment, written: writtenHost(attachment, host) ?? '*' }))
    .sort(
      (a, b) => compareHosts(a.written, b.written) || byAge(a.attachment.route.resource, b.attachment.route.resource),
    )
    .map(({ attachment }) => attachment)
}

function connections(attachment: Attachment, { owner }: Context) {
  return {
    serves: { clusters: connectionTargets(attachment) },
    sources: [attachment.route.resource, owner],
  }
}

/** Of a TCPRoute or TLSRoute, which have one rule that counts. */
function connectionTargets({ route }: Attachment) {
  const [rule] = route.resource.spec?.rules ?? []
  return backendTargets(rule?.backendRefs ?? [], route) ?? []
}

/**
 * The routes for each host. A host's own routes come first, then those for wildcards that it matches: "precedence must be given to rules from
 * the HTTPRoute with the largest number of characters in a matching hostname" (HTTPRouteSpec.hostnames), as it is written there.
 */
function hostRoutes({ api, owner, listener, attached }: Context): HostRoutes[] {
  const arrival = { port: listener.port, tls: listener.protocol === 'HTTPS' }
  const hosts = new Set(attached.flatMap(({ hosts }) => hosts))
  const routed = [...hosts].map((host): HostRoutes => {
    const matching = attached.filter(({ hosts }) => hosts.some((pattern) => hostMatches(pattern, host)))
    const byPattern = [...Map.groupBy(matching, (each) => writtenHost(each, host) ?? ANY_HOST)]
      .sort(([a], [b]) => compareHosts(a, b))
      .map(([, group]) => group)
    const routes = byPattern.flatMap((group) =>
      apiRoutes(
        group.map(({ route }) => route),
        arrival,
      ),
    )
    const sources = new Set(byPattern.flat().map(({ route }) => route.resource))
    return { host, routes: acceptableRoutes(routes), httpsOnly: false, sources: [...sources] }
  })
  // Also where it has no routes: what it is for must not be answered by the routes of a listener for more hosts.
  const own = listenerHost(listener)
  const without = (host: string, routes: readonly Route[]) => ({ host, routes, httpsOnly: false, sources: [owner] })
  const complete = hosts.has(own) ? routed : [...routed, without(own, [])]
  return [...complete, ...misdirectedHosts(api, listener).map((host) => without(host, [MISDIRECTED]))]
}

/**
 * Hosts of requests that came over a connection for another listener: browsers that reuse one connection for several hosts send them again over one of
 * their own when they are told so ("421 Misdirected Request", HTTPS in Listener.hostname).
 */
function misdirectedHosts({ listeners }: ApiGateway, listener: Listener): readonly string[] {
  if (listener.protocol !== 'HTTPS') return []
  const own = listenerHost(listener)
  const others = listeners
    .filter((each) => !each.problem && each.listener.protocol === 'HTTPS' && each.listener.port === listener.port)
    .map((each) => listenerHost(each.listener))
    .filter((host) => host !== own && hostMatches(own, host))
  return own === ANY_HOST ? others : [...others, ANY_HOST]
}

const ANY_HOST = '*'

const MISDIRECTED = create(RouteSchema, {
  name: 'misdirected',
  match: ANY_REQUEST,
  action: { case: 'directResponse', value: { status: 421 } },
})

function commonFields({ api, listener, proxy, owner }: Context) {
  const named = { gateway: keyOf(api.gateway), name: listener.name }
  return { port: boundPort(proxy, listener.port), listener: named, sources: [owner] }
}

/** Undefined where it would lack a certificate, or, where clients need one, what theirs are verified by. */
function terminatedTls({ api, listener, owner, proxy, credentials }: Context, alpn: readonly string[]) {
  const credentialNames = certificateKeys({ listener, owner }, api.grants)
  if (credentialNames.length === 0) return undefined
  const clients = frontendValidation(api.gateway, listener, api.roots, api.grants)
  if (clients && !clients.pem) return undefined
  return serverTls({ mode: 'SIMPLE', credentialNames }, credentials, proxy, alpn, clients)
}

function serverNames(listener: Listener): string[] {
  const host = listenerHost(listener)
  return host === ANY_HOST ? [] : [host]
}
