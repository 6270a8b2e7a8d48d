// STRICT and PERMISSIVE, turned on and off at every level under load, and who then gets in.
import { Agent } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkCalls, echoMesh, TO_BACK } from './echo-mesh.ts'
import { startMesh, type TestMesh, until } from './mesh.ts'
import { credentialsOf, meshTls, plaintext, plaintextLine } from './outsider.ts'
import { underLoad } from './under-load.ts'

let mesh: TestMesh
let front: string
let back: string
/** A call over HTTP and one over TCP. */
let path: string
beforeAll(async () => {
  mesh = await startMesh({ texts: echoMesh() })
  const frontPod = (await mesh.pod('front-v1-0')).plan
  front = frontPod.address
  back = (await mesh.pod('back-v1-0')).plan.address
  path = `${TO_BACK}&url=${frontPod.serviceEnv['BACK_PORT_9000_TCP']}`
})
afterAll(() => mesh?.dispose())

const POLICY = 'policy.yaml'

function policy(namespace: string, spec: string): string {
  return `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: ${namespace} }
spec: ${spec}
`
}

/** What plaintext gets: over HTTP at front and at back, and over TCP at back. */
async function outcomes() {
  return [await plaintext(front, 8080), await plaintext(back, 8080), await plaintextLine(back, 9000)]
}

/** How many connections between proxies have ended: of the gateway's to front, and of front's to back. */
async function ended(): Promise<number[]> {
  const stats = await Promise.all(
    ['istio-ingressgateway-0', 'front-v1-0'].map(async (name) =>
      (await mesh.pod(name)).stats(/^cluster\.outbound\|8080\|.*\.upstream_cx_destroy$/),
    ),
  )
  return stats.map((counts) => [...counts.values()].reduce((sum, count) => sum + count, 0))
}

const SERVED = [200, 200, 'echoed']

const levels: [string, string, (string | number)[]][] = [
  ['the mesh', policy('istio-system', '{ mtls: { mode: STRICT } }'), ['refused', 'refused', 'refused']],
  ['a namespace', policy('default', '{ mtls: { mode: STRICT } }'), ['refused', 'refused', 'refused']],
  ['another namespace', policy('elsewhere', '{ mtls: { mode: STRICT } }'), SERVED],
  [
    'a workload',
    policy('default', '{ selector: { matchLabels: { app: back } }, mtls: { mode: STRICT } }'),
    [200, 'refused', 'refused'],
  ],
  [
    'a port',
    policy('default', '{ selector: { matchLabels: { app: back } }, portLevelMtls: { 8080: { mode: STRICT } } }'),
    [200, 'refused', 'echoed'],
  ],
  [
    'all but a port',
    policy(
      'default',
      '{ selector: { matchLabels: { app: back } }, mtls: { mode: STRICT }, portLevelMtls: { 9000: { mode: PERMISSIVE } } }',
    ),
    [200, 'refused', 'echoed'],
  ],
]

for (const [level, text, expected] of levels) {
  test(`STRICT for ${level}, on and off: plaintext is refused there, and the mesh does not notice`, async () => {
    await underLoad(mesh, path, checkCalls(), async (load) => {
      expect(await outcomes()).toEqual(SERVED)
      const before = await ended()
      await mesh.write(POLICY, text)
      expect(await outcomes()).toEqual(expected)
      await load.more(20)
      await mesh.remove(POLICY)
      expect(await outcomes()).toEqual(SERVED)
      await load.more(20)
      // Not even their connections ended.
      expect(await ended()).toEqual(before)
    })
  })
}

test('an answer that takes its time is not cut by STRICT, though it goes out in plaintext', async () => {
  const slow = plaintext(back, 8080, '/?delay=4000')
  await mesh.write(POLICY, policy('default', '{ mtls: { mode: STRICT } }'))
  expect(await plaintext(back, 8080)).toBe('refused')
  expect(await slow).toBe(200)
  await mesh.remove(POLICY)
})

test('STRICT also ends the plaintext connections that are there already', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  expect(await plaintext(back, 8080, '/', agent)).toBe(200)
  await mesh.write(POLICY, policy('default', '{ mtls: { mode: STRICT } }'))
  await until(30_000, async () => (await plaintext(back, 8080, '/', agent)) === 'refused')
  agent.destroy()
  await mesh.remove(POLICY)
})

test.for(['PERMISSIVE', 'STRICT'])(
  'under %s a certificate of the mesh gets in; another authority’s, and none, do not',
  async (mode) => {
    const id = 'spiffe://cluster.local/ns/default/sa/front'
    const own = await credentialsOf(mesh, id, 'own')
    const other = await credentialsOf(mesh, id, 'other')
    await mesh.write(POLICY, policy('istio-system', `{ mtls: { mode: ${mode} } }`))
    expect(await meshTls(back, 8080, own)).toBe(200)
    expect(await meshTls(back, 8080, other)).toBe('refused')
    expect(await meshTls(back, 8080, { ca: own.ca })).toBe('refused')
    await mesh.remove(POLICY)
  },
)
