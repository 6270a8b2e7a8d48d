/** Objects for two sidecars whose cost is measured: a client, and the service `echo`. */

/** Nothing goes between them but by mutual TLS. */
export const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
`

/** The client alone may call. */
export const POLICY = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: echo }
spec:
  selector: { matchLabels: { app: echo } }
  rules: [{ from: [{ source: { principals: [cluster.local/ns/default/sa/client] } }] }]
`

/** @param file where requests are logged; empty for nowhere */
export function accessLog(file: string): string {
  return `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: 'accessLogFile: "${file}"' }
`
}

/** @param spec of the mesh's Telemetry */
export function telemetry(spec: string): string {
  return `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: mesh, namespace: istio-system }
spec: ${spec}
`
}

export const NO_METRICS = 'metrics: [{ overrides: [{ disabled: true }] }]'
