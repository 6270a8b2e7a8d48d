import type { KindId } from './kinds.ts'
import { type FieldPath, KIND, type Resource } from './resource.ts'
import * as gatewayApi from './support/gateway-api.ts'
import * as istio from './support/istio.ts'
import type { Support } from './support/support-type.ts'

/** What Weft acts upon of a kind's `spec`; `false` where it does not act upon the kind at all. */
const SUPPORT: Readonly<Record<KindId, Support | false>> = {
  // Of pods and the like most is the business of others than a mesh: nothing to warn of.
  'core/Namespace': true,
  'core/Service': true,
  'core/ServiceAccount': true,
  'core/Pod': true,
  'core/Node': true,
  'core/Secret': true,
  'core/ConfigMap': true,
  'apps/Deployment': true,
  'discovery.k8s.io/EndpointSlice': true,
  'networking.istio.io/VirtualService': istio.VIRTUAL_SERVICE,
  'networking.istio.io/DestinationRule': istio.DESTINATION_RULE,
  'networking.istio.io/Gateway': istio.GATEWAY,
  'networking.istio.io/ServiceEntry': istio.SERVICE_ENTRY,
  'networking.istio.io/WorkloadEntry': istio.WORKLOAD_ENTRY,
  'networking.istio.io/WorkloadGroup': istio.WORKLOAD_GROUP,
  'networking.istio.io/Sidecar': istio.SIDECAR,
  'networking.istio.io/EnvoyFilter': istio.ENVOY_FILTER,
  'networking.istio.io/ProxyConfig': istio.PROXY_CONFIG,
  'security.istio.io/PeerAuthentication': istio.PEER_AUTHENTICATION,
  'security.istio.io/RequestAuthentication': istio.REQUEST_AUTHENTICATION,
  'security.istio.io/AuthorizationPolicy': istio.AUTHORIZATION_POLICY,
  'telemetry.istio.io/Telemetry': istio.TELEMETRY,
  'extensions.istio.io/WasmPlugin': false,
  'extensions.istio.io/TrafficExtension': false,
  'gateway.networking.k8s.io/GatewayClass': gatewayApi.GATEWAY_CLASS,
  'gateway.networking.k8s.io/Gateway': gatewayApi.GATEWAY,
  'gateway.networking.k8s.io/ListenerSet': gatewayApi.LISTENER_SET,
  'gateway.networking.k8s.io/HTTPRoute': gatewayApi.HTTP_ROUTE,
  'gateway.networking.k8s.io/GRPCRoute': gatewayApi.GRPC_ROUTE,
  'gateway.networking.k8s.io/TLSRoute': gatewayApi.TLS_ROUTE,
  'gateway.networking.k8s.io/TCPRoute': gatewayApi.TCP_ROUTE,
  'gateway.networking.k8s.io/UDPRoute': gatewayApi.UDP_ROUTE,
  'gateway.networking.k8s.io/ReferenceGrant': gatewayApi.REFERENCE_GRANT,
  'gateway.networking.k8s.io/BackendTLSPolicy': gatewayApi.BACKEND_TLS_POLICY,
  'adoption.weft.dev/Application': true,
  'adoption.weft.dev/Onboarding': true,
  'observability.weft.dev/ServiceLevelObjective': true,
  'observability.weft.dev/AlertRule': true,
  'observability.weft.dev/AlertReceiver': true,
  'observability.weft.dev/Silence': true,
  'security.weft.dev/OIDCPolicy': true,
}

/** What Weft acts upon of the `spec` of a kind; `false` for nothing. */
export function supportOf(kind: KindId): Support | false {
  return SUPPORT[kind]
}

/**
 * The fields that an object sets and that Weft does not act upon, outermost first; the empty path where that is true of
 * the whole object.
 */
export function unsupportedFields(resource: Resource): FieldPath[] {
  const support = SUPPORT[resource[KIND]]
  if (support === false) return [[]]
  return fieldsWithout(resource.spec, support, ['spec'])
}

/** The fields of a value that are not acted upon, outermost first; `path` is the value's own. */
export function fieldsWithout(value: unknown, support: Support, path: FieldPath): FieldPath[] {
  const found: FieldPath[] = []
  collect(value, support, path, found)
  return found
}

function collect(value: unknown, support: Support, path: FieldPath, found: FieldPath[]): void {
  if (support === true || value === undefined || value === null) return
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) collect(item, support, [...path, index], found)
  } else if (isValues(support)) {
    const text = String(value).toLowerCase()
    if (!support.some((one) => one.toLowerCase() === text)) found.push(path)
  } else if (typeof value === 'object') {
    for (const [field, inner] of Object.entries(value)) {
      const below = Object.hasOwn(support, field) ? support[field] : support['*']
      if (below === undefined) found.push([...path, field])
      else collect(inner, below, [...path, field], found)
    }
  }
}

function isValues(support: Exclude<Support, true>): support is readonly string[] {
  return Array.isArray(support)
}
