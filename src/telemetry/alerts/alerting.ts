import { alertRuleProblems } from '../../analysis/checks/objectives.ts'
import { parseDuration } from '../../resources/duration.ts'
import type { AlertRule } from '../../resources/observability.ts'
import { KIND, keyOf, type Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Alert, AlertSource } from '../questions/alerts.ts'
import type { Questions } from '../questions/questions.ts'
import type { SloStatus } from '../questions/slos.ts'
import { lengthText } from '../slo/length-of-days.ts'
import { type Objective, objectiveOf } from '../slo/objective.ts'
import { ObjectiveStore } from '../slo/objective-store.ts'
import { type CountsSince, ObjectiveRecorder } from '../slo/recorder.ts'
import { isTooFast, statusOf } from '../slo/status.ts'
import type { Ledger } from '../store/ledger.ts'
import { endedAlert, nextAlert, type Observation } from './alert-state.ts'
import { AlertStore } from './alert-store.ts'
import { lookAt } from './conditions.ts'
import type { AlertWorld } from './world.ts'

export interface AlertingOptions {
  /** With the tables of `ALERTING_SCHEMA`. */
  readonly ledger: Ledger
  readonly ask: Pick<Questions, 'outcomes' | 'signals' | 'plaintext' | 'intake'>
  readonly world: AlertWorld
  readonly snapshot: () => Snapshot
}

/** Looks again and again at what was promised and at what alerts, and keeps what became of it. */
export class Alerting {
  readonly #options: AlertingOptions
  readonly #objectives: ObjectiveStore
  readonly #recorder: ObjectiveRecorder
  readonly #alerts: AlertStore
  #slos: readonly SloStatus[] = []
  #problems: readonly { readonly rule: AlertSource; readonly problem: string }[] = []

  constructor(options: AlertingOptions) {
    this.#options = options
    this.#objectives = new ObjectiveStore(options.ledger)
    this.#recorder = new ObjectiveRecorder(this.#objectives, options.ask)
    this.#alerts = new AlertStore(options.ledger)
  }

  /** How objectives stood when somebody looked last. */
  get slos(): readonly SloStatus[] {
    return this.#slos
  }

  /** Pending and firing, by key. */
  get open(): ReadonlyMap<string, Alert> {
    return this.#alerts.open
  }

  /** Rules about which nothing could be told when somebody looked last, with the reason. */
  get problems(): readonly { readonly rule: AlertSource; readonly problem: string }[] {
    return this.#problems
  }

  /** Those that ended, the last first. */
  ended(limit: number): readonly Alert[] {
    return this.#alerts.ended(limit)
  }

  /** How an alert ended the last time; undefined where that is not known. */
  lastEnded(key: string): Alert | undefined {
    return this.#alerts.lastEnded(key)
  }

  /**
   * Looks at everything once. @param now in ms since the epoch
   * @throws Error where what became of it cannot be written
   */
  async look(now: number): Promise<void> {
    const snapshot = this.#options.snapshot()
    const problems: { rule: AlertSource; problem: string }[] = []
    const changes = new Map<string, Alert | undefined>()
    await this.#lookAtObjectives(snapshot, now, changes)
    for (const resource of snapshot.all('observability.weft.dev/AlertRule').values()) {
      const problem = await this.#lookAtRule(resource, now, changes)
      if (problem !== undefined) problems.push({ rule: sourceOf(resource, 'AlertRule'), problem })
    }
    this.#endOrphans(snapshot, now, changes)
    this.#alerts.keep(changes)
    this.#problems = problems
  }

  /** Forgets what is old. */
  grow(now: number): void {
    const there = this.#options.snapshot().all('observability.weft.dev/ServiceLevelObjective')
    this.#objectives.grow(now, new Set(there.keys()))
    this.#alerts.grow(now)
  }

