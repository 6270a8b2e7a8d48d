import { byAge } from '../../mesh/precedence.ts'
import type { ApiGateway } from '../../mesh/routing/api-gateways.ts'
import type { Attachment } from '../../mesh/routing/attachments.ts'
import { type GatewayListener, listenerHost } from '../../mesh/routing/gateway-listeners.ts'
import { boundPort, type GatewayProxy } from '../../mesh/routing/gateway-proxy.ts'
import { type Grants, isGranted } from '../../mesh/routing/reference-grants.ts'
import type { Gateway, Listener, ListenerSet } from '../../resources/gateway-api.ts'
import { compareHosts, hostMatches } from '../../resources/host.ts'
import { backendTargets } from '../routes/api-backends.ts'
import { apiRoutes } from '../routes/api-route.ts'
import { acceptableRoutes } from '../routes/shared-routes.ts'
import { type Credentials, serverTls } from './credentials.ts'
import type { HostRoutes, Server } from './server.ts'

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
        return listener.tls?.mode === 'Passthrough' ? passedThrough(context) : tcpServer(context)
      case 'TCP':
        return tcpServer(context)
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
  return [{ ...common, serverNames: serverNames(listener), transportSocket, serves: { routeName, hosts } }]
}

/** The oldest route has the connections. */
function tcpServer(context: Context): Server[] {
  const { listener, attached } = context
  const [oldest] = [...attached].sort((a, b) => byAge(a.route.resource, b.route.resource))
  if (!oldest) return []
  const server = { ...commonFields(context), serves: { clusters: connectionTargets(oldest) } }
  if (listener.protocol === 'TCP') return [server]
  const transportSocket = terminatedTls(context, [])
  return transportSocket ? [{ ...server, serverNames: serverNames(listener), transportSocket }] : []
}

/** One for each route: by the names that connections ask for, the older first. */
function passedThrough(context: Context): Server[] {
  const sorted = [...context.attached].sort((a, b) => byAge(a.route.resource, b.route.resource))
  return sorted.map((attachment) => ({
    ...commonFields(context),
    serverNames: attachment.hosts.includes('*') ? [] : attachment.hosts,
    serves: { clusters: connectionTargets(attachment) },
    sources: [attachment.route.resource, context.owner],
  }))
}

/** Of a TCPRoute or TLSRoute, which have one rule that counts. */
function connectionTargets({ route }: Attachment) {
  const [rule] = route.resource.spec?.rules ?? []
  return backendTargets(rule?.backendRefs ?? [], route) ?? []
}

/**
 * The routes for each host. A host's own routes come first, then those for wildcards that it matches: "precedence must be given to rules from
 * the HTTPRoute with the largest number of characters in a matching hostname" (HTTPRouteSpec.hostnames).
 */
function hostRoutes({ owner, listener, attached }: Context): HostRoutes[] {
  const arrival = { port: listener.port, tls: listener.protocol === 'HTTPS' }
  const hosts = new Set(attached.flatMap(({ hosts }) => hosts))
  const routed = [...hosts].map((host): HostRoutes => {
    const patterns = [...hosts].filter((pattern) => hostMatches(pattern, host)).sort(compareHosts)
    const bestOf = ({ hosts }: Attachment) => patterns.find((pattern) => hosts.includes(pattern))
    const byPattern = patterns.map((pattern) => attached.filter((each) => bestOf(each) === pattern))
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
  return hosts.has(own) ? routed : [...routed, { host: own, routes: [], httpsOnly: false, sources: [owner] }]
}

function commonFields({ listener, proxy, owner }: Context) {
  return { port: boundPort(proxy, listener.port), sources: [owner] }
}

function terminatedTls({ api, listener, owner, proxy, credentials }: Context, alpn: readonly string[]) {
  const credentialNames = certificateKeys({ listener, owner }, api.grants)
  if (credentialNames.length === 0) return undefined
  return serverTls({ mode: 'SIMPLE', credentialNames }, credentials, proxy, alpn)
}

function serverNames(listener: Listener): string[] {
  const host = listenerHost(listener)
  return host === '*' ? [] : [host]
}
