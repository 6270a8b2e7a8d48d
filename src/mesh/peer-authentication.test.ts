import { expect, test } from 'vitest'
import { mtlsModeAt, mtlsPolicies } from './peer-authentication.ts'
import { snapshotOfYaml } from './snapshot-of-yaml.ts'

const POD = `
apiVersion: v1
kind: Pod
metadata: { name: a, namespace: shop, labels: { app: a, security.istio.io/tlsMode: istio } }
spec: { containers: [{ name: app, image: app }] }
status: { podIP: 10.0.0.1 }
`

function policy(name: string, spec: string, created = '2024-01-01T00:00:00Z'): string {
  const [namespace, own] = name.split('/')
  return `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${own}, namespace: ${namespace}, creationTimestamp: "${created}" }
spec: ${spec}
`
}

const MESH = policy('istio-system/mesh', '{ mtls: { mode: STRICT } }')
const NAMESPACE = policy('shop/namespace', '{ mtls: { mode: DISABLE } }')
const SELECTOR = 'selector: { matchLabels: { app: a } }'

const policyOf = (...policies: string[]) => mtlsPolicies(snapshotOfYaml(POD, ...policies)).get('shop/a')

test.each<[string, string[], string]>([
  ['nothing', [], 'PERMISSIVE'],
  ['the mesh', [MESH], 'STRICT'],
  ['the namespace', [MESH, NAMESPACE], 'DISABLE'],
  ['the workload', [MESH, NAMESPACE, policy('shop/w', `{ ${SELECTOR}, mtls: { mode: STRICT } }`)], 'STRICT'],
  ['UNSET, which is as above it', [MESH, policy('shop/ns', '{ mtls: { mode: UNSET } }')], 'STRICT'],
  ['no mode, which is as above it', [MESH, policy('shop/w', `{ ${SELECTOR} }`)], 'STRICT'],
  ['another namespace', [policy('other/ns', '{ mtls: { mode: STRICT } }')], 'PERMISSIVE'],
  [
    'other workloads',
    [policy('shop/w', '{ selector: { matchLabels: { app: b } }, mtls: { mode: STRICT } }')],
    'PERMISSIVE',
  ],
  [
    'the older of two',
    [NAMESPACE, policy('shop/a-younger', '{ mtls: { mode: STRICT } }', '2025-01-01T00:00:00Z')],
    'DISABLE',
  ],
  ['the first by name of two as old', [NAMESPACE, policy('shop/a', '{ mtls: { mode: STRICT } }')], 'STRICT'],
])('%s decides', (_, policies, mode) => {
  expect(policyOf(...policies)?.mode).toBe(mode)
})

test('a port of a workload may differ; UNSET there is as for the workload', () => {
  const ports = 'portLevelMtls: { 8080: { mode: DISABLE }, 9090: { mode: UNSET } }'
  const found = policyOf(MESH, policy('shop/w', `{ ${SELECTOR}, mtls: { mode: PERMISSIVE }, ${ports} }`))
  expect([8080, 9090, 1].map((port) => mtlsModeAt(found, port))).toEqual(['DISABLE', 'PERMISSIVE', 'PERMISSIVE'])
})

test('ports without a selector say nothing, as in Istio', () => {
  const found = policyOf(policy('shop/ns', '{ mtls: { mode: STRICT }, portLevelMtls: { 8080: { mode: DISABLE } } }'))
  expect(mtlsModeAt(found, 8080)).toBe('STRICT')
})

test('a policy says what it comes from, the most specific first', () => {
  const found = policyOf(MESH, NAMESPACE, policy('shop/w', `{ ${SELECTOR} }`))
  expect(found?.sources.map(({ metadata }) => metadata.name)).toEqual(['w', 'namespace', 'mesh'])
})
