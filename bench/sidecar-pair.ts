// A pair of sidecars with mutual TLS, Istio's metrics and an authorization policy, for a benchmark of proxies: it calls the client's, and is the server.
// Prints the arguments for ../shared/bench/datapath/run.sh, and stays until it is ended. What is not wanted: --no-metrics, --no-log, --no-policy; and HTTP/1.1 between the
// two: --http1.
import { once } from 'node:events'
import { MeshOfEnvoys } from '../test/translate/mesh-of-envoys.ts'
import { testPod } from '../test/translate/test-pods.ts'
import { accessLog, NO_METRICS, POLICY, STRICT, telemetry } from './pair-policies.ts'

/** Where the benchmark has its servers. */
const UPSTREAM = { address: '127.0.0.1', http: 21080, tcp: 21081 }

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: echo, annotations: { weft.dev/local-port.${UPSTREAM.tcp}: "20001" } }
spec: { selector: { app: echo }, ports: [{ name: http, port: ${UPSTREAM.http} }, { name: tcp, port: ${UPSTREAM.tcp} }] }
`

/** HTTP/1.1 between the two, as the applications speak. */
const HTTP1 = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo }
spec: { host: echo, trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: DO_NOT_UPGRADE } } } }
`

const asked = (flag: string, yaml: string) => (process.argv.includes(flag) ? [yaml] : [])
const extras = [
  ...(process.argv.includes('--no-policy') ? [] : [POLICY]),
  ...asked('--http1', HTTP1),
  ...asked('--no-log', accessLog('')),
  ...asked('--no-metrics', telemetry(`{ ${NO_METRICS} }`)),
]

const mesh = await MeshOfEnvoys.start()
const client = await testPod({ name: 'client', labels: { app: 'client', version: 'v1' } })
const ports = { http: UPSTREAM.http, tcp: UPSTREAM.tcp }
const echo = await testPod({ name: 'echo', labels: { app: 'echo', version: 'v1' }, serves: { echo: ports } })
const server = echo.yaml.replaceAll(echo.appAddress, UPSTREAM.address)
mesh.apply(SERVICES, STRICT, ...extras, client.yaml, server)
await mesh.startProxies()
const pids = mesh.pids().join(',')
console.log(
  `weft=http://echo.default.svc.cluster.local:${UPSTREAM.http}/ weft.via=${client.address}:15001 weft.pids=${pids} ` +
    `weft-tcp=tcp://${client.address}:20001 weft-tcp.pids=${pids}`,
)
await once(process, 'SIGTERM')
await mesh.stop()
