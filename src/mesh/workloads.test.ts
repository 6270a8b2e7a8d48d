import { expect, test } from 'vitest'
import { inboundPorts } from './inbound-ports.ts'
import type { Workload } from './model.ts'
import { snapshotOfYaml } from './snapshot-of-yaml.ts'
import { workloads } from './workloads.ts'

const pod = (metadata: string, status = '{ podIP: 10.0.0.1, phase: Running }') => `
apiVersion: v1
kind: Pod
metadata: { name: a, ${metadata} }
spec: { serviceAccountName: web, containers: [{ name: app, image: app, ports: [{ name: web, containerPort: 8080 }] }] }
status: ${status}
`
const MESHED = 'labels: { app: a, tier: front, security.istio.io/tlsMode: istio }'

const workloadOf = (text: string): Workload | undefined => workloads(snapshotOfYaml(text)).get('default/a')

test('a pod with a proxy is a sidecar with the identity of its service account', () => {
  expect(workloadOf(pod(MESHED))).toMatchObject({
    key: 'default/a',
    role: 'sidecar',
    address: '10.0.0.1',
    identity: 'spiffe://cluster.local/ns/default/sa/web',
    capture: { mode: 'redirect' },
    containerPorts: [{ name: 'web', port: 8080 }],
  })
})

test.each([
  ['of both families', '{ podIP: 10.0.0.1, podIPs: [{ ip: 10.0.0.1 }, { ip: "fd00::1" }] }'],
  ['of IPv6 alone', '{ podIP: "fd00::1" }'],
])('a pod with addresses %s is known to have IPv6', (_, status) => {
  expect(workloadOf(pod(MESHED, status))?.capture).toEqual({ mode: 'redirect', ipv6: true })
  expect(workloadOf(pod(MESHED))?.capture).toEqual({ mode: 'redirect' })
})

test('a pod of a mesh without capture says where its application is', () => {
  const annotations = 'annotations: { weft.dev/app-address: 10.9.0.1, weft.dev/http-proxy-port: "15001" }'
  expect(workloadOf(pod(`${MESHED}, ${annotations}`))?.capture).toEqual({
    mode: 'listeners',
    appAddress: '10.9.0.1',
    httpProxyPort: 15001,
  })
})

test.each([
  ['our label', 'labels: { weft.dev/proxy-role: gateway }'],
  ['our annotation', 'annotations: { weft.dev/proxy-role: gateway }'],
  ['Gateway API’s label', 'labels: { gateway.networking.k8s.io/gateway-name: web }'],
])('%s makes a gateway', (_, metadata) => {
  expect(workloadOf(pod(metadata))?.role).toBe('gateway')
})

test.each([
  ['no proxy', pod('labels: { app: a }')],
  ['no address', pod(MESHED, '{ phase: Pending }')],
  ['ended', pod(MESHED, '{ podIP: 10.0.0.1, phase: Succeeded }')],
  ['failed', pod(MESHED, '{ podIP: 10.0.0.1, phase: Failed }')],
])('a pod that has %s is no workload', (_, text) => {
  expect(workloadOf(text)).toBeUndefined()
})

const service = (name: string, spec: string, created = '2024-01-01T00:00:00Z') => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, creationTimestamp: "${created}" }
spec: ${spec}
`

function portsOf(...services: string[]) {
  const snapshot = snapshotOfYaml(pod(MESHED), ...services)
  const ports = inboundPorts(snapshot, workloads(snapshot).get('default/a') as Workload)
  return ports.map(({ port, protocol, mtls, service }) => ({ port, protocol, mtls, service: service.metadata.name }))
}

test('inbound ports are the target ports of all Services that select the pod', () => {
  expect(
    portsOf(
      service(
        'one',
        '{ selector: { app: a }, ports: [{ name: http, port: 80, targetPort: web }, { name: tcp, port: 90 }] }',
      ),
      service('two', '{ selector: { tier: front, app: a }, ports: [{ name: grpc, port: 80, targetPort: 7070 }] }'),
      service('not', '{ selector: { app: a, tier: back }, ports: [{ name: http, port: 1 }] }'),
      service('nobody', '{ ports: [{ name: http, port: 2 }] }'),
      service('named', '{ selector: { app: a }, ports: [{ name: http, port: 3, targetPort: missing }] }'),
      service('dns', '{ selector: { app: a }, ports: [{ name: dns, port: 53, protocol: UDP }] }'),
    ),
  ).toEqual([
    { port: 90, protocol: 'tcp', mtls: 'PERMISSIVE', service: 'one' },
    { port: 7070, protocol: 'grpc', mtls: 'PERMISSIVE', service: 'two' },
    { port: 8080, protocol: 'http', mtls: 'PERMISSIVE', service: 'one' },
  ])
})

test('of Services that disagree on a port the oldest decides', () => {
  const young = service('a', '{ selector: { app: a }, ports: [{ name: tcp, port: 80 }] }', '2025-01-01T00:00:00Z')
  const old = service('b', '{ selector: { app: a }, ports: [{ name: http, port: 80 }] }')
  expect(portsOf(young, old)).toMatchObject([{ protocol: 'http', service: 'b' }])
})

const entry = (annotations: string) => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: a, labels: { app: a }, annotations: { ${annotations} } }
spec: { address: 192.0.2.7, serviceAccount: db, labels: { tier: back }, ports: { http: 8080 } }
`

test('a WorkloadEntry that the server made for a host is a workload, and no other is', () => {
  expect(workloadOf(entry('weft.dev/host: db-1, weft.dev/dns-capture: "true"'))).toMatchObject({
    isHost: true,
    address: '192.0.2.7',
    labels: { app: 'a', tier: 'back' },
    identity: 'spiffe://cluster.local/ns/default/sa/db',
    capture: { mode: 'redirect', dns: true },
    containerPorts: [{ name: 'http', port: 8080 }],
  })
  expect(workloadOf(entry(''))).toBe(undefined)
  expect(workloadOf(`${entry('weft.dev/host: db-1')}---${pod(MESHED)}`)).toMatchObject({ address: '10.0.0.1' })
})

test('a host takes traffic where ServiceEntries that select it say', () => {
  const snapshot = snapshotOfYaml(`${entry('weft.dev/host: db-1')}---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: db }
spec:
  hosts: [db.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 9090 }, { number: 5432, name: sql, protocol: TCP, targetPort: 15432 }, { number: 53, name: dns, protocol: UDP }]
  workloadSelector: { labels: { app: a } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: other }
spec: { hosts: [other.example.com], ports: [{ number: 81, name: http, protocol: HTTP }], workloadSelector: { labels: { app: b } } }
`)
  const host = workloads(snapshot).get('default/a') as Workload
  // The port of the entry's own name, else the ServiceEntry's.
  expect(inboundPorts(snapshot, host)).toMatchObject([
    { port: 8080, protocol: 'http' },
    { port: 15432, protocol: 'tcp' },
  ])
})
