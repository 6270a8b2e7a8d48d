// A pair of sidecars with mutual TLS, Istio's metrics and an authorization policy, for a benchmark of proxies: it calls the client's, and is the server.
// Prints the arguments for ../shared/bench/datapath/run.sh, and stays until it is ended.
import { once } from 'node:events'
import { MeshOfEnvoys } from '../test/translate/mesh-of-envoys.ts'
import { testPod } from '../test/translate/test-pods.ts'

/** Where the benchmark has its servers. */
const UPSTREAM = { address: '127.0.0.1', http: 21080, tcp: 21081 }

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: echo, annotations: { weft.dev/local-port.${UPSTREAM.tcp}: "20001" } }
spec: { selector: { app: echo }, ports: [{ name: http, port: ${UPSTREAM.http} }, { name: tcp, port: ${UPSTREAM.tcp} }] }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: echo }
spec:
  selector: { matchLabels: { app: echo } }
  rules: [{ from: [{ source: { principals: [cluster.local/ns/default/sa/client] } }] }]
`

/** HTTP/2 between the two, as between the benchmark's own. */
const HTTP2 = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo }
spec: { host: echo, trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: UPGRADE } } } }
`

const mesh = await MeshOfEnvoys.start()
const client = await testPod({ name: 'client', labels: { app: 'client', version: 'v1' } })
const ports = { http: UPSTREAM.http, tcp: UPSTREAM.tcp }
const echo = await testPod({ name: 'echo', labels: { app: 'echo', version: 'v1' }, serves: { echo: ports } })
const server = echo.yaml.replaceAll(echo.appAddress, UPSTREAM.address)
mesh.apply(SERVICES, ...(process.argv.includes('--http2') ? [HTTP2] : []), client.yaml, server)
await mesh.startProxies()
const pids = mesh.pids().join(',')
console.log(
  `weft=http://echo.default.svc.cluster.local:${UPSTREAM.http}/ weft.via=${client.address}:15001 weft.pids=${pids} ` +
    `weft-tcp=tcp://${client.address}:20001 weft-tcp.pids=${pids}`,
)
await once(process, 'SIGTERM')
await mesh.stop()
