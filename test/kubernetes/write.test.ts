import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiError, ApiServer } from '../../src/sources/kubernetes/api-server.ts'
import { mayWe, reviewToken } from '../../src/sources/kubernetes/reviews.ts'
import {
  applyObject,
  createObject,
  deleteObject,
  listLive,
  patchObject,
  readLive,
  replaceObject,
} from '../../src/sources/kubernetes/write.ts'
import { ApiServerLab, noLab } from './api-server-lab.ts'

if (noLab) console.warn(`skipping the tests of writes to Kubernetes: ${noLab}`)

describe.skipIf(noLab)('writes to Kubernetes', () => {
  let lab: ApiServerLab
  let server: ApiServer
  let asWeft: ApiServer

  beforeAll(async () => {
    lab = await ApiServerLab.start()
    server = new ApiServer({ kubeconfig: lab.kubeconfig('admin') })
    asWeft = new ApiServer({ kubeconfig: lab.kubeconfig('weft') })
  })
  afterAll(() => lab?.close())

  const ref = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } })

  test('applies fields of its own, takes them away again, and leaves those of others', async () => {
    await createObject(server, { ...ref('shared'), data: { theirs: '1', both: '2' } })
    await applyObject(server, { ...ref('shared'), data: { ours: '3', both: '4' } })
    const path = '/api/v1/namespaces/default/configmaps/shared'
    await lab.patch(path, { data: { late: '5' } })
    expect((await readLive(server, ref('shared')))?.['data']).toEqual({ theirs: '1', both: '4', ours: '3', late: '5' })
    const after = await applyObject(server, { ...ref('shared'), data: { both: '4' } })
    expect(after['data']).toEqual({ theirs: '1', both: '4', late: '5' })
    const again = await applyObject(server, { ...ref('shared'), data: { both: '4' } })
    expect(again.metadata.resourceVersion).toBe(after.metadata.resourceVersion)
  })

  test('finds the path of kinds that Weft does not read, in a namespace or in none', async () => {
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'some' },
      rules: [],
    }
    expect((await applyObject(server, role)).metadata.uid).toBeTruthy()
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'some', namespace: 'default' },
    }
    expect((await createObject(server, lease)).metadata.uid).toBeTruthy()
    await expect(applyObject(server, { ...lease, kind: 'Leese' })).rejects.toThrow(
      'the API server has no kind Leese in coordination.k8s.io/v1',
    )
    await expect(readLive(server, { ...lease, metadata: { name: 'some' } })).rejects.toThrow(
      'Lease some has no metadata.namespace',
    )
  })

  test('tells a name that is taken, a version that has passed, and an object that is gone', async () => {
    const first = await createObject(server, ref('once'))
    await expect(createObject(server, ref('once'))).rejects.toMatchObject({ status: 409, reason: 'AlreadyExists' })
    const second = await patchObject(server, ref('once'), { data: { a: 'b' } })
    await expect(replaceObject(server, first)).rejects.toMatchObject({ status: 409, reason: 'Conflict' })
    await replaceObject(server, { ...second, data: { a: 'c' } })
    await expect(deleteObject(server, ref('once'), { uid: 'of-another' })).rejects.toBeInstanceOf(ApiError)
    expect(await deleteObject(server, ref('once'), { dryRun: true })).toBe(true)
    expect(await deleteObject(server, ref('once'), { uid: first.metadata.uid })).toBe(true)
    expect(await deleteObject(server, ref('once'))).toBe(false)
    expect(await readLive(server, ref('once'))).toBeUndefined()
  })

  test('lists what has a label', async () => {
    const labelled = (name: string) => ({
      ...ref(name),
      metadata: { name, namespace: 'default', labels: { of: 'us' } },
    })
    for (const name of ['one', 'two']) await applyObject(server, labelled(name))
    const found = await listLive(server, { apiVersion: 'v1', kind: 'ConfigMap' }, { labelSelector: 'of=us' })
    expect(found.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(['ConfigMap one', 'ConfigMap two'])
  })

  test('tells whose token it is, unless it is for another audience or no token at all', async () => {
    await lab.must('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'cart' } })
    const request = async (audience: string) => {
      const body = { spec: { audiences: [audience], expirationSeconds: 600 } }
      const path = '/api/v1/namespaces/default/serviceaccounts/cart/token'
      return ((await lab.must('POST', path, body)) as { status: { token: string } }).status.token
    }
    const verdict = await reviewToken(server, await request('weft'), 'weft')
    expect(verdict).toMatchObject({ authenticated: true, owner: { username: 'system:serviceaccount:default:cart' } })
    expect(await reviewToken(server, await request('vault'), 'weft')).toMatchObject({ authenticated: false })
    expect(await reviewToken(server, 'nonsense', 'weft')).toMatchObject({ authenticated: false })
  })

  test('tells what we may do', async () => {
    const deed = { verb: 'patch', group: 'apps', resource: 'deployments', namespace: 'default' }
    expect(await mayWe(server, deed)).toBe(true)
    expect(await mayWe(asWeft, deed)).toBe(false)
  })
})
