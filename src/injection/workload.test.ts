import { expect, it } from 'vitest'
import { workloadName } from '../mesh/pod-owner.ts'
import { workloadOf } from './workload.ts'

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web' }] } }
const object = (apiVersion: string, kind: string, spec: object) => ({
  apiVersion,
  kind,
  metadata: { name: 'web', namespace: 'shop' },
  ...spec,
})

it.each([
  ['apps/v1', 'Deployment'],
  ['apps/v1', 'StatefulSet'],
  ['apps/v1', 'DaemonSet'],
  ['apps/v1', 'ReplicaSet'],
  ['v1', 'ReplicationController'],
  ['batch/v1', 'Job'],
])('finds the pods of %s %s', (apiVersion, kind) => {
  const found = workloadOf(object(apiVersion, kind, { spec: { template } }))
  expect(found).toEqual({ kind, name: 'web', namespace: 'shop', path: ['spec', 'template'], template })
})

it.each([
  ['a kind of the same name of somebody else', object('example.com/v1', 'Deployment', { spec: { template } })],
  ['no template', object('apps/v1', 'Deployment', { spec: {} })],
  ['containers that are no list', object('v1', 'Pod', { spec: { containers: { name: 'web' } } })],
  ['a container without a name', object('v1', 'Pod', { spec: { containers: [{ image: 'web' }] } })],
  ['text', 'Deployment'],
  ['nothing', null],
])('finds no pods in %s', (_, given) => expect(workloadOf(given)).toBeUndefined())

const owned = (kind: string, name: string, labels = {}) =>
  workloadName({
    metadata: {
      generateName: `${name}-`,
      labels,
      ownerReferences: [{ kind, name, controller: true }],
    },
  })

it('calls a pod after what people know', () => {
  expect(owned('ReplicaSet', 'web-6d4cf56db6', { 'pod-template-hash': '6d4cf56db6' })).toBe('web')
  expect(owned('ReplicaSet', 'web-6d4cf56db6')).toBe('web-6d4cf56db6')
  expect(owned('StatefulSet', 'db')).toBe('db')
  expect(owned('Job', 'nightly-29345678')).toBe('nightly')
  expect(owned('Job', 'report')).toBe('report')
  expect(workloadName({ metadata: { name: 'sleep' } })).toBe('sleep')
  expect(workloadName({ metadata: { generateName: 'sleep-' } })).toBe('sleep')
  expect(workloadName({})).toBe('')
})
