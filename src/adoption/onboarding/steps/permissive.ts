import type { AppWorkload, EstateObject } from '../../estate/estate.ts'
import { ownInstances } from '../look.ts'
import type { Finding } from '../onboarding.ts'
import { demandsMutualTls, isOurs, modesOf, ownMetadata, podLabels, policiesFor, selectorOf } from '../rules.ts'
import type { Step, View } from '../step.ts'
import { nameText } from '../writing.ts'

/** Takes mutual TLS and plaintext: nobody is shut out while callers join one after the other. */
export const PERMISSIVE: Step = {
  name: 'permissive',
  title: 'mutual TLS accepted, plaintext too',

  async gate(view) {
    return view.workloads.flatMap((workload): Finding[] =>
      others(view, workload).map((rule) => ({
        holds: false,
        says: `${nameText(rule)} says already what ${workload.name} takes`,
        remedy: 'take it away, or set it to PERMISSIVE, until the application is ready for more',
      })),
    )
  },

  async propose(view) {
    const strict = view.workloads.filter((workload) => demandsMutualTls(view, workload))
    const hasProxy = ownInstances(view).some((instance) => instance.hasProxy)
    if (strict.length === view.workloads.length && hasProxy)
      return { nothing: 'it takes nothing but mutual TLS already' }
    return {
      put: view.workloads.map((workload) => peerAuthentication(view, workload, 'PERMISSIVE')),
      remove: [],
      findings: [],
    }
  },

  async undoGate(view) {
    // Without ours that of the namespace counts again.
    const rest = { rules: view.rules.filter((rule) => !isOurs(rule, view.onboarding.spec.application)) }
    const exposed = ownInstances(view).some(({ hasProxy }) => hasProxy)
    return view.workloads
      .filter((workload) => exposed && demandsMutualTls(rest, workload))
      .map(({ name }) => ({
        holds: false,
        says: `without it ${name} would take nothing but mutual TLS, by a policy of its namespace or of the mesh`,
        remedy: 'undo its proxies first, or change that policy',
      }))
  },
}

/** Policies of others for the very workload that say something else: of several the oldest counts, which may be theirs. */
function others(view: View, workload: AppWorkload): readonly EstateObject[] {
  return policiesFor(view, 'PeerAuthentication', workload).filter(
    (rule) =>
      Object.keys(selectorOf(rule)).length > 0 &&
      !isOurs(rule, view.onboarding.spec.application) &&
      modesOf(rule).some((mode) => mode === 'STRICT' || mode === 'DISABLE'),
  )
}

/** What a workload takes, as an object of its own. */
export function peerAuthentication(view: View, workload: AppWorkload, mode: 'PERMISSIVE' | 'STRICT'): EstateObject {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: ownMetadata(view.onboarding.spec.application, `${workload.name}-onboarding`),
    spec: { selector: { matchLabels: podLabels(workload) }, mtls: { mode } },
  }
}
