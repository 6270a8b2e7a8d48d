import { byAge } from '../../mesh/precedence.ts'
import { boundPort, type GatewayProxy } from '../../mesh/routing/gateway-proxy.ts'
import type { VirtualServiceRule } from '../../mesh/routing/virtual-service-rules.ts'
import { hostsOf } from '../../mesh/routing/virtual-services.ts'
import { exportedTo } from '../../mesh/visibility.ts'
import { hostIntersection } from '../../resources/host.ts'
import type { Gateway, GatewayServer } from '../../resources/istio.ts'
import { keyOf } from '../../resources/resource.ts'
import { derive } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { acceptableRoutes } from '../routes/shared-routes.ts'
import { tcpRouteTargets, tlsRouteTargets } from '../routes/tcp-routes.ts'
import { virtualServiceRoutes } from '../routes/virtual-service.ts'
import { type Credentials, serverTls } from './credentials.ts'
import { http3 } from './http3.ts'
import type { HostRoutes, Server } from './server.ts'

/** An Istio Gateway with the VirtualServices that name it. */
export interface GatewayWithRules {
  readonly gateway: Gateway
  readonly rules: PersistentMap<VirtualServiceRule>
}

/** What a gateway proxy does for one Istio Gateway. A server whose certificate is not there, or whose protocol is not known, does nothing. */
export function istioServers(
  { gateway, rules }: GatewayWithRules,
  proxy: GatewayProxy,
  credentials: Credentials,
): Server[] {
  const visible = [...rules.values()]
    .filter(({ virtualService: { spec, metadata } }) => {
      const exported = exportedTo(spec?.exportTo, metadata.namespace ?? '')
      return exported.includes('*') || exported.includes(proxy.namespace)
    })
    .sort((a, b) => byAge(a.virtualService, b.virtualService))
  return (gateway.spec?.servers ?? []).flatMap((server, index): Server[] => {
    const context = { gateway, server, index, rules: visible, proxy, credentials }
    if (isPassedOnByName(server)) return [passedOnByName(context)]
    switch (server.port.protocol.toUpperCase()) {
      case 'HTTP':
      case 'HTTP2':
      case 'GRPC':
      case 'GRPC-WEB':
        return httpServer(context)
      case 'HTTPS':
        return isPassedThrough(server) ? passedThrough(context) : httpServer(context)
      case 'TLS':
        return isPassedThrough(server) ? passedThrough(context) : tcpServer(context)
      case 'TCP':
      case 'MONGO':
        return tcpServer(context)
      default:
        return []
    }
  })
}

interface Context {
  readonly gateway: Gateway
  readonly server: GatewayServer
  readonly index: number
  /** Those that the proxy sees, oldest first. */
  readonly rules: readonly VirtualServiceRule[]
  readonly proxy: GatewayProxy
  readonly credentials: Credentials
}

function httpServer(context: Context): Server[] {
  const { server, gateway } = context
  const common = commonFields(context)
  const isHttps = server.port.protocol.toUpperCase() === 'HTTPS'
  const hosts = hostRoutes(context)
  if (!isHttps) return [{ ...common, serves: { routeName: `http.${common.port}`, hosts } }]
  const tls = serverTls(server.tls, context.credentials, context.proxy, ['h2', 'http/1.1'])
  if (!tls) return []
  const name = server.port.name || server.name || String(context.index)
  const routeName = `https.${common.port}.${name}.${gateway.metadata.name}.${gateway.metadata.namespace}`
  const quic = http3(server.port.number, tls, context.proxy)
  const serves = { routeName, hosts }
  const names = serverNames(server)
  return [{ ...common, serverNames: names, transportSocket: tls, serves, ...(quic ? { http3: quic } : {}) }]
}

/** TLS that is ended here, or none; what is inside goes on as bytes. */
function tcpServer(context: Context): Server[] {
  const { server, rules } = context
  const clusters = firstDefined(rules, ({ virtualService, targets }) =>
    matchingHosts(server, context, virtualService).length > 0
      ? tcpRouteTargets(virtualService, entrance(context), targets)
      : undefined,
  )
  if (!clusters) return []
  const common = { ...commonFields(context), serves: { clusters } }
  if (server.port.protocol.toUpperCase() !== 'TLS') return [common]
  const tls = serverTls(server.tls, context.credentials, context.proxy, [])
  return tls ? [{ ...common, serverNames: serverNames(server), transportSocket: tls }] : []
}

