import { expect, test } from 'vitest'
import { KINDS } from '../../resources/kinds.ts'
import { keptFields } from './kept-fields.ts'

function keptPod(ready: string | undefined) {
  const conditions = [
    { type: 'Initialized', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ...(ready === undefined ? [] : [{ type: 'Ready', status: ready, lastTransitionTime: '2026-01-01T00:00:00Z' }]),
  ]
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', uid: 'u', controller: true }
  const metadata = { name: 'web', namespace: 'shop', resourceVersion: '1', ownerReferences: [owner] }
  return keptFields(KINDS['core/Pod'], 'v1', {
    metadata,
    spec: { nodeName: 'n', containers: [] },
    status: { phase: 'Running', podIP: '10.0.0.1', startTime: '2026-01-01T00:00:00Z', conditions },
  })
}

test('of a pod it is kept whose it is, and that it is not ready', () => {
  const { metadata, status } = keptPod('False') as { metadata: unknown; status: unknown }
  expect(metadata).toMatchObject({ ownerReferences: [{ kind: 'ReplicaSet', name: 'web-1', controller: true }] })
  expect(status).toEqual({ phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'False' }] })
})

test('pods that are ready are as those that say nothing of it', () => {
  expect(keptPod('True')).toEqual(keptPod(undefined))
})
