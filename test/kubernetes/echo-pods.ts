import packageJson from '../../package.json' with { type: 'json' }

/** YAML of a Deployment of the echo sample (samples/echo) with its ServiceAccount and, at port 80, Service. The annotations are its pods'. */
export function echo(name: string, replicas = 1, annotations: Readonly<Record<string, string>> = {}): string {
  return `
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${name} }
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name}, version: v1 }, annotations: ${JSON.stringify(annotations)} }
    spec:
      serviceAccountName: ${name}
      containers:
        - name: echo
          image: docker.io/weft/echo:${packageJson.version}
          ports: [{ containerPort: 8080 }]
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] }, runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }
          readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 }
---
`
}

/** YAML of pods that injection makes a gateway, with what Istio's documentation puts around them: it leads to the service `server` beside it. */
export function gateway(replicas = 1): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ingress }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { istio: ingress } }
  template:
    metadata:
      annotations: { inject.istio.io/templates: gateway }
      labels: { istio: ingress, sidecar.istio.io/inject: "true" }
    spec:
      containers: [{ name: istio-proxy, image: auto, ports: [{ containerPort: 80 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: ingress }
spec: { selector: { istio: ingress }, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ingress }
spec: { selector: { istio: ingress }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ingress }
spec: { hosts: ["*"], gateways: [ingress], http: [{ route: [{ destination: { host: server } }] }] }
---
`
}

/** For a whole namespace. */
export const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
spec: { mtls: { mode: STRICT } }
---
`

/** What the echo sample tells of a request that reached it. */
export interface Echoed {
  readonly pod: string
  readonly headers: Readonly<Record<string, string>>
  /** The address from which it came, as the application sees it. */
  readonly from: string
}
