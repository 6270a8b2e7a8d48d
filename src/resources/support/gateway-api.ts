import type { Support } from '../support.ts'

export const GATEWAY_CLASS: Support = { controllerName: true, description: true }

export const GATEWAY: Support = {
  gatewayClassName: true,
  listeners: {
    allowedRoutes: true,
    hostname: true,
    name: true,
    port: true,
    protocol: ['HTTP', 'HTTPS'],
    tls: { certificateRefs: true, mode: ['Terminate'] },
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

export const HTTP_ROUTE: Support = {
  hostnames: true,
  parentRefs: true,
  rules: {
    backendRefs: {
      filters: {
        requestHeaderModifier: true,
        responseHeaderModifier: true,
        type: ['RequestHeaderModifier', 'ResponseHeaderModifier'],
      },
      group: true,
      kind: ['Service'],
      name: true,
      namespace: true,
      port: true,
      weight: true,
    },
    filters: HTTP_FILTERS,
    matches: true,
    name: true,
    retry: true,
    timeouts: true,
  },
}

export const REFERENCE_GRANT: Support = true