  async #lookAtObjectives(snapshot: Snapshot, now: number, changes: Map<string, Alert | undefined>): Promise<void> {
    const all = [...snapshot.all('observability.weft.dev/ServiceLevelObjective').values()].flatMap(
      (resource) => objectiveOf(resource) ?? [],
    )
    const measured = all.filter(({ errors }) => errors.length === 0)
    let counted: ReadonlyMap<string, { readonly since: number; readonly counts: CountsSince }> = new Map()
    let problem: string | undefined
    try {
      counted = await this.#recorder.record(measured, now)
    } catch (error) {
      problem = `nothing can be told now: ${(error as Error).message}`
    }
    const slos = all.map(
      (objective) => [objective, statusOf(objective, counted.get(objective.key), now, problem)] as const,
    )
    for (const [objective, status] of slos) {
      if (objective.errors.length > 0 || objective.spec.alerting?.disabled) continue
      for (const seen of burnObservations(objective, status)) this.#step(seen, now, changes)
    }
    this.#slos = slos.map(([, status]) => status)
  }

  /** @returns why nothing can be told of it */
  async #lookAtRule(
    resource: AlertRule,
    now: number,
    changes: Map<string, Alert | undefined>,
  ): Promise<string | undefined> {
    const { spec } = resource
    if (!spec) return undefined
    const [wrong] = alertRuleProblems(resource)
    if (wrong) return `${wrong.problem}; ${wrong.remedy}`
    const rule = sourceOf(resource, 'AlertRule')
    const forMs = spec.for === undefined ? undefined : parseDuration(spec.for)
    const said = {
      rule,
      severity: spec.severity ?? 'warning',
      runbook: spec.runbook ?? '',
      forMs: forMs?.ok ? forMs.milliseconds : 0,
    }
    const begin = `rule/${keyOf(resource)}/`
    const open = [...this.#alerts.open.values()].filter(({ key }) => key.startsWith(begin))
    try {
      const { ask, world } = this.#options
      const { seen, absent } = await lookAt(resource, { ask, world, now })
      const looked = new Set<string>()
      for (const { subject, labels, ...each } of seen) {
        const key = `${begin}${subject}`
        looked.add(key)
        this.#step(
          { ...said, ...each, key, labels: labelsOf(resource, said.severity, labels, spec.labels) },
          now,
          changes,
        )
      }
      const holds = absent === 'well' ? false : undefined
      for (const before of open) if (!looked.has(before.key)) this.#step({ ...before, holds, forMs: 0 }, now, changes)
      return undefined
    } catch (error) {
      for (const before of open) this.#step({ ...before, holds: undefined, forMs: 0 }, now, changes)
      return `nothing can be told now: ${(error as Error).message}`
    }
  }

  /** What alerts for an object that there is no more, or that no longer alerts, ends. */
  #endOrphans(snapshot: Snapshot, now: number, changes: Map<string, Alert | undefined>): void {
    for (const alert of this.#alerts.open.values()) {
      if (changes.has(alert.key)) continue
      const { kind, namespace, name } = alert.rule
      if (kind === 'Test') continue
      const there = snapshot.all(`observability.weft.dev/${kind}`).get(`${namespace}/${name}`)
      if (there && kind === 'AlertRule') continue
      const why = there ? `${kind} ${namespace}/${name} alerts no more` : `${kind} ${namespace}/${name} is gone`
      changes.set(alert.key, endedAlert(alert, why, now))
    }
  }

  #step(seen: Observation, now: number, changes: Map<string, Alert | undefined>): void {
    const before = this.#alerts.open.get(seen.key)
    const after = nextAlert(before, seen, now)
    if (before !== undefined || after !== undefined) changes.set(seen.key, after)
  }
}

/** What an objective alerts of: the fast use of its budget, at once, and the slow one, in working hours. */
function* burnObservations(objective: Objective, { burn, target, achieved }: SloStatus): Iterable<Observation> {
  const { key, resource, spec, indicator, promised } = objective
  for (const severity of ['critical', 'warning'] as const) {
    const windows = burn.filter((each) => each.severity === severity)
    const states = windows.map(isTooFast)
    const fastest = windows.find((each) => isTooFast(each))
    const holds = fastest ? true : states.length === 0 || states.includes(undefined) ? undefined : false
    const rate = fastest
      ? `${(fastest.long ?? 0).toFixed(1)} times faster than it may over ${lengthText(fastest.longWindow)}`
      : ''
    const now = achieved === null ? '' : `; of the whole window ${percent(achieved)} were good`
    yield {
      key: `slo/${key}/${severity}`,
      rule: sourceOf(resource, 'ServiceLevelObjective'),
      severity,
      labels: labelsOf(resource, severity, { ...serviceLabel(objective) }, spec.alerting?.labels),
      summary: `the error budget of ${target} is used up ${rate}: ${percent(promised)} are to be ${indicator}${now}`,
      runbook: spec.alerting?.runbook ?? '',
      holds,
      forMs: 0,
    }
  }
}

function serviceLabel({ counted: { destination } }: Objective): Readonly<Record<string, string>> {
  const { service, workload } = destination ?? {}
  return { ...(service === undefined ? {} : { service }), ...(workload === undefined ? {} : { workload }) }
}

/** An object's own labels do not change whose alert it is. */
function labelsOf(
  { metadata }: Resource,
  severity: string,
  seen: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  return { ...own, namespace: metadata.namespace ?? 'default', ...seen, rule: metadata.name, severity }
}

function sourceOf({ metadata, [KIND]: _ }: Resource, kind: AlertSource['kind']): AlertSource {
  return { kind, namespace: metadata.namespace ?? 'default', name: metadata.name }
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(3))} %`
}
