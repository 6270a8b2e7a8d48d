import type { TimeSpan } from '../../../telemetry/questions/span-of-time.ts'
import type { EstateObject } from '../../estate/estate.ts'
import type {
  Coverage,
  Evidence,
  LearnedPolicies,
  ObjectChange,
  ObservedSignals,
  SeenClient,
  ServiceSignals,
  SignalsOf,
  SimulatedChange,
} from '../world.ts'
import { NAMESPACE, type Outcome, outcomeOf, principalOf } from './rules-of-model.ts'

interface RecordedCall {
  readonly from: string
  /** ServiceAccount of the caller. */
  readonly account: string
  readonly to: string
  /** Service by which it was called. */
  readonly host: string
  readonly mutualTls: boolean
  readonly outcome: Outcome
  readonly takes: number
  /** Whether they have proxies: what neither has is not seen. */
  readonly caller: boolean
  readonly callee: boolean
}

/** Kept of what was seen: more than comes in an hour. */
const MOST_CALLS = 3000

/** What the proxies of the model saw: nothing where there is none. */
export class ModelEvidence implements Evidence {
  readonly #now: () => number
  readonly #coverage: () => Coverage
  readonly #rules: () => readonly EstateObject[]
  #calls: (RecordedCall & { readonly at: number })[] = []

  constructor(now: () => number, coverage: () => Coverage, rules: () => readonly EstateObject[]) {
    this.#now = now
    this.#coverage = coverage
    this.#rules = rules
  }

  record(call: RecordedCall): void {
    if (call.caller || call.callee) this.#calls.push({ ...call, at: this.#now() })
    if (this.#calls.length > 2 * MOST_CALLS) this.#calls = this.#calls.slice(-MOST_CALLS)
  }

  /** All that was seen is lost. */
  forget(): void {
    this.#calls = []
  }

  async coverage(): Promise<Coverage> {
    return this.#coverage()
  }

  async clients({ workloads, from, to }: SignalsOf): Promise<readonly SeenClient[]> {
    return this.#seen(from, to).filter(({ destination }) => workloads.some(({ name }) => name === destination.name))
  }

  async callees({ workloads, from, to }: SignalsOf): Promise<readonly SeenClient[]> {
    return this.#seen(from, to).filter(({ source }) => workloads.some(({ name }) => name === source.name))
  }

  async signals({ workloads, from, to }: SignalsOf): Promise<ObservedSignals | undefined> {
    const calls = this.#of(workloads, from, to)
    return calls.length === 0 ? undefined : signalsOf(calls)
  }

  async services({ workloads, from, to }: SignalsOf): Promise<readonly ServiceSignals[]> {
    const byHost = Map.groupBy(this.#of(workloads, from, to), ({ host }) => host)
    return [...byHost].map(([host, calls]) => ({
      ...signalsOf(calls),
      host: `${host}.${NAMESPACE}.svc.cluster.local`,
      protocol: 'http' as const,
      timed: calls.length,
    }))
  }

  async learn({ workloads, from, to }: SignalsOf): Promise<LearnedPolicies> {
    const policies = workloads.flatMap(({ name }): EstateObject[] => {
      const calls = this.#calls.filter(
        (call) =>
          call.host === name && call.callee && call.mutualTls && call.outcome === 'ok' && isIn(call.at, { from, to }),
      )
      const principals = [...new Set(calls.map(({ account }) => principalOf(NAMESPACE, account)))].sort()
      if (principals.length === 0) return []
      return [
        {
          apiVersion: 'security.istio.io/v1',
          kind: 'AuthorizationPolicy',
          metadata: { name: `${name}-callers`, namespace: NAMESPACE },
          spec: {
            selector: { matchLabels: { app: name } },
            action: 'ALLOW',
            rules: [{ from: [{ source: { principals } }] }],
          },
        },
      ]
    })
    return { policies, without: [] }
  }

  async simulate({ put }: ObjectChange, time: TimeSpan): Promise<SimulatedChange> {
    const replaced = new Set(put.map(({ kind, metadata }) => `${kind}/${metadata.name}`))
    const rules = [...this.#rules().filter(({ kind, metadata }) => !replaced.has(`${kind}/${metadata.name}`)), ...put]
    const calls = this.#calls.filter((call) => call.callee && isIn(call.at, time))
    const denied = calls.filter(
      ({ account, host, mutualTls, takes, outcome }) =>
        outcome === 'ok' &&
        outcomeOf({
          namespace: NAMESPACE,
          caller: { name: account, hasProxy: mutualTls, rules: [] },
          callee: { name: host, hasProxy: true, rules, labels: { app: host } },
          takes,
        }).outcome === 'refused',
    )
    return {
      calls: calls.length,
      newlyDenied: [...new Set(denied.map(({ from, to }) => `${from} to ${to}`))],
      notObserved: [],
    }
  }

  #of(workloads: SignalsOf['workloads'], from: number, to: number) {
    return this.#calls.filter(
      ({ to: callee, at }) => workloads.some(({ name }) => name === callee) && isIn(at, { from, to: to + 1 }),
    )
  }

  /** As the callees' proxies saw it. */
  #seen(from: number, to: number): SeenClient[] {
    const calls = this.#calls.filter((call) => call.callee && isIn(call.at, { from, to }))
    const groups = Map.groupBy(calls, (call) =>
      JSON.stringify([call.from, call.to, call.mutualTls, call.outcome === 'refused']),
    )
    return [...groups.values()].flatMap((group) => {
      const [first] = group
      const last = group.at(-1)
      if (!first || !last) return []
      return [
        {
          source: { namespace: NAMESPACE, name: first.from },
          destination: { namespace: NAMESPACE, name: first.to, port: 8080 },
          mutualTls: first.mutualTls,
          refused: first.outcome === 'refused',
          principal: first.mutualTls ? principalOf(NAMESPACE, first.account) : null,
          count: group.length,
          firstSeen: first.at,
          lastSeen: last.at,
        },
      ]
    })
  }
}

function isIn(at: number, { from, to }: TimeSpan): boolean {
  return at >= from && at < to
}

function signalsOf(calls: readonly RecordedCall[]): ObservedSignals {
  const sorted = calls.map(({ takes }) => takes).sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null
  const failed = calls.filter(({ outcome }) => outcome !== 'ok')
  const flags: Record<string, number> = {}
  for (const { outcome } of failed) {
    const flag = outcome === 'timeout' ? 'UT' : outcome === 'unreachable' ? 'UF' : ''
    flags[flag] = (flags[flag] ?? 0) + 1
  }
  return {
    requests: calls.length,
    errors: failed.length,
    connections: 0,
    failedConnections: 0,
    saturated: 0,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    longest: sorted.at(-1) ?? null,
    failures: flags,
  }
}
