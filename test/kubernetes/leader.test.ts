import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Leader } from '../../src/controllers/leader.ts'
import { ApiServer } from '../../src/sources/kubernetes/api-server.ts'
import { ApiServerLab, noLab } from './api-server-lab.ts'

if (noLab) console.warn(`skipping the tests of the leader's Lease: ${noLab}`)

const LEASES = '/apis/coordination.k8s.io/v1/namespaces/default/leases'
/** Leases count in whole seconds. */
const TIMING = { lease: 1000, renewWithin: 600, retry: 100 }

describe.skipIf(noLab)('the leader', () => {
  let lab: ApiServerLab
  let replicas: Replica[] = []

  beforeAll(async () => {
    lab = await ApiServerLab.start()
  })
  afterAll(() => lab?.close())
  afterEach(async () => {
    for (const { close } of replicas) await close()
    replicas = []
    await lab.request('DELETE', `${LEASES}/weft-leader`)
  })

  interface Replica {
    readonly leader: Leader
    readonly logged: string[]
    /** What it did, in order: true when it began to lead, false when it ended. */
    readonly led: boolean[]
    readonly close: () => Promise<void>
  }

  function start(identity: string, user: 'admin' | 'weft' = 'admin'): Replica {
    const logged: string[] = []
    const led: boolean[] = []
    const ending = new AbortController()
    const leader = new Leader({
      server: new ApiServer({ kubeconfig: lab.kubeconfig(user) }),
      namespace: 'default',
      identity,
      timing: TIMING,
      lead: (signal) => {
        led.push(true)
        signal.addEventListener('abort', () => led.push(false))
      },
      log: (severity, text) => logged.push(`${severity}: ${text}`),
    })
    const run = leader.run(ending.signal)
    const close = () => {
      ending.abort()
      return run
    }
    const replica = { leader, logged, led, close }
    replicas.push(replica)
    return replica
  }

  test('is one of several, and hands over at once when it ends', async () => {
    const [a, b] = [start('a'), start('b')]
    await expect.poll(() => [a, b].filter(({ leader }) => leader.isLeader).length).toBe(1)
    const [first, second] = a.leader.isLeader ? [a, b] : [b, a]
    await new Promise((resolve) => setTimeout(resolve, 2 * TIMING.lease))
    expect(first.led).toEqual([true])
    expect(second.led).toEqual([])
    await first.close()
    const closed = performance.now()
    await expect.poll(() => second.leader.isLeader, { interval: 10 }).toBe(true)
    expect(performance.now() - closed).toBeLessThan(TIMING.lease / 2)
    expect(first.led).toEqual([true, false])
    const { spec } = (await lab.must('GET', `${LEASES}/weft-leader`)) as { spec: { leaseTransitions: number } }
    expect(spec.leaseTransitions).toBe(1)
  })

  test('steps down when the lease is taken from it', async () => {
    const a = start('a')
    await expect.poll(() => a.leader.isLeader).toBe(true)
    await lab.patch(`${LEASES}/weft-leader`, {
      spec: {
        holderIdentity: 'thief',
        leaseDurationSeconds: 1,
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      },
    })
    await expect.poll(() => a.leader.isLeader).toBe(false)
    // The thief does not renew.
    await expect.poll(() => a.leader.isLeader, { timeout: 30_000 }).toBe(true)
    expect(a.led).toEqual([true, false, true])
  })

  test('stops leading before another may start when the API server is away, and leads again after', async () => {
    const a = start('a')
    await expect.poll(() => a.leader.isLeader).toBe(true)
    await lab.killApiServer()
    const killed = performance.now()
    await expect.poll(() => a.leader.isLeader, { interval: 10 }).toBe(false)
    expect(performance.now() - killed).toBeLessThan(TIMING.lease)
    await lab.startApiServer()
    await expect.poll(() => a.leader.isLeader, { timeout: 30_000 }).toBe(true)
    // Away for many attempts: told in few words.
    expect(a.logged.filter((line) => line.startsWith('warning:')).length).toBeLessThan(5)
  })

  test('does not lead without the right to, and says why', async () => {
    const a = start('a', 'weft')
    await expect.poll(() => a.logged.join()).toContain('cannot ask for Lease default/weft-leader: leases')
    await new Promise((resolve) => setTimeout(resolve, 5 * TIMING.retry))
    expect(a.logged.length).toBe(1)
    expect(a.led).toEqual([])
  })
})
