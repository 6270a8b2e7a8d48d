import { setTimeout as after } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Engine } from '../../adoption/onboarding/engine.ts'
import { ModelWorld } from '../../adoption/onboarding/model/model-world.ts'
import type { Onboarding } from '../../resources/adoption.ts'
import type { CallsAnswer, SeenCalls } from '../../telemetry/questions/calls.ts'
import type { PlaintextEvidence } from '../../telemetry/questions/plaintext.ts'
import type { AskedMesh } from './asked-mesh.ts'
import { carryOnboardings } from './carrier.ts'
import { meshEvidence } from './mesh-evidence.ts'
import { RecentAnswers } from './recent-answers.ts'
import { wantedOf } from './wanted.ts'

const LEDGER = { namespace: 'pay', workload: 'ledger', port: 9000 }

function call(workload: string, more: Partial<SeenCalls> = {}): SeenCalls {
  return {
    principal: `cluster.local/ns/pay/sa/${workload}`,
    source: { namespace: 'pay', workload },
    destination: LEDGER,
    ...{ kind: 'request', method: 'GET', path: '/', example: '/', host: 'ledger', refused: false, count: 100 },
    ...{ firstSeen: 1000, lastSeen: 5000 },
    ...more,
  }
}

function plaintext(workload: string, more: Partial<PlaintextEvidence> = {}): PlaintextEvidence {
  const source = { namespace: 'pay', workload, address: '10.0.0.9', inMesh: false }
  return { source, destination: LEDGER, firstSeen: 2000, lastSeen: 9000, connections: 3, ...more }
}

/** A mesh that answers by the beginning of what it is asked. */
function answering(answers: Readonly<Record<string, unknown>>): AskedMesh {
  return {
    label: 'a mesh',
    async get<T>(path: string) {
      const [, answer] = Object.entries(answers).find(([start]) => path.startsWith(start)) ?? []
      if (answer === undefined) throw new Error(`nobody expected ${path}`)
      return answer as T
    },
    post: () => Promise.reject(new Error('nothing is posted here')),
    proxies: async () => [],
  }
}

const ONE_IN_A_HUNDRED: CallsAnswer = {
  ...{ from: 0, to: 10_000, since: 0, oneOf: 100, folded: 0 },
  calls: [call('invoices'), call('settlement', { principal: null })],
}
const ASKED = { workloads: [{ namespace: 'pay', name: 'ledger' }], from: 0, to: 10_000 }

/** It came once to the canary, beside the others: that is one client. */
const CANARY = plaintext('settlement', {
  ...{ connections: 1, lastSeen: 9500, destination: { ...LEDGER, workload: 'ledger-weft-canary' } },
})

test('clients without a certificate are known by their connections, of which each is logged, where one call in a hundred is', async () => {
  const mesh = answering({
    'telemetry/calls': ONE_IN_A_HUNDRED,
    'telemetry/plaintext': [plaintext('settlement'), plaintext('hourly', { connections: 1, firstSeen: 9000 }), CANARY],
  })
  const clients = await meshEvidence(new RecentAnswers(mesh)).clients(ASKED)
  const seen = clients.map(({ source, mutualTls, count, firstSeen, lastSeen }) => [
    ...[source.name, mutualTls, count, firstSeen, lastSeen],
  ])
  expect(seen).toEqual([
    ['invoices', true, 100, 1000, 5000],
    // Seen in both ways: how often is told by what was seen, not by what that is reckoned up to.
    ['settlement', false, 4, 1000, 9500],
    ['hourly', false, 1, 9000, 9000],
  ])
})

test('makes no policy before each caller that was counted was logged, where one call in many is', async () => {
  const policy = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { name: 'ledger' } }
  const nodes = ['invoices', 'hourly', 'ledger'].map((name) => ({
    ...{ id: `workload pay/${name}`, kind: 'workload', namespace: 'pay', name },
  }))
  const edge = (source: string) => ({ source, destination: 'workload pay/ledger', health: 'good', flags: [] })
  const edges = ['workload pay/invoices', 'workload pay/hourly'].map(edge)
  const asked: string[] = []
  const mesh = answering({
    'telemetry/calls': ONE_IN_A_HUNDRED,
    'telemetry/graph': { nodes, edges },
    'authorization/learned': { workloads: [{ namespace: 'pay', workload: 'ledger', policy }] },
  })
  const get: AskedMesh['get'] = (path) => {
    asked.push(path)
    return mesh.get(path)
  }
  const learned = await meshEvidence(new RecentAnswers({ ...mesh, get })).learn(ASKED)
  expect(learned.without).toEqual(['workload pay/hourly called it, and no call of it was logged, as one in 100 is'])
  // What is rare is not known, so that policies say nothing of methods and paths.
  expect(asked.find((path) => path.startsWith('authorization'))).toContain('grain=principals')
})

const RESOURCE = {
  apiVersion: 'adoption.weft.dev/v1alpha1',
  kind: 'Onboarding',
  metadata: { name: 'stock', namespace: 'shop' },
  spec: { windows: { watch: '1m30s' }, limits: { requests: 1 }, leaveOut: { limits: 'none yet' } },
} as unknown as Onboarding

test('an Onboarding asks for what it says, and what is usual', () => {
  const { spec, wish } = wantedOf(RESOURCE)
  expect(wish).toBe('go')
  expect(spec).toMatchObject({
    application: 'shop/stock',
    windows: { watch: 90_000, baseline: 3_600_000 },
    limits: { requests: 1, slower: 1.5 },
    leaveOut: { limits: 'none yet' },
  })
  const undone = wantedOf({ ...RESOURCE, spec: { wanted: 'Undone', undoTo: 'proxies' } })
  expect(undone.wish).toEqual({ undo: 'proxies', by: 'somebody' })
  expect(undone.asked).not.toBe(wantedOf(RESOURCE).asked)
})

test('a server carries on what an Onboarding asks for, once, and leaves alone what nobody asks for any more', async () => {
  const model = new ModelWorld({ applications: [{ name: 'stock', replicas: 1 }], edges: [] }, () => 0.5)
  const rounds = Promise.withResolvers<void>()
  const over = new AbortController()
  let round = 0
  let resources = [RESOURCE]
  const { clock } = model
  const world = Object.assign(model, {
    clock: {
      now: () => clock.now(),
      elapsed: () => clock.elapsed(),
      async wait() {
        await after(0)
        model.pass()
        round++
        if (round === 3) resources = [{ ...RESOURCE, spec: { ...RESOURCE.spec, wanted: 'Paused' } }]
        if (round === 6) resources = []
        if (round === 9) {
          over.abort()
          rounds.resolve()
        }
      },
    },
  })
  const engine = new Engine(world)
  const told: string[] = []
  await carryOnboardings(
    {
      ...{ world, engine, wanted: () => resources.map(wantedOf), take: async () => {} },
      log: (_, text) => void told.push(text),
    },
    over.signal,
  )
  await rounds.promise
  const there = await world.journal.load('shop/stock')
  expect(there?.wish).toBe('pause')
  expect(there?.history.filter(({ says }) => says.startsWith('paused'))).toHaveLength(1)
  expect(told.join('\n')).toContain('onboarding shop/stock: permissive: its gate is open')
})
