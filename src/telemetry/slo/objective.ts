import { latencyProblem, objectiveProblems } from '../../analysis/checks/objectives.ts'
import { ROOT_NAMESPACE } from '../../mesh/visibility.ts'
import { parseDuration } from '../../resources/duration.ts'
import { resolveHost } from '../../resources/host.ts'
import type { ServiceLevelObjective, ServiceLevelObjectiveSpec } from '../../resources/observability.ts'
import { keyOf } from '../../resources/resource.ts'
import type { CountedRequests } from '../questions/outcomes.ts'

/** What a ServiceLevelObjective comes to. */
export interface Objective {
  /** `namespace/name` */
  readonly key: string
  readonly resource: ServiceLevelObjective
  readonly spec: ServiceLevelObjectiveSpec
  /** Which requests are counted, and which of them are bad. */
  readonly counted: CountedRequests
  /** The same for people. */
  readonly target: string
  readonly indicator: string
  /** The share of requests that is promised to be good, 0 to 1. */
  readonly promised: number
  /** Why it is not measured, in words; empty where it is. */
  readonly errors: readonly string[]
  /** What else is to be said of how it is measured. */
  readonly warnings: readonly string[]
}

/** Reads an object; undefined where it has no spec. */
export function objectiveOf(resource: ServiceLevelObjective): Objective | undefined {
  const { spec } = resource
  if (!spec?.target || !spec.indicator) return undefined
  const own = resource.metadata.namespace ?? 'default'
  const { latency } = spec.indicator
  const threshold = latency ? parseDuration(latency.threshold) : undefined
  const slow = threshold?.ok ? { slowerThan: threshold.milliseconds } : {}
  const namespace = spec.target.namespace ?? own
  const source = spec.from
    ? { source: { workload: spec.from.workload, namespace: spec.from.namespace ?? namespace } }
    : {}
  const between = latencyProblem(resource)
  return {
    key: keyOf(resource),
    resource,
    spec,
    counted: { ...whose(spec, own, namespace), ...source, ...slow },
    target: `${targetText(spec, namespace)}${spec.from ? ` from ${spec.from.workload}` : ''}`,
    indicator: latency ? `answered in ${latency.threshold}` : 'answered',
    promised: spec.objective / 100,
    errors: Array.from(objectiveProblems(resource), ({ problem, remedy }) => `${problem}; ${remedy}`),
    warnings: between ? [`${between.problem}; ${between.remedy}`] : [],
  }
}

function whose({ target }: ServiceLevelObjectiveSpec, own: string, namespace: string): CountedRequests {
  const { service, workload, route, host } = target
  if (service !== undefined) return { destination: { service: resolveHost(service, namespace) } }
  if (workload !== undefined) return { destination: { workload, namespace } }
  // Routes and hosts are nobody's: outside of the root namespace only requests to the object's own namespace count.
  const everywhere = own === ROOT_NAMESPACE && target.namespace === undefined
  return {
    ...(everywhere ? {} : { destination: { namespace } }),
    ...(route === undefined ? {} : { route }),
    ...(host === undefined ? {} : { host }),
  }
}

function targetText({ target }: ServiceLevelObjectiveSpec, namespace: string): string {
  const { service, workload, route, host } = target
  if (service !== undefined) return resolveHost(service, namespace)
  if (workload !== undefined) return `${workload}.${namespace}`
  return route === undefined ? (host ?? '') : `route ${route}`
}
