import { allUseMutualTls, knownRefused, newlyRefused } from '../clients.ts'
import { ownInstances } from '../look.ts'
import { demandsMutualTls } from '../rules.ts'
import type { Step } from '../step.ts'
import { peerAuthentication } from './permissive.ts'

/** Mutual TLS and nothing else. */
export const STRICT: Step = {
  name: 'strict',
  title: 'nothing but mutual TLS (STRICT)',

  async gate(view) {
    const { strict } = view.onboarding.spec.windows
    const put = view.workloads.map((workload) => peerAuthentication(view, workload, 'STRICT'))
    const time = { from: view.now - strict, to: view.now }
    const { newlyDenied } = await view.evidence.simulate({ put, remove: [] }, time)
    return [
      ...ownInstances(view)
        .filter(({ hasProxy }) => !hasProxy)
        .map(({ name }) => ({
          holds: false,
          says: `${name} has no proxy: who calls it is not seen`,
          remedy: 'give it one',
        })),
      ...(await allUseMutualTls(view, strict)),
      ...newlyDenied.map((who) => ({
        holds: false,
        says: `it would cut off ${who}`,
        remedy: 'let it join the mesh first',
      })),
    ]
  },

  async propose(view) {
    if (view.workloads.every((workload) => demandsMutualTls(view, workload)))
      return { nothing: 'it takes nothing but mutual TLS already' }
    return {
      put: view.workloads.map((workload) => peerAuthentication(view, workload, 'STRICT')),
      remove: [],
      findings: [],
    }
  },

  check: (view, since) => newlyRefused(view, since),
  later: (view, since) => knownRefused(view, since, ({ mutualTls }) => !mutualTls),
}
