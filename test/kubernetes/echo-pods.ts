import packageJson from '../../package.json' with { type: 'json' }

/** YAML of a Deployment of the echo sample (samples/echo) with its ServiceAccount and, at port 80, Service. */
export function echo(name: string, replicas = 1): string {
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
    metadata: { labels: { app: ${name}, version: v1 } }
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
}
