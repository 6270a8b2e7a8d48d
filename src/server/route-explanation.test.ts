import { expect, test } from 'vitest'
import { snapshotOfYaml } from '../mesh/snapshot-of-yaml.ts'
import { explainRoute } from './route-explanation.ts'

const SNAPSHOT = snapshotOfYaml(`
apiVersion: v1
kind: Pod
metadata: { name: ingress, labels: { istio: ingressgateway, weft.dev/proxy-role: gateway } }
spec: { containers: [{ name: proxy }] }
status: { podIP: 10.0.0.9 }
---
apiVersion: v1
kind: Service
metadata: { name: ingress }
spec: { selector: { istio: ingressgateway }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: public }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: one }
spec: { hosts: ["*"], gateways: [public], http: [{ name: all, directResponse: { status: 201 } }] }
`)

test.each(['http://a.example', 'http://a.example:8080'])('%s is a port of the gateway', (url) => {
  const explanation = explainRoute(SNAPSHOT, 'default/ingress', { url, method: 'GET', headers: [] })
  expect(explanation).toMatchObject({
    route: 'all',
    rule: { object: 'VirtualService default/one', field: 'spec.http[0]', file: 'test.yaml' },
    outcome: { kind: 'answer', status: 201 },
  })
})

test('a member of a headless Service is called by the rules for its own name', () => {
  const snapshot = snapshotOfYaml(`
apiVersion: v1
kind: Pod
metadata: { name: client, labels: { security.istio.io/tlsMode: istio } }
spec: { containers: [] }
status: { podIP: 10.0.0.1 }
---
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { clusterIP: None, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: first }
spec:
  hosts: [db-0.db.default.svc.cluster.local]
  http: [{ name: first, timeout: 3s, route: [{ destination: { host: db-0.db.default.svc.cluster.local } }] }]`)
  const explained = (url: string) => explainRoute(snapshot, 'default/client', { url, method: 'GET', headers: [] })
  expect(explained('http://db-0.db/x')).toMatchObject({
    virtualHost: 'db-0.db.default.svc.cluster.local:80',
    rule: { object: 'VirtualService default/first', field: 'spec.http[0]' },
    outcome: { clusters: [{ name: 'outbound|80||db-0.db.default.svc.cluster.local' }] },
    effects: expect.arrayContaining(['timeout 3 s']),
  })
  expect(explained('http://db-1.db/x')).toMatchObject({
    route: 'member',
    virtualHost: '*.db.default.svc.cluster.local:80',
  })
})

test('what else it listens at is said', () => {
  const asked = { url: 'http://a.example:81', method: 'GET', headers: [] }
  expect(() => explainRoute(SNAPSHOT, 'default/ingress', asked)).toThrow(
    'does not listen at port 81; it listens at 8080',
  )
})

test('an authorizer that is asked first is named', () => {
  const snapshot = snapshotOfYaml(`
apiVersion: v1
kind: Pod
metadata: { name: client, labels: { security.istio.io/tlsMode: istio } }
spec: { containers: [] }
status: { podIP: 10.0.0.1 }
---
apiVersion: v1
kind: Service
metadata: { name: stock }
spec: { ports: [{ name: http, port: 80 }, { name: grpc, port: 9000 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: stock }
spec:
  parentRefs: [{ group: '', kind: Service, name: stock }]
  rules:
    - filters: [{ type: ExternalAuth, externalAuth: { protocol: GRPC, backendRef: { name: stock, port: 9000 }, grpc: {} } }]
      backendRefs: [{ name: stock, port: 80 }]`)
  const explanation = explainRoute(snapshot, 'default/client', { url: 'http://stock', method: 'GET', headers: [] })
  expect(explanation).toMatchObject({
    outcome: { kind: 'forward', clusters: [{ name: 'outbound|80||stock.default.svc.cluster.local' }] },
    effects: expect.arrayContaining([
      'outbound|9000||stock.default.svc.cluster.local is asked first, and has to allow it',
    ]),
  })
})
