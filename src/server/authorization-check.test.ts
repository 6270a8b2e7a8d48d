import { expect, test } from 'vitest'
import { snapshotOfYaml } from '../mesh/snapshot-of-yaml.ts'
import { type AskedCall, explainAuthorization } from './authorization-check.ts'

const MESH = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }, { name: tcp, port: 3306 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: web-0, namespace: shop, labels: { app: web, security.istio.io/tlsMode: istio }, annotations: { weft.dev/app-address: 127.0.0.2, weft.dev/http-proxy-port: "15001" } }
spec: { serviceAccountName: web, containers: [{ name: app, image: app }] }
status: { podIP: 127.0.0.3, phase: Running }
`

const policy = (name: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec: ${spec}
`
const strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
`

function explain(texts: readonly string[], call: Partial<AskedCall> = {}) {
  const asked = { method: 'GET', path: '/a', headers: [], port: 8080, from: 'cluster.local/ns/shop/sa/front', ...call }
  return explainAuthorization(snapshotOfYaml([MESH, ...texts].join('---\n')), 'shop/web-0', asked)
}

test('without policies all are allowed', async () => {
  expect(await explain([])).toMatchObject({
    allowed: true,
    outcome: 'passed on',
    http: { method: 'GET', host: 'web:8080', path: '/a' },
  })
})

test('STRICT refuses who shows no certificate, and names the policy that says so', async () => {
  const nobody: AskedCall = { method: 'GET', path: '/', headers: [], port: 8080 }
  const explanation = await explainAuthorization(snapshotOfYaml([MESH, strict].join('---\n')), 'shop/web-0', nobody)
  expect(explanation).toMatchObject({
    outcome: 'connection refused',
    steps: [{ refused: true, source: { object: 'PeerAuthentication shop/default', file: 'test.yaml' } }],
  })
})

test('the rule that denies is named, and what it would take to be allowed', async () => {
  const deny = policy(
    'denied',
    '{ action: DENY, rules: [{ to: [{ operation: { paths: [/b] } }] }, { to: [{ operation: { paths: [/a*] } }] }] }',
  )
  expect((await explain([deny])).steps.at(-1)).toMatchObject({ layer: 'DENY', rule: 1, says: 'denies it' })
  const allow = policy(
    'allowed',
    '{ rules: [{ from: [{ source: { namespaces: [other] } }] }, { to: [{ operation: { methods: [POST], paths: [/a] } }], when: [{ key: "request.headers[x]", notValues: ["1"] }] }] }',
  )
  const { steps, outcome } = await explain([allow])
  expect(outcome).toBe('answered 403')
  expect(steps.slice(1).map(({ says }) => says)).toEqual([
    'does not allow it: from: namespaces "other", and it has "cluster.local/ns/shop/sa/front"',
    'does not allow it: to: methods "POST", and it has "GET"',
  ])
  expect((await explain([allow], { method: 'POST', headers: ['X: 1'] })).steps.at(-1)?.says).toBe(
    'does not allow it: not when[0].request.headers[x] "1", and it has "1"',
  )
  expect((await explain([allow], { method: 'POST' })).allowed).toBe(true)
})

test('of CUSTOM it is told who is asked, and that nobody can be', async () => {
  const custom = policy('ask', '{ action: CUSTOM, provider: { name: gate }, rules: [{}] }')
  expect(await explain([custom])).toMatchObject({ outcome: 'answered 403' })
  const config = `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "extensionProviders: [{ name: gate, envoyExtAuthzHttp: { service: web.shop.svc.cluster.local, port: 80 } }]" }
`
  expect(await explain([custom, config])).toMatchObject({ allowed: true, asks: 'gate' })
})

test.each([
  [{ port: 1 }, /shop\/web-0 has no port 1: there are 3306, 8080/],
  [{ from: 'shop/nobody' }, /neither a pod with a proxy nor a SPIFFE ID/],
  [{ headers: ['x'] }, /"x" is no header/],
])('%j is not understood', async (call, says) => {
  await expect(explain([], call)).rejects.toThrow(says)
})

test('what only HTTP has is told not to count on a port that does not speak it', async () => {
  const call = { port: 3306, method: 'POST', path: '/x', token: 'x.y.z', headers: ['a: b'] }
  expect((await explain([], call)).ignored).toEqual(['method', 'path', 'headers', 'token'])
  expect((await explain([], { port: 3306, path: '/' })).ignored).toBeUndefined()
  expect((await explain([], { path: '/x' })).ignored).toBeUndefined()
})
