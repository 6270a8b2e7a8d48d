import { workloadsOf } from '../estate/estate.ts'
import { nameOf, workloadsOfApplication } from './clients.ts'
import { ownWorkloads } from './look.ts'
import type { Finding, Onboarding } from './onboarding.ts'
import { demandsMutualTls, enforcedPolicies } from './rules.ts'
import type { View } from './step.ts'

/** Whom the application calls that would not take its calls without proxies. */
export async function dependents(view: View): Promise<readonly Finding[]> {
  const called = await view.evidence.callees({ workloads: ownWorkloads(view), from: 0, to: view.now + 1 })
  const names = new Set(called.map(({ destination }) => nameOf(destination)))
  for (const { name, namespace = view.application.metadata.namespace } of view.application.spec?.dependencies
    ?.applications ?? []) {
    const application = view.applications.find(
      ({ metadata }) => metadata.name === name && metadata.namespace === namespace,
    )
    for (const workload of application?.spec?.workloads ?? []) names.add(`${namespace}/${workload.name}`)
  }
  const all = workloadsOf(view.estate).filter((workload) => names.has(nameOf(workload)))
  const strict = all.filter(
    (workload) => demandsMutualTls(view, workload) || enforcedPolicies(view, workload).length > 0,
  )
  const soon = view.onboardings
    .filter((other) => other.spec.application !== view.onboarding.spec.application && isClosing(other))
    .flatMap((other) => workloadsOfApplication(view, other))
    .filter((workload) => names.has(nameOf(workload)))
  return [...new Set([...strict, ...soon].map(nameOf))].map((name) => ({
    holds: false,
    says: `it calls ${name}, which takes calls by mutual TLS alone, or decides by who calls`,
    remedy: `undo authorization and strict of the application that ${name} is of first`,
  }))
}

/** Whether it demands mutual TLS, or is about to. */
function isClosing({ steps }: Onboarding): boolean {
  return [steps.authorization, steps.strict].some(
    ({ state }) => !['pending', 'left out', 'nothing to do', 'undone'].includes(state),
  )
}
