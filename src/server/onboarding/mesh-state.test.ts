import { expect, test } from 'vitest'
import type { EstateObject } from '../../adoption/estate/estate.ts'
import type { Pod } from '../../resources/core.ts'
import { type Ground, meshState } from './mesh-state.ts'

function pod(name: string, hasProxy: boolean): Pod {
  return {
    metadata: {
      ...{ name, namespace: 'shop', labels: hasProxy ? { 'security.istio.io/tlsMode': 'istio' } : {} },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: '1', controller: true }],
    },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  } as unknown as Pod
}

/** @param proxied of which pods have a proxy */
function ground(proxied: readonly boolean[], more: Partial<Ground> = {}): Ground {
  const pods = proxied.map((hasProxy, i) => pod(`db-${i}`, hasProxy))
  const types = [{ state: 'synced', rejected: [] }]
  return {
    pods: async () => ({ pods, restarts: new Map() }),
    ...{ unread: async () => undefined, rollout: async () => undefined, stuck: async () => undefined },
    has: async () => false,
    proxies: async () => pods.map(({ metadata }) => ({ proxy: `shop/${metadata.name}`, types })) as never,
    ...more,
  }
}

function db(updateStrategy: object, annotations: Readonly<Record<string, string>> = {}): EstateObject {
  const template = { metadata: { labels: { 'sidecar.istio.io/inject': 'true' } } }
  const metadata = { name: 'db', namespace: 'shop', annotations }
  return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec: { replicas: 3, updateStrategy, template } }
}

const inForce = (on: Ground, object: EstateObject) => meshState(on).inForce({ put: [object], remove: [] })

test('a StatefulSet has its first instance when those from its partition on have proxies', async () => {
  const first = db({ rollingUpdate: { partition: 2 } })
  expect(await inForce(ground([false, false, false]), first)).toEqual({
    state: 'waiting',
    why: 'shop/db-2 is to be replaced',
  })
  expect(await inForce(ground([false, false, true]), first)).toEqual({ state: 'in force' })
  expect(await inForce(ground([false, false, true]), db({}))).toMatchObject({ state: 'waiting' })
})

test('what is made anew as somebody deletes it is told with the command, until there are as many as wanted', async () => {
  const onDelete = { type: 'OnDelete' }
  const first = db(onDelete, { 'adoption.weft.dev/first-instance': 'true' })
  expect(await inForce(ground([false, false, false]), first)).toEqual({
    state: 'by hand',
    why: 'StatefulSet db makes an instance anew when its pod is deleted',
    command: 'kubectl -n shop delete pod db-0',
  })
  expect(await inForce(ground([true, false, false]), first)).toEqual({ state: 'in force' })
  expect(await inForce(ground([true, false, false]), db(onDelete))).toMatchObject({
    state: 'by hand',
    command: 'kubectl -n shop delete pod db-1',
  })
})

test('where no pod can be made it says why, at once', async () => {
  const on = ground([false, false, false], { stuck: async () => 'no pod can be made: quota' })
  expect(await inForce(on, db({}))).toEqual({ state: 'refused', why: 'no pod can be made: quota' })
})
