import { expect, test } from 'vitest'
import { snapshotOfYaml } from '../mesh/snapshot-of-yaml.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type ValidationOptions, validate, type WantedChange } from './validation.ts'

const MESH = snapshotOfYaml(`
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {ports: [{name: http, port: 9080}]}`)

function route(host: string, spec: object = {}) {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'reviews', namespace: 'default', managedFields: [{ manager: 'kubectl' }] },
    spec: { hosts: ['reviews'], http: [{ route: [{ destination: { host } }] }], ...spec },
    status: { anything: 'goes' },
  }
}

function look(change: WantedChange, options: Partial<ValidationOptions> = {}) {
  const never = () => new Promise<void>((resolve) => setTimeout(resolve, 10))
  return validate(change, { snapshot: () => MESH, changed: never, patienceMs: 1, ...options })
}

test('says nothing of a good object, whatever servers have added to it', async () => {
  expect(await look({ object: route('reviews') })).toEqual({ errors: [], warnings: [] })
})

test('takes what only a schema that is older than the installed one objects to, and says so', async () => {
  const { errors, warnings } = await look({ object: route('reviews', { fromTheFuture: true }) })
  expect(errors).toEqual([])
  expect(warnings.join()).toContain('VirtualService default/reviews: spec.fromTheFuture: ')
})

test('refuses an object that is written wrongly, unless it was so before', async () => {
  const object = route('reviews', { hosts: 'reviews' })
  expect((await look({ object })).errors.join()).toMatch(/spec\.hosts: .* \[wrong-type\]/)
  const { errors } = await look({
    object: { ...object, metadata: { ...object.metadata, labels: {} } },
    oldObject: object,
  })
  expect(errors).toEqual([])
})

test('takes what is referred to and comes within its patience', async () => {
  let snapshot: Snapshot = MESH
  const [late] = snapshotOfYaml(`
apiVersion: v1
kind: Service
metadata: {name: late}
spec: {ports: [{name: http, port: 9080}]}`).resources()
  const changed = async () => {
    snapshot = snapshot.with([{ put: late as NonNullable<typeof late> }])
  }
  const { errors } = await look({ object: route('late') }, { snapshot: () => snapshot, changed, patienceMs: 5000 })
  expect(errors).toEqual([])
})

test('tells of checks that it had no time for', async () => {
  const { errors, warnings } = await look({ object: route('nowhere') }, { budgetMs: 0 })
  expect(errors).toEqual([])
  expect(warnings).toEqual(['Weft had no time for all of its checks: see weft analyze'])
})

test('says nothing of kinds that it does not know', async () => {
  const object = { apiVersion: 'gateway.networking.k8s.io/v2', kind: 'Portal', metadata: { name: 'p', namespace: 'x' } }
  expect((await look({ object })).errors).toEqual([])
  const other = { ...object, apiVersion: 'networking.istio.io/v9', kind: 'Portal' }
  expect((await look({ object: other })).errors).toEqual([])
})
