import type { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { Cluster_DiscoveryType } from '#envoy/config/cluster/v3/cluster'
import { HeaderValueOption_HeaderAppendAction } from '#envoy/config/core/v3/base'
import type { RouteSchema } from '#envoy/config/route/v3/route_components'
import { LuaSchema } from '#envoy/extensions/filters/http/lua/v3/lua'
import type { HttpFilterSchema } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { UpstreamTlsContextSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls'
import { TcpConnectionPoolProtoSchema } from '#envoy/extensions/upstreams/http/tcp/v3/tcp_connection_pool'
import { HttpProtocolOptionsSchema } from '#envoy/extensions/upstreams/http/v3/http_protocol_options'
import { socketAddress } from './address.ts'
import { FROM_PROXY } from './original-destination.ts'
import type { Init } from './routes/init.ts'
import { typedConfig } from './typed-config.ts'

/**
 * What a kubelet would have asked a container itself, at the pod's address, and asks the pod's proxy instead: at `path`, by GET over plain HTTP. Texts are
 * as a container's arguments have them, where `$$` stands for `$`.
 */
export type ApplicationProbe = {
  /** Where the proxy is asked: `/app-health/CONTAINER/livez`. Tells probes apart. */
  readonly path: string
  /** Where the application listens. */
  readonly port: number
  readonly timeoutSeconds: number
} & (
  | {
      readonly kind: 'http' | 'https'
      /** With a leading slash, without a query. */
      readonly applicationPath: string
      /** Whether the kubelet sends a Host of its own; else it is the application's address. */
      readonly hasHost: boolean
    }
  | { readonly kind: 'tcp' }
  | { readonly kind: 'grpc'; readonly service: string }
)

const clusterName = ({ path }: ApplicationProbe) => `application-probe${path.replaceAll('/', '|')}`

/** The cluster through which a probe reaches the application: at the pod's address, as a kubelet would, and a new connection each time. */
export function probeCluster(probe: ApplicationProbe, podAddress: string): Init<typeof ClusterSchema> {
  const name = clusterName(probe)
  const address = socketAddress(podAddress, probe.port)
  return {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: seconds(probe.timeoutSeconds),
    upstreamBindConfig: FROM_PROXY,
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address } } }] }],
    },
    ...protocolOf(probe),
  }
}

function protocolOf({ kind }: ApplicationProbe): Init<typeof ClusterSchema> {
  if (kind === 'tcp') {
    const name = 'envoy.upstreams.http.tcp'
    return { upstreamConfig: { name, typedConfig: typedConfig(TcpConnectionPoolProtoSchema, {}) } }
  }
  // A kubelet does not look at certificates either.
  const tls = { name: 'envoy.transport_sockets.tls', typedConfig: typedConfig(UpstreamTlsContextSchema, {}) }
  return {
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': kind === 'grpc' ? HTTP2_ONCE : HTTP1_ONCE,
    },
    ...(kind === 'https'
      ? { transportSocket: { name: tls.name, configType: { case: 'typedConfig', value: tls.typedConfig } } }
      : {}),
  }
}

const [HTTP1_ONCE, HTTP2_ONCE] = (['httpProtocolOptions', 'http2ProtocolOptions'] as const).map((protocol) =>
  typedConfig(HttpProtocolOptionsSchema, {
    commonHttpProtocolOptions: { maxRequestsPerConnection: 1 },
    upstreamProtocolOptions: { case: 'explicitHttpConfig', value: { protocolConfig: { case: protocol, value: {} } } },
  }),
) as [ReturnType<typeof typedConfig>, ReturnType<typeof typedConfig>]

const LUA = 'envoy.filters.http.lua'

/** The route of a probe at the proxy's port for them. */
export function probeRoute(probe: ApplicationProbe): Init<typeof RouteSchema> {
  const route = {
    name: probe.path,
    match: { pathSpecifier: { case: 'path' as const, value: probe.path } },
  }
  const cluster = clusterName(probe)
  if (probe.kind === 'grpc') {
    const question = { cluster, service: probe.service, timeout: probe.timeoutSeconds * 1000 }
    return {
      ...route,
      metadata: { filterMetadata: { [LUA]: question } },
      action: { case: 'directResponse', value: { status: 503 } },
    }
  }
  const action = {
    clusterSpecifier: { case: 'cluster' as const, value: cluster },
    timeout: seconds(probe.timeoutSeconds),
  }
  if (probe.kind === 'tcp') {
    // The proxy says 200 when it is connected; with that the answer is whole, while the connection says nothing.
    return { ...route, action: { case: 'route', value: action }, responseHeadersToAdd: [NO_BODY] }
  }
  return {
    ...route,
    ...(probe.hasHost ? {} : { metadata: { filterMetadata: { [LUA]: { port: String(probe.port) } } } }),
    action: {
      case: 'route',
      value: {
        ...action,
        prefixRewrite: probe.applicationPath,
      },
    },
    requestHeadersToRemove: ['x-forwarded-proto'],
    // A kubelet follows redirects, and here there is nothing to follow them to. That there is one is an answer: any below 400 is a success.
    responseHeadersToRemove: ['location'],
  }
}

const NO_BODY = {
  header: { key: 'content-length', value: '0' },
  appendAction: HeaderValueOption_HeaderAppendAction.ADD_IF_ABSENT,
}

// The host stays the pod's address, as the kubelet has written it: in brackets where it is of IPv6.
const NAME_PORT = `  local port = request:metadata():get("port")
  if port then
    local host = request:headers():get(":authority"):gsub(":%d+$", "")
    request:headers():replace(":authority", host .. ":" .. port)
  end
`

// grpc.health.v1.Health/Check by hand: HealthCheckRequest has the service's name as field 1; HealthCheckResponse has the status as field 1, SERVING is 1.
const ASK_GRPC_HEALTH = `  local cluster = request:metadata():get("cluster")
  if not cluster then return end
  local service = request:metadata():get("service")
  local size = #service
  local length = size < 128 and string.char(size) or string.char(size % 128 + 128, math.floor(size / 128))
  local message = size == 0 and "" or "\\10" .. length .. service
  local frame = "\\0\\0\\0" .. string.char(math.floor(#message / 256), #message % 256) .. message
  local headers = {
    [":method"] = "POST", [":path"] = "/grpc.health.v1.Health/Check", [":authority"] = request:headers():get(":authority"),
    ["content-type"] = "application/grpc", ["te"] = "trailers", ["user-agent"] = request:headers():get("user-agent"),
  }
  local answer, body = request:httpCall(cluster, headers, frame, request:metadata():get("timeout"))
  local serving = answer[":status"] == "200" and body and body:sub(6) == "\\8\\1"
  request:respond({[":status"] = serving and "200" or "503"}, serving and "SERVING" or "not serving")
`

/** The filters that these probes need, before the router. */
export function probeFilters(probes: readonly ApplicationProbe[]): Init<typeof HttpFilterSchema>[] {
  const parts = [
    ...(probes.some((probe) => 'hasHost' in probe && !probe.hasHost) ? [NAME_PORT] : []),
    ...(probes.some(({ kind }) => kind === 'grpc') ? [ASK_GRPC_HEALTH] : []),
  ]
  if (parts.length === 0) return []
  const source = `function envoy_on_request(request)\n${parts.join('')}end\n`
  const value = typedConfig(LuaSchema, {
    defaultSourceCode: { specifier: { case: 'inlineString', value: source } },
  })
  return [{ name: LUA, configType: { case: 'typedConfig', value } }]
}

function seconds(count: number) {
  return { seconds: BigInt(count), nanos: 0 }
}
