import { boundsAround } from '../../mesh/duration-buckets.ts'
import { services } from '../../mesh/services.ts'
import { ROOT_NAMESPACE } from '../../mesh/visibility.ts'
import { closest } from '../../resources/did-you-mean.ts'
import { parseDuration } from '../../resources/duration.ts'
import { resolveHost, serviceOfHost } from '../../resources/host.ts'
import type { AlertRule, ServiceLevelObjective } from '../../resources/observability.ts'
import type { FieldPath, Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check, Finding } from '../check.ts'

type Problem = Omit<Finding, 'resource'>

export const impossibleObjective: Check = {
  rule: 'impossible-objective',
  severity: 'error',
  about:
    'A ServiceLevelObjective promises what cannot be kept or measured: all requests, more time than 90 days, or those of another namespace. It is not measured.',
  *find(snapshot) {
    for (const resource of snapshot.all('observability.weft.dev/ServiceLevelObjective').values())
      for (const problem of objectiveProblems(resource)) yield { resource, ...problem }
  },
}

/** Why an objective is not measured. */
export function* objectiveProblems(resource: ServiceLevelObjective): Iterable<Problem> {
  const { objective, window: { rolling } = {}, target } = resource.spec ?? {}
  if (objective !== undefined && objective >= 100)
    yield {
      path: ['spec', 'objective'],
      problem: 'of 100 requests 100 are promised, which leaves no budget for errors: one is enough to miss it for ever',
      remedy: 'promise less, such as 99.99, or write an AlertRule that fires at any error',
    }
  const [, amount, unit] = /^(\d+)(h|d)$/.exec(rolling ?? '') ?? []
  if (unit === 'd' ? Number(amount) > 90 : unit === 'h' && Number(amount) > 90 * 24)
    yield {
      path: ['spec', 'window', 'rolling'],
      problem: `${rolling} is more than is counted, which is 90d`,
      remedy: 'use 90d or less',
    }
  yield* elsewhere(resource, target, ['spec', 'target'])
}

export const unmeasurableLatency: Check = {
  rule: 'latency-between-buckets',
  severity: 'warning',
  about:
    'A ServiceLevelObjective asks for a latency between two bounds of the buckets in which durations are counted: requests between the lower bound and the threshold count as too slow, as nobody can tell.',
  *find(snapshot) {
    for (const resource of snapshot.all('observability.weft.dev/ServiceLevelObjective').values()) {
      const problem = latencyProblem(resource)
      if (problem) yield { resource, ...problem }
    }
  },
}

/** What is to be said about the threshold of a latency objective. */
export function latencyProblem({ spec }: ServiceLevelObjective): Problem | undefined {
  const threshold = spec?.indicator?.latency?.threshold
  const parsed = threshold === undefined ? undefined : parseDuration(threshold)
  // Logs have durations themselves.
  if (!parsed?.ok || spec?.target?.route !== undefined || spec?.target?.host !== undefined) return undefined
  const around = boundsAround(parsed.milliseconds)
  if (around?.lower === around?.upper && around) return undefined
  const path = ['spec', 'indicator', 'latency', 'threshold']
  if (!around)
    return {
      path,
      problem: `${threshold} is not between any bounds of the buckets in which durations are counted, which are 0.5ms to 1h`,
      remedy: 'use one of these bounds, such as 250ms, 500ms or 1s',
    }
  const [lower, upper] = [durationText(around.lower), durationText(around.upper)]
  return {
    path,
    problem: `durations are counted up to ${lower} and up to ${upper}, so of requests between nobody can tell which took longer than ${threshold}: all of them count as too slow`,
    remedy: `use ${lower} or ${upper}`,
  }
}

function durationText(milliseconds: number): string {
  return milliseconds >= 1000 ? `${milliseconds / 1000}s` : `${milliseconds}ms`
}