/** Whether mesh mTLS is passed on to the service whose cluster it asks for as its server name (AUTO_PASSTHROUGH). */
export function isPassedOnByName({ port, tls }: GatewayServer): boolean {
  return tls?.mode === 'AUTO_PASSTHROUGH' && ['TLS', 'HTTPS'].includes(port.protocol.toUpperCase())
}

function passedOnByName(context: Context): Server {
  const serves = { clusters: [], byServerName: true } as const
  return { ...commonFields(context), serverNames: serverNames(context.server), serves }
}

function passedThrough(context: Context): Server[] {
  return context.rules.flatMap(({ virtualService, targets }) => {
    const hosts = matchingHosts(context.server, context, virtualService)
    const routes = tlsRouteTargets(virtualService, hosts, entrance(context), targets)
    const anywhere = routes.filter(({ ranges }) => ranges.length === 0)
    return anywhere.map(({ serverNames, targets }) => ({
      ...commonFields(context),
      // Any name at all is what TLS connections without a name match, too.
      serverNames: serverNames.includes('*') ? [] : serverNames,
      serves: { clusters: targets },
      sources: [virtualService, context.gateway],
    }))
  })
}

function hostRoutes(context: Context): HostRoutes[] {
  const { server, rules } = context
  const httpsOnly = server.tls?.httpsRedirect ?? false
  const { gateway, port, tls } = entrance(context)
  const routed = rules.flatMap((rule) => {
    const hosts = matchingHosts(server, context, rule.virtualService)
    if (hosts.length === 0) return []
    const routes = ruleRoutes(rule, gateway, port, tls)
    return hosts.map((host) => ({ host, routes, httpsOnly, sources: rule.sources }))
  })
  if (!httpsOnly) return routed
  // Also for hosts that nobody routes here: their routes are on the HTTPS server.
  return [
    ...routed,
    ...server.hosts.map((host) => ({ host: hostFilter(host).host, routes: [], httpsOnly, sources: [] })),
  ]
}

/** A change of one VirtualService does not make the routes of all others of its gateway anew. */
const ruleRoutes = derive(
  'translate/gateway/rule-routes',
  ({ virtualService, targets }: VirtualServiceRule, gateway: string, port: number, tls: boolean) =>
    acceptableRoutes(virtualServiceRoutes(virtualService, { gateway, port, tls }, targets)),
)

/** The hosts that both the server and the VirtualService are for. */
function matchingHosts(
  server: GatewayServer,
  { gateway }: Context,
  virtualService: VirtualServiceRule['virtualService'],
): string[] {
  const hosts = new Set<string>()
  for (const written of server.hosts) {
    const { namespace, host } = hostFilter(written)
    const wanted = namespace === '.' ? gateway.metadata.namespace : namespace
    if (wanted !== '*' && wanted !== virtualService.metadata.namespace) continue
    for (const claimed of hostsOf(virtualService)) {
      const both = hostIntersection(host, claimed)
      if (both !== undefined) hosts.add(both)
    }
  }
  return [...hosts]
}

/** `hosts` of a server: `HOST` or `NAMESPACE/HOST`, where the namespace is that of VirtualServices that may bind to it. */
function hostFilter(written: string): { readonly namespace: string; readonly host: string } {
  const slash = written.indexOf('/')
  if (slash < 0) return { namespace: '*', host: written.toLowerCase() }
  return { namespace: written.slice(0, slash), host: written.slice(slash + 1).toLowerCase() }
}

function commonFields({ server, proxy, gateway }: Context) {
  const port = boundPort(proxy, server.port.number)
  return { port, ...(server.bind ? { bind: server.bind } : {}), sources: [gateway] }
}

function entrance({ gateway, server }: Context) {
  const tls = ['HTTPS', 'TLS'].includes(server.port.protocol.toUpperCase())
  return { gateway: keyOf(gateway), port: server.port.number, tls }
}

function isPassedThrough(server: GatewayServer): boolean {
  return server.tls?.mode === 'PASSTHROUGH'
}

/** None for any name. */
function serverNames(server: GatewayServer): string[] {
  const hosts = server.hosts.map((written) => hostFilter(written).host)
  return hosts.includes('*') ? [] : [...new Set(hosts)]
}

function firstDefined<T, R>(items: readonly T[], of: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const result = of(item)
    if (result !== undefined) return result
  }
  return undefined
}
