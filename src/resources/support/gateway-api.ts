import type { Support } from './support-type.ts'

export const GATEWAY_CLASS: Support = { controllerName: true, description: true, parametersRef: true }

const LISTENERS: Support = {
  allowedRoutes: true,
  hostname: true,
  name: true,
  port: true,
  protocol: ['HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP'],
  tls: { certificateRefs: true, mode: ['Terminate', 'Passthrough'] },
}

export const GATEWAY: Support = {
  addresses: true,
  allowedListeners: true,
  gatewayClassName: true,
  infrastructure: true,
  listeners: LISTENERS,
  tls: true,
}

export const LISTENER_SET: Support = { listeners: LISTENERS, parentRef: true }

const HTTP_BACKEND_FILTERS = {
  cors: true,
  requestHeaderModifier: true,
  requestMirror: true,
  requestRedirect: true,
  responseHeaderModifier: true,
  type: ['CORS', 'RequestHeaderModifier', 'RequestMirror', 'RequestRedirect', 'ResponseHeaderModifier', 'URLRewrite'],
  urlRewrite: true,
} as const

/** Authorizers are asked before a backend is chosen. */
const HTTP_FILTERS: Support = {
  ...HTTP_BACKEND_FILTERS,
  externalAuth: true,
  type: [...HTTP_BACKEND_FILTERS.type, 'ExternalAuth'],
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

export const HTTP_ROUTE: Support = {
  hostnames: true,
  parentRefs: true,
  rules: {
    backendRefs: { ...BACKEND, filters: HTTP_BACKEND_FILTERS },
    filters: HTTP_FILTERS,
    matches: true,
    name: true,
    retry: true,
    sessionPersistence: true,
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
  rules: {
    backendRefs: { ...BACKEND, filters: GRPC_FILTERS },
    filters: GRPC_FILTERS,
    matches: true,
    name: true,
    sessionPersistence: true,
  },
}

export const TLS_ROUTE: Support = { hostnames: true, parentRefs: true, rules: { backendRefs: BACKEND, name: true } }

export const TCP_ROUTE: Support = { parentRefs: true, rules: { backendRefs: BACKEND, name: true } }

export const UDP_ROUTE: Support = {
  parentRefs: true,
  rules: { backendRefs: { ...BACKEND, kind: ['Service'] }, name: true },
}

export const REFERENCE_GRANT: Support = true

export const BACKEND_TLS_POLICY: Support = {
  targetRefs: { group: true, kind: ['Service'], name: true, sectionName: true },
  validation: true,
}
