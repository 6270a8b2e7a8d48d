import { expect, test } from 'vitest'
import type { AppWorkload, EstateObject } from '../../estate/estate.ts'
import { newOnboarding, type OnboardingSpec, USUAL_LIMITS, USUAL_WINDOWS } from '../onboarding.ts'
import type { View } from '../step.ts'
import { PROXIES, PROXY_CANARY } from './proxies.ts'

const TEMPLATE = { metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'db', image: 'db' }] } }
const PROXIED = { ...TEMPLATE, metadata: { labels: { app: 'db', 'sidecar.istio.io/inject': 'true' } } }
const SPEC: OnboardingSpec = {
  ...{ application: 'shop/db', leaveOut: {}, declared: [] },
  ...{ windows: USUAL_WINDOWS, limits: USUAL_LIMITS },
}

function workload(kind: 'StatefulSet' | 'DaemonSet', more: object = {}): AppWorkload {
  const metadata = { name: 'db', namespace: 'shop' }
  const object: EstateObject = { apiVersion: 'apps/v1', kind, metadata, spec: { template: TEMPLATE, ...more } }
  return { kind, ...metadata, template: TEMPLATE, ...more, object }
}

/** @param written what the step of the canary has written */
function viewOf(each: AppWorkload, { count = 3, proxied = 0, written }: Partial<Looks> = {}): View {
  const onboarding = newOnboarding(SPEC, 0)
  const { apiVersion, kind, metadata } = each.object
  const objects = written ? [{ name: { apiVersion, kind, metadata }, before: each.object, after: written }] : []
  const now = written ? { ...each, object: written } : each
  return {
    workloads: [now],
    instances: Array.from({ length: count }, (_, i) => ({
      ...{ name: `shop/db-${i}`, workload: { namespace: 'shop', name: 'db' }, ready: true, restarts: 0 },
      hasProxy: i >= count - proxied,
    })),
    onboarding: {
      ...onboarding,
      steps: { ...onboarding.steps, 'proxy-canary': { ...onboarding.steps['proxy-canary'], objects } },
    },
    rules: [],
    estate: { label: '', live: true, objects: [], unread: [], groups: [], messages: [] },
  } as unknown as View
}

interface Looks {
  readonly count: number
  readonly proxied: number
  readonly written: EstateObject
}

async function written(step: typeof PROXIES, view: View): Promise<EstateObject> {
  const proposal = await step.propose(view)
  if ('nothing' in proposal || proposal.put.length !== 1) throw new Error(JSON.stringify(proposal))
  return proposal.put[0] as EstateObject
}

test('the last instance of a StatefulSet is the first with a proxy, by its partition, and the others follow when that goes', async () => {
  const db = workload('StatefulSet', { replicas: 3, updateStrategy: { rollingUpdate: { maxUnavailable: 1 } } })
  const first = await written(PROXY_CANARY, viewOf(db))
  expect(first['spec']).toMatchObject({
    template: PROXIED,
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, partition: 2 } },
  })
  const all = await written(PROXIES, viewOf(db, { proxied: 1, written: first }))
  expect(all).toEqual({ ...db.object, spec: { ...(db.object['spec'] as object), template: PROXIED } })
})

test('of a DaemonSet the first is one that somebody deletes, and its own strategy has the others made anew', async () => {
  const db = workload('DaemonSet', { updateStrategy: { type: 'RollingUpdate' } })
  const first = await written(PROXY_CANARY, viewOf(db))
  expect(first.metadata.annotations).toEqual({ 'adoption.weft.dev/first-instance': 'true' })
  expect(first['spec']).toEqual({ template: PROXIED, updateStrategy: { type: 'OnDelete' } })
  const all = await written(PROXIES, viewOf(db, { proxied: 1, written: first }))
  expect(all).toEqual({ ...db.object, spec: { template: PROXIED, updateStrategy: { type: 'RollingUpdate' } } })
})

test('all go back together where one was made anew in place', async () => {
  const db = workload('StatefulSet', { replicas: 3 })
  expect(PROXIES.undoneWith?.(viewOf(db))).toBe('proxies')
  const first = await written(PROXY_CANARY, viewOf(db))
  expect(PROXIES.undoneWith?.(viewOf(db, { written: first }))).toBe('proxy-canary')
})

test('the strategy is as it was also where all have proxies by now, as some are gone', async () => {
  const db = workload('StatefulSet', { replicas: 3 })
  const first = await written(PROXY_CANARY, viewOf(db))
  const all = await written(PROXIES, viewOf(db, { count: 1, proxied: 1, written: first }))
  expect(all['spec']).not.toHaveProperty('updateStrategy')
})

test('one that is alone, and one that is held by a partition of others, are told with what to do', async () => {
  const told = async (each: AppWorkload, count: number) =>
    (await PROXY_CANARY.gate(viewOf(each, { count }))).filter(({ holds }) => !holds)
  expect(await told(workload('StatefulSet', { replicas: 3 }), 3)).toEqual([])
  expect(await told(workload('StatefulSet', { replicas: 1 }), 1)).toMatchObject([
    {
      says: 'StatefulSet db has one instance, which ends before the next one starts',
      remedy: expect.stringContaining('kubectl -n shop patch statefulset db -p \'{"spec"'),
    },
  ])
  const partition = { updateStrategy: { rollingUpdate: { partition: 2 } } }
  expect(await told(workload('StatefulSet', { replicas: 3, ...partition }), 3)).toMatchObject([
    { says: 'StatefulSet db leaves its first 2 instances as they are (partition 2)' },
  ])
})
