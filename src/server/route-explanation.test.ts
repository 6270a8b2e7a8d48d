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

test('what else it listens at is said', () => {
  const asked = { url: 'http://a.example:81', method: 'GET', headers: [] }
  expect(() => explainRoute(SNAPSHOT, 'default/ingress', asked)).toThrow(
    'does not listen at port 81; it listens at 8080',
  )
})
