import { ROOT_NAMESPACE } from '../../mesh/visibility.ts'
import { parseDuration } from '../../resources/duration.ts'
import { resolveHost, serviceOfHost } from '../../resources/host.ts'
import type { AlertRule, AlertRuleSpec } from '../../resources/observability.ts'
import type { Questions } from '../questions/questions.ts'
import type { GoldenSignals } from '../questions/signals.ts'
import type { Party } from '../questions/span-of-time.ts'
import { lengthOf, lengthText } from '../slo/length-of-days.ts'
import type { AlertWorld } from './world.ts'

/** What a rule is about at a moment: one service, proxy or certificate of those that it looks at. */
export interface Seen {
  /** Tells it from the rule's others: a host, `namespace/pod`. */
  readonly subject: string
  /** Undefined where there is nothing to tell from. */
  readonly holds: boolean | undefined
  readonly summary: string
  readonly labels: Readonly<Record<string, string>>
}

export interface Look {
  readonly seen: readonly Seen[]
  /** What of those that were seen before and are not now: are they well, or is nothing known of them? */
  readonly absent: 'well' | 'unknown'
}

export interface LookOptions {
  readonly ask: Pick<Questions, 'signals' | 'plaintext' | 'intake'>
  readonly world: AlertWorld
  /** Ms since the epoch. */
  readonly now: number
}

type Condition = AlertRuleSpec['condition']
/** What a condition is looked at with. */
interface Looked extends LookOptions {
  readonly window: number
  /** Whose; all of them where undefined. */
  readonly namespace: string | undefined
  readonly host: string | undefined
}

const NO_LABELS: Readonly<Record<string, string>> = {}
const USUAL_WINDOW = 5 * 60_000
const USUAL_MINIMUM = 10

/** Looks whether it is so what a rule says. @throws Error where telemetry does not answer */
export function lookAt({ metadata, spec }: AlertRule, options: LookOptions): Promise<Look> {
  const { condition = {}, target, window } = spec ?? {}
  const own = metadata.namespace ?? 'default'
  const namespace = target?.namespace ?? (own === ROOT_NAMESPACE ? undefined : own)
  const named = target?.service ?? condition.noTraffic?.service
  const looked: Looked = {
    ...options,
    window: (window === undefined ? undefined : lengthOf(window)) ?? USUAL_WINDOW,
    namespace,
    host: named === undefined ? undefined : resolveHost(named, namespace ?? own),
  }
  const kind = (Object.keys(LOOKS) as (keyof Condition)[]).find((each) => condition[each] !== undefined)
  return kind === undefined ? Promise.resolve({ seen: [], absent: 'well' }) : LOOKS[kind](condition, looked)
}

