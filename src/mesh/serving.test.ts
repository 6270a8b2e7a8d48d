import { expect, test } from 'vitest'
import { serving } from './serving.ts'
import { snapshotOfYaml } from './snapshot-of-yaml.ts'

const service = (name: string, ports: string, selector = '{ app: web }') => `
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: ${selector}, ports: ${ports} }
`
const WEB = service('web', '[{ name: http, port: 80, targetPort: 8080 }, { name: tcp-db, port: 90, targetPort: 9090 }]')

const pod = (name: string, proxy: boolean, address: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: web ${proxy ? ', security.istio.io/tlsMode: istio' : ''} } }
spec: { containers: [{ name: app, image: app }] }
status: { podIP: ${address} }
`
const slice = (...pods: readonly string[]) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080 }, { name: tcp-db, port: 9090 }]
endpoints: [${pods.map((pod, i) => `{ addresses: [10.0.0.${i + 1}], targetRef: { kind: Pod, name: ${pod} } }`).join(', ')}]
`
const disabled = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: web }
spec: { selector: { matchLabels: { app: web } }, portLevelMtls: { 8080: { mode: DISABLE } } }
`
const sidecar = (namespace: string, spec: string) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: ${namespace} }
spec: { ${spec} }
`
const INGRESS = 'ingress: [{ port: { number: 8080, protocol: TCP, name: tcp } }]'
const AS_CLIENTS = 'inboundConnectionPool: { http: { useClientProtocol: true } }'

const http2Ports = (...yaml: readonly string[]) =>
  serving(snapshotOfYaml(...yaml)).get('web.default.svc.cluster.local')?.http2Ports ?? []

const POD = pod('a', true, '10.0.0.1')

test('clients may speak HTTP/2 to a port of HTTP/1.1 that proxies of the mesh serve, or nobody', () => {
  expect(http2Ports(WEB)).toEqual([80])
  expect(http2Ports(WEB, POD, slice('a'))).toEqual([80])
})

test('not where somebody without a proxy serves it, or one that takes no mesh mTLS there', () => {
  expect(http2Ports(WEB, POD, pod('b', false, '10.0.0.2'), slice('a', 'b'))).toEqual([])
  expect(http2Ports(WEB, POD, slice('a'), disabled)).toEqual([])
})

test.each([
  ['another Service that says nothing of its protocol', service('all', '[{ port: 8080 }]')],
  ['one that names it', service('all', '[{ name: tcp, port: 1, targetPort: main }]', '{ app: web, tier: front }')],
  ['a Sidecar that says what the port speaks', sidecar('default', INGRESS)],
  ['a Sidecar that has clients choose', sidecar('default', AS_CLIENTS)],
  ['a Sidecar of the whole mesh', sidecar('istio-system', AS_CLIENTS)],
])('not where the server may know the port for something else: %s', (_, other) => {
  expect(http2Ports(WEB, other)).toEqual([])
})

test.each([
  ['another Service of the same protocol', service('all', '[{ name: http-web, port: 8080 }]')],
  ['a Service of other pods', service('other', '[{ port: 8080 }]', '{ app: other }')],
  ['a Service of another port', service('all', '[{ port: 8081 }]')],
  ['a Service without pods', service('none', '[{ port: 8080 }]', '{}')],
  ['a Sidecar elsewhere', sidecar('elsewhere', INGRESS)],
  ['a Sidecar that says nothing of servers', sidecar('default', "egress: [{ hosts: ['./*'] }]")],
])('also beside %s', (_, other) => {
  expect(http2Ports(WEB, other)).toEqual([80])
})

test('not to Services that have no pods, whose servers know nothing of them', () => {
  expect(http2Ports(service('web', '[{ name: http, port: 80 }]', '{}'))).toEqual([])
})
