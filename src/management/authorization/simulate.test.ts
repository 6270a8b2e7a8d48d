import { expect, test } from 'vitest'
import { snapshotOfYaml } from '../../mesh/snapshot-of-yaml.ts'
import type { SeenCalls } from '../../telemetry/questions/calls.ts'
import { simulate } from './simulate.ts'

const MESH = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web, security.istio.io/tlsMode: istio }, annotations: { weft.dev/app-address: 127.0.0.2, weft.dev/http-proxy-port: "15001" } }
spec: { serviceAccountName: web, containers: [{ name: app, image: app }] }
status: { podIP: 127.0.0.3, phase: Running }
`
const policy = (spec: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: web, namespace: shop }
spec: ${spec}
`
const CALL: SeenCalls = {
  principal: 'cluster.local/ns/shop/sa/front',
  source: { namespace: 'shop', workload: 'front' },
  destination: { namespace: 'shop', workload: 'web', port: 8080 },
  kind: 'request',
  method: 'GET',
  path: '/a',
  example: '/a?b=c',
  host: 'web',
  refused: false,
  firstSeen: 1000,
  lastSeen: 2000,
  count: 5,
}

/** With these texts added to those that are there. */
function change(there: readonly string[], added: readonly string[], calls: readonly SeenCalls[]) {
  const before = snapshotOfYaml([MESH, ...there].join('---\n'))
  const after = before.with([...snapshotOfYaml(added.join('---\n')).resources()].map((put) => ({ put })))
  return simulate(before, after, calls)
}

test('a new policy denies what its rules do not have', () => {
  const added = policy('{ rules: [{ to: [{ operation: { methods: [GET] } }] }] }')
  const post = { ...CALL, method: 'POST' }
  const { newlyDenied, newlyAllowed, kinds, calls } = change([], [added], [CALL, post])
  expect({ kinds, calls, newlyAllowed }).toEqual({ kinds: 2, calls: 10, newlyAllowed: [] })
  expect(newlyDenied).toMatchObject([{ call: post, before: 'passed on', after: 'answered 403' }])
  expect(newlyDenied[0]?.steps.at(-1)).toMatchObject({ layer: 'ALLOW', rule: 0, refused: true })
})

test('a changed policy allows what it has now', () => {
  const before = policy('{ rules: [{ to: [{ operation: { methods: [POST] } }] }] }')
  const after = policy('{ rules: [{ to: [{ operation: { methods: [POST, GET] } }] }] }')
  expect(change([before], [after], [CALL])).toMatchObject({ newlyAllowed: [{ call: CALL }], newlyDenied: [] })
})

test('STRICT cuts off who shows no certificate', () => {
  const strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
`
  const plaintext = { ...CALL, principal: null }
  const { newlyDenied } = change([], [strict], [CALL, plaintext])
  expect(newlyDenied).toMatchObject([{ call: plaintext, after: 'connection refused' }])
})

test('what rests on something that is not recorded is not judged', () => {
  const header = policy('{ rules: [{ when: [{ key: "request.headers[x-team]", values: [a] }] }] }')
  expect(change([], [header], [CALL])).toMatchObject({ newlyDenied: [], notObserved: [{ lacks: ['header x-team'] }] })
  const claims = policy('{ rules: [{ from: [{ source: { requestPrincipals: ["*"] } }] }] }')
  expect(change([], [claims], [CALL])).toMatchObject({ newlyDenied: [], notObserved: [{ lacks: ['token'] }] })
  const hosts = policy('{ action: DENY, rules: [{ to: [{ operation: { hosts: [web] } }] }] }')
  const folded = { ...CALL, host: null, path: null }
  expect(change([], [hosts], [folded])).toMatchObject({ newlyDenied: [], notObserved: [{ lacks: ['host'] }] })
})

test('a policy that does not look at it is judged all the same', () => {
  const either = policy('{ action: DENY, rules: [{ to: [{ operation: { methods: [GET] } }] }] }')
  expect(change([], [either], [{ ...CALL, host: null, path: null }])).toMatchObject({
    newlyDenied: [{ after: 'answered 403' }],
    notObserved: [],
  })
})

test('calls to whom nobody knows any more are counted, not judged', () => {
  const gone = { ...CALL, destination: { namespace: 'shop', workload: 'old', port: 1 } }
  expect(change([], [policy('{}')], [gone])).toMatchObject({ kinds: 0, calls: 0, gone: 5 })
})
