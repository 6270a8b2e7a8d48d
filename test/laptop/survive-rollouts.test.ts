// Deployments that come, go and change who they are, under load from inside of the mesh.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PodStatus } from '../../src/sources/local-cluster/pod-plan.ts'
import { answerers, checkCalls, deployment, echoMesh, TO_BACK } from './echo-mesh.ts'
import { startMesh, type TestMesh, until } from './mesh.ts'
import { underLoad } from './under-load.ts'

let mesh: TestMesh
beforeAll(async () => {
  mesh = await startMesh({ texts: echoMesh() })
})
afterAll(() => mesh?.dispose())

/** Waits until back has these pods, all of them ready, and no other: those that go are gone. */
async function settled(...names: string[]): Promise<void> {
  await until(30_000, async () => {
    const statuses = await mesh.api<PodStatus[]>('pods/status')
    const backs = statuses.filter(({ key }) => key.startsWith('default/back-'))
    return (
      backs.every(({ ready }) => ready) &&
      backs
        .map(({ key }) => key.slice('default/'.length))
        .sort()
        .join() === names.join()
    )
  })
  await mesh.synced()
}

/** Pods of back that answer. */
async function answering(): Promise<string[]> {
  const { body } = await mesh.get(`${TO_BACK}&times=60`)
  return [...new Set(answerers(body).map(({ pod = '' }) => pod))].sort()
}

test('scaled up and down', async () => {
  await underLoad(mesh, TO_BACK, checkCalls(), async () => {
    await mesh.write('back-v1.yaml', deployment({ app: 'back', replicas: 3 }))
    await settled('back-v1-0', 'back-v1-1', 'back-v1-2', 'back-v2-0')
    expect(await answering()).toEqual(['back-v1-0', 'back-v1-1', 'back-v1-2', 'back-v2-0'])
    await mesh.write('back-v1.yaml', deployment({ app: 'back', replicas: 1 }))
    await settled('back-v1-0', 'back-v2-0')
    expect(await answering()).toEqual(['back-v1-0', 'back-v2-0'])
  })
})

test('a Deployment goes, in the middle of what it does, and comes again', async () => {
  const slowly = `${TO_BACK}${encodeURIComponent('?delay=2500')}`
  await underLoad(mesh, slowly, { ...checkCalls(), clients: 20, pause: 0 }, async (load) => {
    await mesh.remove('back-v2.yaml')
    await settled('back-v1-0')
    expect(await answering()).toEqual(['back-v1-0'])
    await mesh.write('back-v2.yaml', deployment({ app: 'back', version: 'v2' }))
    await load.more(20)
    await until(30_000, async () => (await mesh.api<PodStatus[]>('pods/status')).every(({ ready }) => ready))
    await mesh.synced()
    expect(await answering()).toEqual(['back-v1-0', 'back-v2-0'])
  })
})

test('another ServiceAccount: clients trust the old identity and the new one for as long as there are both', async () => {
  const identity = async (name: string) =>
    /"uri": "(spiffe:[^"]*\/sa\/[^"]*)"/.exec(await (await mesh.pod(name)).admin('/certs'))?.[1]
  expect(await identity('back-v2-0')).toBe('spiffe://cluster.local/ns/default/sa/back')
  await underLoad(mesh, TO_BACK, checkCalls(), async () => {
    await mesh.write('back-v2.yaml', deployment({ app: 'back', version: 'v2', serviceAccount: 'other' }))
    await settled('back-v1-0', 'back-v2-1')
    expect(await identity('back-v2-1')).toBe('spiffe://cluster.local/ns/default/sa/other')
    expect(await answering()).toEqual(['back-v1-0', 'back-v2-1'])
    await mesh.write('back-v2.yaml', deployment({ app: 'back', version: 'v2' }))
    await settled('back-v1-0', 'back-v2-0')
    expect(await answering()).toEqual(['back-v1-0', 'back-v2-0'])
  })
})
