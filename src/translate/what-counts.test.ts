import { expect, test } from 'vitest'
import { parseYaml } from '../resources/parse.ts'
import { KIND, keyOf } from '../resources/resource.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { RESOURCE_TYPES } from './encoded-resource.ts'
import { proxyResources } from './proxy-resources.ts'
import { snapshotOfYaml } from './routes/snapshot-of-yaml.ts'

const mesh = snapshotOfYaml(`
apiVersion: v1
kind: Pod
metadata: { name: it, namespace: a, labels: { app: it, security.istio.io/tlsMode: istio } }
spec: { containers: [{ name: app, ports: [{ containerPort: 8080 }] }], nodeName: here }
status: { podIP: 10.0.0.1 }
---
apiVersion: v1
kind: Pod
metadata: { name: other, namespace: b, labels: { app: other, security.istio.io/tlsMode: istio } }
spec: { containers: [{ name: app, ports: [{ containerPort: 8080 }] }] }
status: { podIP: 10.0.0.2 }
---
apiVersion: v1
kind: Service
metadata: { name: it, namespace: a }
spec: { clusterIP: 10.96.0.1, selector: { app: it }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: other, namespace: b }
spec: { clusterIP: 10.96.0.2, selector: { app: other }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: near, namespace: b }
spec: { host: other, trafficPolicy: { outlierDetection: { consecutive5xxErrors: 3 } } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: other, namespace: b, labels: { kubernetes.io/service-name: other } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints: [{ addresses: [10.0.0.2], nodeName: there }, { addresses: [10.0.0.3], nodeName: here }]
---
apiVersion: v1
kind: Node
metadata: { name: there, labels: { topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z1 } }
`)

const object = (apiVersion: string, kind: string, metadata: string, rest: string) =>
  `{ apiVersion: ${apiVersion}, kind: ${kind}, metadata: { name: new, ${metadata} }, ${rest} }`

const istio = (group: string, kind: string, namespace: string, spec: string) =>
  object(`${group}.istio.io/v1`, kind, `namespace: ${namespace}`, `spec: ${spec}`)

// Each is for a/it, of another kind or in another way.
const OBJECTS: Readonly<Record<string, string>> = {
  service: object('v1', 'Service', 'namespace: b', 'spec: { clusterIP: 10.96.0.3, ports: [{ name: http, port: 80 }] }'),
  'service of its own': object(
    'v1',
    'Service',
    'namespace: a',
    'spec: { clusterIP: 10.96.0.3, selector: { app: it }, ports: [{ name: tcp, port: 90 }] }',
  ),
  endpoints: object(
    'discovery.k8s.io/v1',
    'EndpointSlice',
    'namespace: a, labels: { kubernetes.io/service-name: it }',
    'addressType: IPv4, ports: [{ name: http, port: 8080 }], endpoints: [{ addresses: [10.0.0.1] }]',
  ),
  node: `{ apiVersion: v1, kind: Node, metadata: { name: here, labels: { topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z2 } } }`,
  route: istio(
    'networking',
    'VirtualService',
    'b',
    '{ hosts: [other], http: [{ timeout: 1s, route: [{ destination: { host: other } }] }] }',
  ),
  'route for some labels': istio(
    'networking',
    'VirtualService',
    'b',
    '{ hosts: [other], http: [{ match: [{ sourceLabels: { app: it } }], timeout: 1s, route: [{ destination: { host: other } }] }] }',
  ),
  'client policy': istio(
    'networking',
    'DestinationRule',
    'a',
    '{ host: other.b.svc.cluster.local, trafficPolicy: { loadBalancer: { simple: RANDOM } } }',
  ),
  'client policy for some labels': istio(
    'networking',
    'DestinationRule',
    'a',
    '{ host: other.b.svc.cluster.local, workloadSelector: { matchLabels: { app: it } }, trafficPolicy: { loadBalancer: { simple: RANDOM } } }',
  ),
  host: istio(
    'networking',
    'ServiceEntry',
    'b',
    '{ hosts: [example.com], resolution: DNS, ports: [{ number: 80, name: http, protocol: HTTP }] }',
  ),
  imports: istio('networking', 'Sidecar', 'a', '{ egress: [{ hosts: ["./*"] }] }'),
  ingress: istio(
    'networking',
    'Sidecar',
    'a',
    '{ ingress: [{ port: { number: 9000, name: http, protocol: HTTP }, defaultEndpoint: "127.0.0.1:9000" }] }',
  ),
  'mutual TLS': istio('security', 'PeerAuthentication', 'a', '{ mtls: { mode: STRICT } }'),
  policy: istio('security', 'AuthorizationPolicy', 'a', '{}'),
  'policy of the mesh': istio('security', 'AuthorizationPolicy', 'istio-system', '{}'),
  tokens: istio('security', 'RequestAuthentication', 'a', '{ jwtRules: [{ issuer: me, jwks: "{\\"keys\\":[]}" }] }'),
  telemetry: istio(
    'telemetry',
    'Telemetry',
    'a',
    '{ metrics: [{ providers: [{ name: prometheus }], overrides: [{ disabled: true }] }] }',
  ),
  patch: `{ apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: { name: new, namespace: a }, spec: { configPatches: [{ applyTo: CLUSTER, match: { context: SIDECAR_OUTBOUND }, patch: { operation: MERGE, value: { connect_timeout: 7s } } }] } }`,
  settings: `{ apiVersion: v1, kind: ConfigMap, metadata: { name: istio, namespace: istio-system }, data: { mesh: "{ outboundTrafficPolicy: { mode: REGISTRY_ONLY } }" } }`,
}

/** Versions of all that the proxy has, by type and name. */
function versions(snapshot: Snapshot): Readonly<Record<string, string>> {
  const resources = proxyResources(snapshot, 'a/it') ?? {}
  const all = RESOURCE_TYPES.flatMap((type) => (resources[type] ?? []).flatMap((layer) => [...layer.values()]))
  return Object.fromEntries(all.map(({ type, name, version }) => [`${type} ${name}`, version]))
}

// What was asked for before must not stand in the way: nothing is said of what else there is, nor in which order it came.
test.each(Object.entries(OBJECTS))('a %s counts as soon as it comes, and no longer once it is gone', (_, yaml) => {
  const [put] = parseYaml(yaml, 'test.yaml').resources
  if (!put) throw new Error('it is no resource')
  const without = versions(mesh)
  const snapshot = mesh.with([{ put }])
  const settled = versions(snapshot)
  expect(settled).not.toEqual(without)
  expect(versions(snapshot.with([{ remove: put[KIND], key: keyOf(put) }]))).toEqual(without)
})

test('all of them together are as they are in any order', () => {
  const puts = Object.values(OBJECTS)
    .flatMap((yaml) => parseYaml(yaml, 'test.yaml').resources)
    .map((put, i) => ({
      put: {
        ...put,
        metadata: { ...put.metadata, name: put.metadata.name === 'new' ? `new-${i}` : put.metadata.name },
      },
    }))
  const [forwards, backwards] = [puts, puts.toReversed()].map((changes) => {
    let snapshot = mesh
    let seen = versions(snapshot)
    for (const change of changes) {
      snapshot = snapshot.with([change])
      seen = versions(snapshot)
    }
    return seen
  })
  expect(forwards).toEqual(backwards)
  expect(Object.keys(forwards ?? {}).length).toBeGreaterThan(10)
})
