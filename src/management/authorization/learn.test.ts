import fc from 'fast-check'
import { expect, test } from 'vitest'
import { snapshotOfYaml } from '../../mesh/snapshot-of-yaml.ts'
import { readObject } from '../../resources/read-object.ts'
import type { Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { SeenCalls } from '../../telemetry/questions/calls.ts'
import { type Grain, type LearnedPolicy, learnPolicies } from './learn.ts'
import { simulate } from './simulate.ts'

const pod = (name: string, labels: string, address: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}-0, namespace: shop, generateName: ${name}-, labels: { security.istio.io/tlsMode: istio, ${labels} }, annotations: { weft.dev/app-address: 127.0.1.2, weft.dev/http-proxy-port: "15001" }, ownerReferences: [{ apiVersion: apps/v1, kind: StatefulSet, name: ${name}, uid: u, controller: true }] }
spec: { serviceAccountName: ${name}, containers: [{ name: app, image: app }] }
status: { podIP: ${address}, phase: Running }
`
const MESH = snapshotOfYaml(
  [
    ...['web', 'db'].map(
      (name) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }, { name: tcp, port: 3306 }] }
`,
    ),
    pod('web', 'app: web', '127.0.0.3'),
    pod('db', 'app: db, version: v1', '127.0.0.4'),
    pod('db-canary', 'app: db, version: v2', '127.0.0.5'),
  ].join('---\n'),
)

function seen(given: Partial<SeenCalls> & { readonly port?: number; readonly workload?: string }): SeenCalls {
  const { port = 8080, workload = 'web', ...call } = given
  const path = call.path === undefined ? '/a' : call.path
  return {
    principal: 'cluster.local/ns/shop/sa/front',
    source: { namespace: 'shop', workload: 'front' },
    destination: { namespace: 'shop', workload, port },
    kind: 'request',
    method: 'GET',
    path,
    example: (path ?? '/any').replaceAll('{*}', '17'),
    host: 'web',
    refused: false,
    firstSeen: 1000,
    lastSeen: 2000,
    count: 1,
    ...call,
  }
}

function written({ policy }: LearnedPolicy): Resource {
  const { resource, messages } = readObject(JSON.parse(JSON.stringify(policy)), undefined, {})
  if (!resource) throw new Error(JSON.stringify(messages))
  return resource
}

function withLearned(calls: readonly SeenCalls[], grain: Grain = 'paths'): Snapshot {
  const learned = learnPolicies(MESH, calls, grain).filter(({ policy }) => policy)
  return MESH.with(learned.map((each) => ({ put: written(each) })))
}

test('one rule for all that the same callers do', () => {
  const [web] = learnPolicies(
    MESH,
    [
      seen({ path: '/a' }),
      seen({ path: '/users/{*}' }),
      seen({ path: '/a', method: 'HEAD' }),
      seen({ path: '/users/{*}', method: 'HEAD' }),
      seen({ principal: 'cluster.local/ns/ops/sa/job', method: 'POST', path: '/b' }),
      seen({ kind: 'connection', method: '', path: null, port: 3306 }),
    ],
    'paths',
  )
  expect(web?.policy).toEqual({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'web-callers', namespace: 'shop' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      action: 'ALLOW',
      rules: [
        {
          from: [{ source: { principals: ['cluster.local/ns/ops/sa/job'] } }],
          to: [{ operation: { ports: ['8080'], methods: ['POST'], paths: ['/b'] } }],
        },
        {
          from: [{ source: { principals: ['cluster.local/ns/shop/sa/front'] } }],
          to: [
            { operation: { ports: ['3306'] } },
            { operation: { ports: ['8080'], methods: ['GET', 'HEAD'], paths: ['/a', '/users/{*}'] } },
          ],
        },
      ],
    },
  })
})

test('what no rule can say is told: plaintext, what was refused, too many paths, nobody there', () => {
  const plaintext = seen({ principal: null })
  const refused = seen({ path: '/secret', refused: true })
  const folded = seen({ path: null, method: 'POST' })
  const [db, gone, web] = learnPolicies(
    MESH,
    [plaintext, refused, folded, seen({ workload: 'gone' }), seen({ workload: 'db', principal: null })],
    'paths',
  )
  expect(db).toMatchObject({ workload: 'db', reason: 'nobody called it with a certificate of the mesh' })
  expect(gone).toMatchObject({ workload: 'gone', reason: 'no pod of it has a proxy now' })
  expect(web).toMatchObject({ plaintext: [plaintext], refused: [refused], folded: [folded] })
  expect(web?.policy?.spec.rules?.[0]?.to).toEqual([{ operation: { ports: ['8080'], methods: ['POST'] } }])
})

test('workloads that share a label are told apart by another', () => {
  const [db] = learnPolicies(MESH, [seen({ workload: 'db' })], 'principals')
  expect(db?.policy?.spec.selector).toEqual({ matchLabels: { app: 'db', version: 'v1' } })
})

const segment = fc.constantFrom('a', 'b', 'users', '{*}', 'x.y', '%41', '..', '', 'a*', 'pkg.Service')
const call = fc
  .record({
    principal: fc.constantFrom('cluster.local/ns/shop/sa/front', 'cluster.local/ns/ops/sa/job', 'other/ns/a/sa/b'),
    workload: fc.constantFrom('web', 'db', 'db-canary'),
    method: fc.constantFrom('GET', 'POST', 'DELETE'),
    path: fc.option(fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`)),
    isConnection: fc.boolean(),
  })
  .map(({ isConnection, ...rest }) =>
    isConnection ? seen({ ...rest, kind: 'connection', method: '', path: null, port: 3306, example: '' }) : seen(rest),
  )

test('what was seen stays allowed, and nobody else is', () => {
  fc.assert(
    fc.property(
      fc.array(call, { minLength: 1, maxLength: 12 }),
      fc.constantFrom<Grain>('principals', 'methods', 'paths'),
      (calls, grain) => {
        const after = withLearned(calls, grain)
        expect(simulate(MESH, after, calls)).toMatchObject({ newlyDenied: [], notObserved: [] })
        const strangers = calls.map((each) => ({ ...each, principal: 'cluster.local/ns/shop/sa/stranger' }))
        expect(simulate(MESH, after, strangers).newlyDenied).toHaveLength(calls.length)
      },
    ),
    { numRuns: 300 },
  )
})
