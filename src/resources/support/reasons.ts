import type { KindId } from '../kinds.ts'

/** Why Weft does not act on a field (without indices) and what is below it, or on a whole kind (the empty field). */
const REASONS: Readonly<Partial<Record<KindId, Readonly<Record<string, string>>>>> = {
  'networking.istio.io/VirtualService': {
    'http.fault.abort.http2Error': 'Istio does not implement it either',
    'http.fault.delay.exponentialDelay': 'Istio does not implement it either',
    'tcp.match.sourceSubnet': 'Istio does not implement it either',
  },
  'networking.istio.io/DestinationRule': {
    'trafficPolicy.outlierDetection.consecutiveErrors': 'Istio replaced it by consecutive5xxErrors',
    'trafficPolicy.retryBudget.budgetInterval': 'Envoy counts the requests of the moment, not those of an interval',
  },
  'networking.istio.io/Gateway': {
    'servers.defaultEndpoint': 'Istio does not implement it either',
    'servers.port.targetPort': 'the Service before the gateway says it',
  },
  'networking.istio.io/ServiceEntry': { 'endpoints.network': 'all of a mesh is one network' },
  'networking.istio.io/WorkloadEntry': { network: 'all of a mesh is one network' },
  'networking.istio.io/WorkloadGroup': {
    'template.address': 'each member has the address of its host',
    'template.network': 'all of a mesh is one network',
  },
  'networking.istio.io/Sidecar': {
    'egress.bind': 'outbound traffic is captured, or goes to the proxy port of its pod',
    'egress.captureMode': 'a pod is captured as a whole or not at all',
    'ingress.bind': 'a proxy listens on the address of its pod',
    'ingress.captureMode': 'a pod is captured as a whole or not at all',
    'ingress.tls': 'a PeerAuthentication says how the mesh is let in; others come by a gateway',
    'outboundTrafficPolicy.egressProxy': 'a VirtualService can send hosts that are not known to an egress gateway',
  },
  'networking.istio.io/EnvoyFilter': {
    'configPatches.match.listener.portName': 'Istio does not implement it either',
    'configPatches.match.proxy.metadata': 'proxies say nothing of themselves but who they are',
    'configPatches.match.routeConfiguration.gateway': "one of our listeners may serve several Gateways' servers",
    'configPatches.match.routeConfiguration.portName': 'Istio has it for gateways only, and ours have no such names',
    'configPatches.match.waypoint': 'there are no waypoints',
    'configPatches.patch.filterClass': 'there are no filters of Istio to stand before or behind',
  },
  'telemetry.istio.io/Telemetry': {
    'metrics.reportingInterval': 'counters are read when Prometheus asks',
    targetRef: 'there are no waypoints',
    targetRefs: 'there are no waypoints',
    'tracing.disableContextPropagation': 'headers of traces are always passed on',
    'tracing.useRequestIdForTraceSampling': 'requests are chosen by their ids',
  },
  'extensions.istio.io/WasmPlugin': { '': 'stock Envoys are run as they are, without plugins from elsewhere' },
  'extensions.istio.io/TrafficExtension': { '': 'stock Envoys are run as they are, without plugins from elsewhere' },
}

/**
 * Why Weft does not act on a field of a kind, as part of a sentence; undefined where nothing is known beyond that it does not yet.
 * @param field without `spec` and indices: `http.fault.abort.http2Error`
 */
export function reasonAgainst(kind: KindId, field: string): string | undefined {
  const reasons = REASONS[kind] ?? {}
  for (let at = field; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.'))))
    if (reasons[at] !== undefined) return reasons[at]
  return reasons['']
}

/** All fields for which there is a reason. */
export function fieldsWithReason(kind: KindId): readonly string[] {
  return Object.keys(REASONS[kind] ?? {})
}