export const unknownObjectiveTarget: Check = {
  rule: 'objective-without-service',
  severity: 'warning',
  about: 'A ServiceLevelObjective or AlertRule is about a service that there is not: nothing is counted.',
  *find(snapshot) {
    for (const resource of snapshot.all('observability.weft.dev/ServiceLevelObjective').values()) {
      const { target } = resource.spec ?? {}
      yield* unknownService(snapshot, resource, target?.service, target?.namespace, ['spec', 'target', 'service'])
    }
    for (const resource of snapshot.all('observability.weft.dev/AlertRule').values()) {
      const { target, condition } = resource.spec ?? {}
      yield* unknownService(snapshot, resource, target?.service, target?.namespace, ['spec', 'target', 'service'])
      const path = ['spec', 'condition', 'noTraffic', 'service']
      yield* unknownService(snapshot, resource, condition?.noTraffic?.service, target?.namespace, path)
    }
  },
}

function* unknownService(
  snapshot: Snapshot,
  resource: Resource,
  service: string | undefined,
  given: string | undefined,
  path: FieldPath,
): Iterable<Finding> {
  if (service === undefined) return
  const namespace = given ?? resource.metadata.namespace ?? 'default'
  const host = resolveHost(service, namespace)
  if (services(snapshot).get(host)) return
  yield {
    resource,
    path,
    problem: `there is no service ${host}`,
    remedy: 'name a Service, or the host of a ServiceEntry',
    suggestion: () => {
      const near = closest(host, [...services(snapshot).keys()])
      return near === undefined ? undefined : `write ${near} if that was meant`
    },
  }
}

export const alertRuleElsewhere: Check = {
  rule: 'alert-rule-elsewhere',
  severity: 'error',
  about: 'An AlertRule outside of the root namespace is about another namespace than its own. It counts for nothing.',
  *find(snapshot) {
    for (const resource of snapshot.all('observability.weft.dev/AlertRule').values())
      for (const problem of alertRuleProblems(resource)) yield { resource, ...problem }
  },
}

/** Why a rule counts for nothing. */
export function* alertRuleProblems(resource: AlertRule): Iterable<Problem> {
  const { target, condition } = resource.spec ?? {}
  yield* elsewhere(resource, target, ['spec', 'target'])
  yield* elsewhere(resource, condition?.noTraffic, ['spec', 'condition', 'noTraffic'])
}

function* elsewhere(
  resource: Resource,
  named: { readonly namespace?: string; readonly service?: string } | undefined,
  path: FieldPath,
): Iterable<Problem> {
  const { namespace } = resource.metadata
  if (namespace === ROOT_NAMESPACE) return
  const others = [
    ['namespace', named?.namespace],
    ['service', serviceOfHost(named?.service ?? '')?.namespace],
  ] as const
  for (const [field, other] of others) {
    if (other === undefined || other === namespace) continue
    yield {
      path: [...path, field],
      problem: `what is in ${namespace} is about ${namespace} only, not about ${other}`,
      remedy: `name what is in ${namespace}, or write the object in ${other} or ${ROOT_NAMESPACE}`,
    }
  }
}

export const receiverSecretElsewhere: Check = {
  rule: 'receiver-reads-server',
  severity: 'error',
  about:
    "An AlertReceiver outside of the root namespace takes a secret from a file or the environment of the server, which are not its author's. It is told nothing.",
  *find(snapshot) {
    for (const resource of snapshot.all('observability.weft.dev/AlertReceiver').values()) {
      if (resource.metadata.namespace === ROOT_NAMESPACE) continue
      for (const [type, settings] of Object.entries(resource.spec ?? {})) {
        if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) continue
        for (const [field, reference] of Object.entries(settings)) {
          const from = ['file', 'env'].find((each) => typeof reference === 'object' && reference && each in reference)
          if (from === undefined || type === 'match') continue
          yield {
            resource,
            path: ['spec', type, field, from],
            problem: `only receivers in ${ROOT_NAMESPACE} may take secrets from the ${from === 'env' ? 'environment' : 'files'} of the server`,
            remedy: `put it into a Secret of ${resource.metadata.namespace}, and name that`,
          }
        }
      }
    }
  },
}
