import type { EstateObject } from '../../estate/estate.ts'
import { allUseMutualTls, knownRefused, newlyRefused } from '../clients.ts'
import { complete, evidenceSince } from '../coverage.ts'
import type { Finding } from '../onboarding.ts'
import { DRY_RUN, ownMetadata } from '../rules.ts'
import type { Step, View } from '../step.ts'
import type { LearnedPolicies } from '../world.ts'

/** Policies that allow who was seen to call, and decide nothing yet. */
export const AUTHORIZATION_DRY_RUN: Step = {
  name: 'authorization-dry-run',
  title: 'who may call, tried dry',

  async gate(view) {
    const { without } = await learned(view)
    return [
      ...complete(view, view.onboarding.spec.windows.authorization, proxiesSince(view)),
      ...without.map(
        (why): Finding => ({
          holds: false,
          says: why,
          remedy: 'leave the steps of authorization out, or wait for calls',
        }),
      ),
    ]
  },

  async propose(view) {
    const { policies } = await learned(view)
    return { put: policies.map((policy) => owned(view, policy, { [DRY_RUN]: 'true' })), remove: [], findings: [] }
  },
}

/** The same policies, in force: what was recorded is replayed against them before. */
export const AUTHORIZATION: Step = {
  name: 'authorization',
  title: 'who may call',

  async gate(view) {
    const { policies } = await learned(view)
    const put = policies.map((policy) => owned(view, policy))
    const from = view.now - view.onboarding.spec.windows.authorization
    const { calls, newlyDenied, notObserved } = await view.evidence.simulate(
      { put, remove: [] },
      { from, to: view.now },
    )
    const replayed: Finding =
      calls > 0
        ? { holds: true, says: `${Math.round(calls)} recorded calls were replayed` }
        : { holds: false, says: 'no calls are recorded to be replayed', remedy: 'wait for some' }
    return [
      ...(await allUseMutualTls(view, view.onboarding.spec.windows.authorization)),
      replayed,
      ...newlyDenied.map((who) => ({
        holds: false,
        says: `it would refuse ${who}`,
        remedy: 'let it join the mesh, so that a rule can name it',
      })),
      ...notObserved.map((what) => ({
        holds: false,
        says: `it cannot be told whether it would refuse ${what}`,
        remedy: 'look at weft authz simulate',
      })),
    ]
  },

  async propose(view) {
    const { policies } = await learned(view)
    if (policies.length > 0) return { put: policies.map((policy) => owned(view, policy)), remove: [], findings: [] }
    const tried = view.onboarding.steps['authorization-dry-run'].objects ?? []
    if (tried.length === 0) return { nothing: 'nobody calls it, so there is nobody to allow' }
    // Somebody was seen when it was tried dry: that nobody is seen now is no evidence that nobody calls.
    const finding = { holds: false, says: 'nobody is seen to call it now', remedy: 'wait for calls' }
    return { put: [], remove: [], findings: [finding] }
  },

  check: (view, since) => newlyRefused(view, since),
  // Who comes without a certificate is cut off by STRICT, where that is.
  later: (view, since) =>
    knownRefused(view, since, ({ mutualTls }) => mutualTls || view.onboarding.steps.strict.state !== 'done'),
}

function proxiesSince({ onboarding }: View): number {
  return onboarding.steps.proxies.since
}

/** Of what was seen in the window; of less where evidence that counts is younger: gates say so. */
async function learned(view: View): Promise<LearnedPolicies> {
  const from = Math.max(view.now - view.onboarding.spec.windows.authorization, evidenceSince(view) ?? view.now)
  const workloads = view.workloads.map(({ namespace, name }) => ({ namespace, name }))
  return view.evidence.learn({ workloads, from, to: view.now })
}

function owned(
  { onboarding: { spec } }: View,
  policy: EstateObject,
  annotations?: Readonly<Record<string, string>>,
): EstateObject {
  return { ...policy, metadata: ownMetadata(spec.application, policy.metadata.name, annotations) }
}