const LOOKS: Readonly<Record<keyof Condition, (condition: Condition, looked: Looked) => Promise<Look>>> = {
  errorRate: ({ errorRate }, looked) =>
    ofServices(looked, (signals, since) => {
      const { above = 0, minimumRequests = USUAL_MINIMUM } = errorRate ?? {}
      const percent = signals.errorShare * 100
      return {
        holds: signals.requests < minimumRequests ? undefined : percent > above,
        says: (name) => `${number(percent)} % of requests to ${name} failed ${since}, more than ${above} %`,
      }
    }),
  latency: ({ latency }, looked) =>
    ofServices(looked, (signals, since) => {
      const { above = '0', percentile = 99, minimumRequests = USUAL_MINIMUM } = latency ?? {}
      const value = { 50: signals.p50, 90: signals.p90, 99: signals.p99 }[percentile]
      const parsed = parseDuration(above)
      const bound = parsed.ok ? parsed.milliseconds : Number.POSITIVE_INFINITY
      return {
        holds: value === null || signals.requests < minimumRequests ? undefined : value > bound,
        says: (name) =>
          `of 100 requests to ${name} ${100 - percentile} took longer than ${number(value ?? 0)} ms ${since}, more than ${above}`,
      }
    }),
  saturation: ({ saturation }, looked) =>
    ofServices(looked, (signals, since) => {
      const { above = 0 } = saturation ?? {}
      const all = signals.requests + signals.connections
      const percent = all > 0 ? (signals.saturated / all) * 100 : 0
      return {
        holds: all === 0 ? undefined : percent > above,
        says: (name) => `limits turned away ${number(percent)} % of calls to ${name} ${since}, more than ${above} %`,
      }
    }),
  noTraffic: async (_, looked) => {
    const { ask, now, window, host = '' } = looked
    const { series } = await ask.signals({ from: now - window, to: now, destination: { service: host } })
    const called = series.reduce((sum, { total }) => sum + total.requests + total.connections, 0)
    const holds = called > 0 ? false : (await hasData(looked)) ? true : undefined
    return { seen: [ofHost(host, holds, `nobody called ${short(host)} ${last(window)}`)], absent: 'unknown' }
  },
  certificateExpiring: async ({ certificateExpiring }, { world, now, namespace }) => {
    const within = lengthOf(certificateExpiring?.within ?? '') ?? 0
    const certificates = world.certificates()
    const theirs = (certificates ?? []).filter((each) => namespace === undefined || each.namespace === namespace)
    return {
      absent: certificates ? 'well' : 'unknown',
      seen: theirs.map(({ name, namespace: of, expiresAt }) => ({
        subject: name,
        holds: expiresAt - now < within,
        summary: `the certificate of ${name} ${expiresAt <= now ? 'ended' : 'ends'} at ${new Date(expiresAt).toISOString()}`,
        labels: of === '' ? NO_LABELS : { namespace: of },
      })),
    }
  },
  proxyOutOfSync: async (_, { world, namespace }) => {
    const proxies = world.proxies()
    return {
      absent: proxies ? 'well' : 'unknown',
      seen: (proxies ?? []).flatMap(({ key, behind }) => {
        const [of = '', pod = ''] = key.split('/')
        if (namespace !== undefined && of !== namespace) return []
        const summary = `the proxy of pod ${key} does not have the configuration that is meant for it`
        return [{ subject: key, holds: behind, summary, labels: { namespace: of, pod } }]
      }),
    }
  },
  configurationRefused: async (_, { world, namespace }) => ({
    absent: 'well',
    seen: world.refusals().flatMap(({ namespace: of, object, problem }) =>
      namespace !== undefined && of !== namespace
        ? []
        : [
            {
              subject: object,
              holds: true,
              summary: `proxies refuse what was made of ${object}: ${problem}`,
              labels: { ...(of === '' ? {} : { namespace: of }), object },
            },
          ],
    ),
  }),
  onboardingRegressed: async (_, { world, namespace }) => {
    const regressions = await world.regressions()
    return {
      absent: regressions ? 'well' : 'unknown',
      seen: (regressions ?? []).flatMap(({ namespace: of, name, step, says }) =>
        namespace !== undefined && of !== namespace
          ? []
          : [
              {
                subject: `${of}/${name} ${step}`,
                holds: true,
                summary: `${of}/${name}: ${says}`,
                labels: { namespace: of, application: name, step },
              },
            ],
      ),
    }
  },
  plaintextSeen: async (_, looked) => {
    const { ask, now, window, namespace } = looked
    const span = { from: now - window, to: now + 1 }
    const evidence = await ask.plaintext({
      ...span,
      ...(namespace === undefined ? {} : { destination: { namespace } }),
    })
    return {
      // Without new measurements nobody knows whether it has ended.
      absent: (await hasData(looked)) ? 'well' : 'unknown',
      seen: evidence.map(({ source, destination }) => {
        const caller = source.workload === 'unknown' ? source.address : `${source.workload}.${source.namespace}`
        const callee = `${destination.workload}.${destination.namespace}:${destination.port}`
        return {
          subject: `${caller} ${callee}`,
          holds: true,
          summary: `${caller} calls ${callee} without mutual TLS`,
          labels: { namespace: destination.namespace, workload: destination.workload, source: caller },
        }
      }),
    }
  },
}

async function ofServices(
  { ask, now, window, namespace, host }: Looked,
  look: (
    signals: GoldenSignals,
    since: string,
  ) => { readonly holds: boolean | undefined; readonly says: (name: string) => string },
): Promise<Look> {
  const destination: Party = {
    ...(host === undefined ? {} : { service: host }),
    ...(host !== undefined || namespace === undefined ? {} : { namespace }),
  }
  const { series } = await ask.signals({ from: now - window, to: now, by: 'service', destination })
  return {
    absent: 'unknown',
    seen: series.flatMap(({ key, total }) => {
      const { service = '' } = key
      if (service === '' || service === 'unknown') return []
      const { holds, says } = look(total, last(window))
      return [ofHost(service, holds, says(short(service)))]
    }),
  }
}

/** Whether proxies tell anything: where none does, that nobody is called means nothing. */
async function hasData({ ask, world, now, window }: Looked): Promise<boolean> {
  const at = world.measuredAt()
  if (at !== undefined && at >= now - window) return true
  return (await ask.intake()).proxies > 0
}

function ofHost(host: string, holds: boolean | undefined, summary: string): Seen {
  const namespace = serviceOfHost(host)?.namespace
  return { subject: host, holds, summary, labels: { ...(namespace ? { namespace } : {}), service: host } }
}

function short(host: string): string {
  const service = serviceOfHost(host)
  return service ? `${service.name}.${service.namespace}` : host
}

function last(window: number): string {
  return `in the last ${lengthText(window)}`
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
