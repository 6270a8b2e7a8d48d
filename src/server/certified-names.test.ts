import { expect, test } from 'vitest'
import { KIND, type Resource } from '../resources/resource.ts'
import { Snapshot } from '../store/snapshot.ts'
import { certifiedGrant } from './certified-names.ts'

const OWN = { authorities: { root: undefined as never, intermediate: {} as never } }

function pod(name: string, labels: Readonly<Record<string, string>>, more: object = {}): Resource {
  const owner = { kind: 'ReplicaSet', name: `${labels['app']}-${labels['version']}-5d4`, controller: true }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    [KIND]: 'core/Pod',
    metadata: { name, namespace: 'shop', labels: { ...labels, 'pod-template-hash': '5d4' }, ownerReferences: [owner] },
    spec: { serviceAccountName: 'reviews', containers: [] },
    ...more,
  }
}
const granted = (...pods: Resource[]) =>
  certifiedGrant(OWN, Snapshot.of(pods), { namespace: 'shop', serviceAccount: 'reviews' }).dnsNames

const v1 = { app: 'reviews', version: 'v1' }

test('a certificate says what its workload is called', () => {
  expect(granted(pod('a', v1), pod('b', v1))).toEqual(['reviews-v1.w0.reviews.a0.v1.v0.reviews.c0.v1.r0.weft'])
})

test('of workloads that share an account it says what is the same for all', () => {
  const both = [pod('a', v1), pod('b', { app: 'reviews', version: 'v2' })]
  expect(granted(...both)).toEqual(['unknown.w0.reviews.a0.unknown.v0.reviews.c0.unknown.r0.weft'])
})

test('pods that have ended are not among them', () => {
  const ended = pod('b', { app: 'job', version: 'v9' }, { status: { phase: 'Succeeded' } })
  expect(granted(pod('a', v1), ended)).toEqual(granted(pod('a', v1)))
})

test('names that make no DNS name are left out', () => {
  expect(granted(pod('a', { app: 'my_reviews', version: 'v1' }))).toBeUndefined()
  expect(granted(pod('a', { app: 'a'.repeat(63), version: 'b'.repeat(63) }))).toBeUndefined()
})

test('authorities elsewhere are asked for no such names', () => {
  const elsewhere = { authorities: { ...OWN.authorities, intermediate: undefined } }
  const identity = { namespace: 'shop', serviceAccount: 'reviews' }
  expect(certifiedGrant(elsewhere, Snapshot.of([pod('a', v1)]), identity)).toEqual({})
})
