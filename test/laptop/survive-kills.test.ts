// Proxies that are killed under load: who else notices.
import { existsSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PodStatus } from '../../src/sources/local-cluster/pod-plan.ts'
import { checkCalls, echoMesh, TO_BACK } from './echo-mesh.ts'
import type { Load } from './load.ts'
import { startMesh, type TestMesh, until } from './mesh.ts'

let mesh: TestMesh
beforeAll(async () => {
  mesh = await startMesh({ texts: echoMesh({ fronts: 2, backs: 2 }) })
})
afterAll(() => mesh?.dispose())

const CLIENTS = 6

interface Kill {
  /** In ms of the load's time. */
  readonly killed: number
  /** When the kernel had closed its connections: until then a peer may still send something to it. */
  readonly gone: number
  /** How many ms after it was killed its pod was ready again. */
  readonly back: number
}

/** Kills the Envoy of a pod; resolves when the pod is ready again. */
async function killEnvoy(name: string, load: Load): Promise<Kill> {
  const pod = await mesh.pod(name)
  const status = async () => (await mesh.api<PodStatus[]>('pods/status')).find(({ key }) => key === pod.plan.key)
  const { restarts = 0 } = (await status()) ?? {}
  const pid = pod.pid('envoy')
  const killed = load.passed()
  process.kill(pid, 'SIGKILL')
  while (existsSync(`/proc/${pid}`)) await after(1)
  const gone = load.passed()
  await until(30_000, async () => {
    const now = await status()
    return now?.ready === true && now.restarts > restarts
  })
  return { killed, gone, back: load.passed() - killed }
}

for (const name of ['back-v1-0', 'front-v1-0']) {
  test(`the Envoy of ${name}, one of several, is back and only what it was doing fails`, async () => {
    const load = await mesh.load(TO_BACK, { ...checkCalls(), clients: CLIENTS, pause: 10 })
    await load.more(50)
    const { gone } = await killEnvoy(name, load)
    const counts: Record<string, number> = {}
    const later = await mesh.load(TO_BACK, checkCalls(counts))
    await later.more(60)
    const { failures } = await load.stop()
    expect((await later.stop()).failures).toEqual([])
    // What goes wrong was on its way when it happened.
    expect(failures.filter(({ from }) => from > gone)).toEqual([])
    expect(failures.length).toBeLessThanOrEqual(CLIENTS)
    if (name.startsWith('back')) expect(counts[name]).toBeGreaterThan(0)
  })
}

test('the only gateway is back, and all is well from then on', async () => {
  const load = await mesh.load(TO_BACK, { ...checkCalls(), clients: CLIENTS, pause: 10 })
  await load.more(50)
  const { killed, back } = await killEnvoy('istio-ingressgateway-0', load)
  await load.more(100)
  const { failures } = await load.stop()
  expect(failures.length).toBeGreaterThan(0)
  expect(failures.filter(({ from, at }) => at < killed || from > killed + back)).toEqual([])
})
