import { expect, test } from 'vitest'
import { snapshotOfYaml } from '../mesh/snapshot-of-yaml.ts'
import { proxyResources } from '../translate/proxy-resources.ts'
import { resourceSources } from './resource-sources.ts'

const GATEWAY = `apiVersion: v1
kind: Pod
metadata: { name: ingress, labels: { istio: ingressgateway, weft.dev/proxy-role: gateway } }
spec: { containers: [{ name: proxy }] }
status: { podIP: 10.0.0.9 }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: public }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: one }
spec:
  hosts: ["*"]
  gateways: [public]
  http:
    - match: [{ uri: { prefix: /one } }]
      directResponse: { status: 201 }
    - match: [{ uri: { prefix: /refused } }]
      rewrite: { uriRegexRewrite: { match: "/refused", rewrite: "\\\\9" } }
      route: [{ destination: { host: anywhere } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: root }
spec:
  hosts: ["*"]
  gateways: [public]
  http: [{ match: [{ uri: { prefix: /two } }], delegate: { name: delegate } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: delegate }
spec:
  http: [{ directResponse: { status: 202 } }]
`

test('each route of a gateway comes from a rule of one of many objects', () => {
  const snapshot = snapshotOfYaml(GATEWAY)
  const [routes] = resourceSources(proxyResources(snapshot, 'default/ingress')).filter(({ type }) => type === 'routes')
  expect(routes?.name).toBe('http.8080')
  expect(
    routes?.routes?.map(({ virtualHost, place, rule }) => [virtualHost, place, rule.object, rule.field, rule.line]),
  ).toEqual([
    ['*', 0, 'VirtualService default/one', 'spec.http[0]', 21],
    ['*', 1, 'VirtualService default/one', 'spec.http[1]', 23],
    // Its rules are those of its delegate.
    ['*', 2, 'VirtualService default/root', undefined, 27],
  ])
})

test('and is where it was moved to, also where nothing else changed', () => {
  const before = snapshotOfYaml(GATEWAY)
  resourceSources(proxyResources(before, 'default/ingress'))
  const after = snapshotOfYaml(GATEWAY.replace('metadata: { name: one }', '# moved\nmetadata: { name: one }'))
  const moved = after.get('networking.istio.io/VirtualService', 'default/one')
  if (!moved) throw new Error('it is not there')
  const [routes] = resourceSources(proxyResources(before.with([{ put: moved }]), 'default/ingress')).filter(
    ({ type }) => type === 'routes',
  )
  expect(routes?.routes?.map(({ rule }) => rule.line).slice(0, 2)).toEqual([22, 24])
})
