import type { Traits } from './buckets.ts'

/** A file of a bucket's rollout template; `${APP}`, `${NAMESPACE}` and the like are to be filled in (envsubst does). */
export interface TemplateFile {
  readonly name: string
  readonly text: string
}

/** The objects of each step for applications of a bucket, in the order in which they are applied. */
export function rolloutOf(traits: Traits): readonly TemplateFile[] {
  const isHttp = traits.protocol === 'http' || traits.protocol === 'grpc'
  return [
    { name: '1-permissive.yaml', text: PERMISSIVE },
    ...(isHttp ? [{ name: '2-gateway.yaml', text: gateway(traits) }] : []),
    { name: '3-proxies.patch.yaml', text: proxies(traits) },
    { name: '4-mutual-tls.yaml', text: MUTUAL_TLS },
    { name: '5-traffic.yaml', text: isHttp ? httpTraffic(traits) : TCP_TRAFFIC },
    { name: '6-authorization.yaml', text: AUTHORIZATION },
    { name: '7-strict.yaml', text: STRICT },
  ]
}

const PERMISSIVE = `# Takes mutual TLS and plaintext: nobody is shut out while callers join one after the other.
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: \${APP}, namespace: \${NAMESPACE} }
spec:
  selector: { matchLabels: { app: \${APP} } }
  mtls: { mode: PERMISSIVE }
`

function gateway({ criticality, protocol }: Traits): string {
  const shared = criticality === 'low' || criticality === 'medium'
  const listener = `# ${shared ? 'A gateway that the team shares.' : 'A gateway of its own: what happens to others at the edge does not touch it.'}
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: \${${shared ? 'TEAM' : 'APP'}}, namespace: \${NAMESPACE} }
spec:
  gatewayClassName: weft
  listeners:
    - { name: http, port: 80, protocol: HTTP, hostname: "\${PUBLIC_HOST}" }
`
  const kind = protocol === 'grpc' ? 'GRPCRoute' : 'HTTPRoute'
  return `${listener}---
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: \${APP}, namespace: \${NAMESPACE} }
spec:
  parentRefs: [{ name: \${${shared ? 'TEAM' : 'APP'}} }]
  hostnames: ["\${PUBLIC_HOST}"]
  rules:
    - backendRefs: [{ name: \${SERVICE}, port: \${PORT} }]
`
}

function proxies({ platform }: Traits): string {
  if (platform === 'vm')
    return `# On a virtual machine the agent sets its proxy up; this object says that the machine is one of the application.
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: \${APP}, namespace: \${NAMESPACE} }
spec:
  metadata: { labels: { app: \${APP} } }
  template: { serviceAccount: \${APP} }
`
  return `# A patch of the Deployment's pods: by kustomize, or kubectl patch deployment \${APP} --patch-file. Of a Deployment with a canary, that first.
spec:
  template:
    metadata:
      labels: { sidecar.istio.io/inject: "true" }
`
}

const MUTUAL_TLS = `# Its callers that have a proxy use mutual TLS from now on.
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: \${APP}, namespace: \${NAMESPACE} }
spec:
  host: \${SERVICE}.\${NAMESPACE}.svc.cluster.local
  trafficPolicy:
    tls: { mode: ISTIO_MUTUAL }
`

function httpTraffic({ protocol, criticality }: Traits): string {
  const retryOn =
    protocol === 'grpc' ? 'connect-failure,refused-stream,unavailable' : 'connect-failure,refused-stream,gateway-error'
  const attempts = criticality === 'critical' || criticality === 'high' ? 2 : 1
  return `# Begin with what was observed: the timeout at three times the p99 or more, retries only of what may be done twice.
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: \${APP}, namespace: \${NAMESPACE} }
spec:
  host: \${SERVICE}.\${NAMESPACE}.svc.cluster.local
  trafficPolicy:
    tls: { mode: ISTIO_MUTUAL }
    outlierDetection: { consecutive5xxErrors: 5, interval: 10s, baseEjectionTime: 30s, maxEjectionPercent: 50 }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: \${APP}, namespace: \${NAMESPACE} }
spec:
  hosts: [\${SERVICE}.\${NAMESPACE}.svc.cluster.local]
  http:
    - timeout: \${TIMEOUT}
      retries: { attempts: ${attempts}, retryOn: "${retryOn}" }
      route: [{ destination: { host: \${SERVICE}.\${NAMESPACE}.svc.cluster.local } }]
`
}

const TCP_TRAFFIC = `# Connections cannot be retried; they can be limited, and kept alive.
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: \${APP}, namespace: \${NAMESPACE} }
spec:
  host: \${SERVICE}.\${NAMESPACE}.svc.cluster.local
  trafficPolicy:
    tls: { mode: ISTIO_MUTUAL }
    connectionPool: { tcp: { connectTimeout: 5s, tcpKeepalive: { time: 300s, interval: 60s } } }
`

const AUTHORIZATION = `# One line for each caller that traffic shows. Ask before you apply it: weft authz check
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: \${APP}, namespace: \${NAMESPACE} }
spec:
  selector: { matchLabels: { app: \${APP} } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: ["cluster.local/ns/\${NAMESPACE}/sa/\${CALLER}"] } }]
`

const STRICT = `# Only when every caller seen in the window used mutual TLS; whoever did not is shut out by this.
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: \${APP}, namespace: \${NAMESPACE} }
spec:
  selector: { matchLabels: { app: \${APP} } }
  mtls: { mode: STRICT }
`
