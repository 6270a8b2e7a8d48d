import type { EstateObject } from '../../estate/estate.ts'
import { complete } from '../coverage.ts'
import { ownInstances, ownWorkloads } from '../look.ts'
import type { Finding, Limits } from '../onboarding.ts'
import { hostsOf, ownMetadata, rulesForHost } from '../rules.ts'
import type { Proposal, Step, View } from '../step.ts'
import type { ServiceSignals } from '../world.ts'
import { nameText } from '../writing.ts'
import { newRule } from './mutual-tls.ts'

/** No shorter one is proposed: who is slow once in a while must not be cut off. */
const SHORTEST_MS = 1000
/** What takes longer than this is a stream, or meant to wait: no timeout is proposed. */
const LONGEST_MS = 120_000
/** Above the longest call that was seen, by this much. */
const BEYOND_LONGEST = 1.5
/** Where more of its answers are errors than this, to take instances out for errors would take them all. */
const OFTEN_FAILING = 0.05

/** Timeouts, retries and outlier detection, of what was seen: nothing that was seen would have been cut off. */
export const TRAFFIC: Step = {
  name: 'traffic',
  title: 'timeouts, retries and outlier detection',

  gate: async (view) => complete(view, view.onboarding.spec.windows.baseline),

  async propose(view) {
    const { windows, limits } = view.onboarding.spec
    const services = await view.evidence.services({
      workloads: ownWorkloads(view),
      from: view.now - windows.baseline,
      to: view.now,
    })
    const proposals = hostsOf(view).map(({ host, service }): Proposal => {
      const seen = services.filter((each) => each.host === host)
      const http = seen.filter(({ protocol }) => protocol !== 'tcp')
      const [first] = http
      if (!first)
        return { put: [], remove: [], findings: [{ holds: true, says: `${host}: no requests of HTTP were seen` }] }
      if (http.length > 1 || first.requests < limits.requests)
        return {
          put: [],
          remove: [],
          findings: [{ holds: true, says: `${host}: ${Math.round(first.requests)} requests, too few for a timeout` }],
        }
      const routed = routes(view, host, first)
      const outliers = outlierDetection(view, host, service, first)
      return {
        put: [...routed.put, ...outliers.put],
        remove: [],
        findings: [...routed.findings, ...outliers.findings],
      }
    })
    const put = proposals.flatMap((each) => each.put)
    const findings = proposals.flatMap((each) => each.findings)
    if (put.length > 0) return { put, remove: [], findings }
    return { nothing: findings.map(({ says }) => says).join('; ') || 'no Service leads to it' }
  },

  telltales: ['UT', 'UH', 'UO'],
  lasting: ['UT'],
}

/** A VirtualService for a host that has none. */
function routes(view: View, host: string, seen: ServiceSignals): Proposal {
  const [theirs] = rulesForHost(view, 'VirtualService', host)
  if (theirs)
    return {
      put: [],
      remove: [],
      findings: [{ holds: true, says: `${nameText(theirs)} routes ${host}: it stays as it is` }],
    }
  const { timeout, finding } = timeoutOf(host, seen, view.onboarding.spec.limits)
  const rest = { ...(timeout === undefined ? {} : { timeout: `${timeout}ms` }), route: [{ destination: { host } }] }
  // To send again what never arrived is safe; more than that only where to ask twice is as good as to ask once.
  const never = 'connect-failure,refused-stream'
  const again = `${never},gateway-error`
  const http =
    seen.protocol === 'grpc'
      ? [{ ...rest, retries: { attempts: 2, retryOn: never } }]
      : [
          {
            match: ['GET', 'HEAD', 'OPTIONS'].map((exact) => ({ method: { exact } })),
            ...rest,
            retries: { attempts: 2, retryOn: again },
          },
          { ...rest, retries: { attempts: 2, retryOn: never } },
        ]
  const name = host.slice(0, host.indexOf('.'))
  const object: EstateObject = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: ownMetadata(view.onboarding.spec.application, name),
    spec: { hosts: [host], http },
  }
  return { put: [object], remove: [], findings: [finding] }
}

/** @returns in ms; undefined where none can be told, and why */
function timeoutOf(
  host: string,
  { p99, p999, longest, timed }: ServiceSignals,
  { timeoutFactor, timeoutRequests }: Limits,
): { readonly timeout?: number; readonly finding: Finding } {
  const most = p999 === null ? '' : `999 in 1000 took up to ${Math.round(p999)} ms, `
  const seen = `${host}: of ${timed} requests ${most}the longest ${longest === null ? '?' : Math.round(longest)} ms`
  if (p999 === null && longest === null)
    return { finding: { holds: true, says: `${host}: nobody knows how long requests take, so no timeout` } }
  if (timed < timeoutRequests)
    return {
      finding: { holds: true, says: `${seen}: fewer than the ${timeoutRequests} that a timeout takes, so none` },
    }
  const least = Math.max((p999 ?? p99 ?? 0) * timeoutFactor, (longest ?? 0) * BEYOND_LONGEST, SHORTEST_MS)
  if (least > LONGEST_MS) return { finding: { holds: true, says: `${seen}: no timeout` } }
  // A number that people can read.
  const timeout = Math.ceil(least / 500) * 500
  const says = `${seen}: timeout ${timeout} ms, which none of them took`
  return { timeout, finding: { holds: true, says, numbers: { longest: longest ?? 0, timeout } } }
}

/** Instances that fail time and again are left alone for a while, where there are others. */
function outlierDetection(view: View, host: string, service: EstateObject, seen: ServiceSignals): Proposal {
  const none = (says: string): Proposal => ({ put: [], remove: [], findings: [{ holds: true, says }] })
  if (ownInstances(view).length < 2) return none(`${host}: one instance, so there is no outlier`)
  if (seen.errors > OFTEN_FAILING * seen.requests) return none(`${host}: fails too often to tell an outlier`)
  const [rule = newRule(view, host, service)] = rulesForHost(view, 'DestinationRule', host)
  const spec = (rule['spec'] ?? {}) as { readonly trafficPolicy?: { readonly outlierDetection?: object } }
  if (spec.trafficPolicy?.outlierDetection) return none(`${nameText(rule)} says already who is an outlier`)
  const outliers = {
    consecutive5xxErrors: 5,
    interval: '10s',
    baseEjectionTime: '30s',
    maxEjectionPercent: 50,
    minHealthPercent: 50,
  }
  const after = { ...rule, spec: { ...spec, trafficPolicy: { ...spec.trafficPolicy, outlierDetection: outliers } } }
  return {
    put: [after],
    remove: [],
    findings: [{ holds: true, says: `${host}: an instance that fails five times in a row is left alone for 30 s` }],
  }
}
