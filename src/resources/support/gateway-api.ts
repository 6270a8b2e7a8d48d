import type { Support } from './support-type.ts'

export const GATEWAY_CLASS: Support = { controllerName: true, description: true }

export const GATEWAY: Support = {
  gatewayClassName: true,
  listeners: {
    allowedRoutes: true,
    hostname: true,
    name: true,
    port: true,
    protocol: ['HTTP', 'HTTPS', 'TLS', 'TCP'],
    tls: { certificateRefs: true, mode: ['Terminate', 'Passthrough'] },
  },
}

const HTTP_FILTERS: Support = {
  cors: true,
  requestHeaderModifier: true,
  requestMirror: true,
  requestRedirect: true,
  responseHeaderModifier: true,
  type: ['CORS', 'RequestHeaderModifier', 'RequestMirror', 'RequestRedirect', 'ResponseHeaderModifier', 'URLRewrite'],
  urlRewrite: true,
}

/** `Hostname` is Istio's, of group `networking.istio.io`: any host that the mesh knows. */
const BACKEND = {
  group: true,
  kind: ['Service', 'Hostname'],
  name: true,
  namespace: true,
  port: true,
  weight: true,
} as const

const BACKEND_WITH_FILTERS: Support = {
  ...BACKEND,
  filters: {
    requestHeaderModifier: true,
    responseHeaderModifier: true,
    type: ['RequestHeaderModifier', 'ResponseHeaderModifier'],
  },
}

export const HTTP_ROUTE: Support = {
  hostnames: true,
  parentRefs: true,
  rules: {
    backendRefs: BACKEND_WITH_FILTERS,
    filters: HTTP_FILTERS,
    matches: true,
    name: true,
    retry: true,
    timeouts: true,
  },
}

const GRPC_FILTERS: Support = {
  requestHeaderModifier: true,
  requestMirror: true,
  responseHeaderModifier: true,
  type: ['RequestHeaderModifier', 'RequestMirror', 'ResponseHeaderModifier'],
}

export const GRPC_ROUTE: Support = {
  hostnames: true,
  parentRefs: true,
  rules: { backendRefs: BACKEND_WITH_FILTERS, filters: GRPC_FILTERS, matches: true, name: true },
}

export const TLS_ROUTE: Support = { hostnames: true, parentRefs: true, rules: { backendRefs: BACKEND, name: true } }

export const TCP_ROUTE: Support = { parentRefs: true, rules: { backendRefs: BACKEND, name: true } }

export const REFERENCE_GRANT: Support = true
