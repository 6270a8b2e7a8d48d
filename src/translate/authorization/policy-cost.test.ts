import { expect, test } from 'vitest'
import { parseYaml } from '../../resources/parse.ts'
import { derivations } from '../../store/derive.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { proxyResources } from '../proxy-resources.ts'
import { snapshotOfYaml } from '../routes/snapshot-of-yaml.ts'

const pod = (namespace: string, i: number) => `
apiVersion: v1
kind: Pod
metadata: { name: pod-${i}, namespace: ${namespace}, labels: { app: "app-${i % 2}", security.istio.io/tlsMode: istio } }
spec: { containers: [{ name: app }] }
status: { podIP: 10.0.${namespace === 'a' ? 0 : 1}.${i} }
---`

const policy = (spec: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: it, namespace: a }
spec: ${spec}
`

const PODS = 40
const keys = ['a', 'b'].flatMap((namespace) => Array.from({ length: PODS }, (_, i) => `${namespace}/pod-${i}`))
const everybody = (snapshot: Snapshot) => keys.map((key) => proxyResources(snapshot, key))
const mesh = snapshotOfYaml(
  ['a', 'b'].flatMap((namespace) => Array.from({ length: PODS }, (_, i) => pod(namespace, i))).join(''),
)

function withPolicy(snapshot: Snapshot, spec: string): Snapshot {
  return snapshot.with(parseYaml(policy(spec), 'test.yaml').resources.map((put) => ({ put })))
}

test('a policy is encoded once for all workloads that it is for, and changes nothing of others', () => {
  const before = everybody(mesh)
  const deny = '{ action: DENY, rules: [{ to: [{ operation: { paths: [/a] } }] }] }'
  const first = withPolicy(mesh, deny)
  everybody(first)
  derivations.clear()
  const after = everybody(withPolicy(first, deny.replace('/a', '/b')))
  // For HTTP, and for connections that are not.
  expect(derivations.get('encode/extension')).toBe(2)
  expect([...derivations.keys()].filter((name) => name.startsWith('encode/'))).toEqual(['encode/extension'])
  expect(derivations.get('mesh/selected-policies')).toBe(PODS)
  const [inA, alsoInA, inB] = [after[0], after[1], after[PODS]]
  expect(inA?.extension?.map((layer, i) => layer === alsoInA?.extension?.[i])).toEqual([true, true, true, true, true])
  expect(inA?.listener?.map((layer, i) => layer === before[0]?.listener?.[i])).not.toContain(false)
  expect(inB).toBe(before[PODS])
})

test('workloads under the same policies share what is made of these, by whatever these were selected', () => {
  const snapshot = withPolicy(mesh, '{ selector: { matchLabels: { app: app-1 } }, rules: [{}] }')
  const [even, odd, nextEven, nextOdd] = everybody(snapshot)
  const same = (a: typeof even, b: typeof even) => a?.extension?.every((layer, i) => layer === b?.extension?.[i])
  expect([same(even, nextEven), same(odd, nextOdd), same(even, odd)]).toEqual([true, true, false])
})

test.each([
  ['Telemetry', 'telemetry.istio.io/v1', '{ metrics: [{ overrides: [{ disabled: true }] }] }'],
  ['Sidecar', 'networking.istio.io/v1', '{ egress: [{ hosts: ["./*"] }] }'],
  [
    'EnvoyFilter',
    'networking.istio.io/v1alpha3',
    '{ configPatches: [{ applyTo: CLUSTER, match: {}, patch: { operation: MERGE, value: { connect_timeout: 7s } } }] }',
  ],
])('a policy changes nothing of others for whom a %s counts, either', (kind, apiVersion, spec) => {
  const text = `{ apiVersion: ${apiVersion}, kind: ${kind}, metadata: { name: it, namespace: istio-system }, spec: ${spec} }`
  const plain = everybody(mesh)
  const snapshot = mesh.with(parseYaml(text, 'test.yaml').resources.map((put) => ({ put })))
  const before = everybody(snapshot)
  const after = everybody(withPolicy(snapshot, '{ action: DENY, rules: [{}] }'))
  expect(before[PODS]).not.toBe(plain[PODS])
  expect(after[PODS]).toBe(before[PODS])
  expect(after[0]).not.toBe(before[0])
})
