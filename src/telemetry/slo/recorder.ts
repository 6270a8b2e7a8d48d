import type { OutcomePoint, OutcomesAnswer } from '../questions/outcomes.ts'
import type { Questions } from '../questions/questions.ts'
import type { Objective } from './objective.ts'
import type { Counts, ObjectiveStore, Recorded } from './objective-store.ts'
import { LONGEST_WINDOW } from './window.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** What is younger may still come in, in ms: proxies are asked in turns, and a Prometheus has a rhythm of its own. */
const SETTLES = MINUTE
/** What is older is asked for by the hour, in ms. */
const BY_MINUTE = 2 * DAY
/** So much is asked at a time: whoever answers has other things to do, in ms. */
const CHUNK = 5 * DAY
/** A clock that went back by more than this was wrong before, in ms. */
const CLOCK_WRONG = 5 * MINUTE

/** What was counted of an objective in some time. */
export type CountsSince = (from: number) => Counts

/** Keeps what came of the requests of objectives, and what is too young to be kept. */
export class ObjectiveRecorder {
  readonly #store: ObjectiveStore
  readonly #ask: Pick<Questions, 'outcomes'>

  constructor(store: ObjectiveStore, ask: Pick<Questions, 'outcomes'>) {
    this.#store = store
    this.#ask = ask
  }

  /**
   * Brings all up to date.
   * @returns for each objective, by its key, what was counted from some time until now; and since when it is counted
   * @throws Error where telemetry does not answer: then nothing is known of now
   */
  async record(
    objectives: readonly Objective[],
    now: number,
  ): Promise<ReadonlyMap<string, { readonly since: number; readonly counts: CountsSince }>> {
    const until = Math.floor((now - SETTLES) / MINUTE) * MINUTE
    // Those that were recorded up to the same moment are asked for together, which are nearly always all.
    const behind = new Map<number, Objective[]>()
    for (const objective of objectives) {
      const from = this.#from(objective, now, until)
      const others = behind.get(from)
      if (others) others.push(objective)
      else behind.set(from, [objective])
    }
    for (const [from, group] of behind) await this.#catchUp(group, from, until)
    const young = await this.#young(objectives, until, now)
    return new Map(
      objectives.map((objective, i) => {
        const { key } = objective
        const { since = until } = this.#store.recorded(key) ?? {}
        const points = young.outcomes[i]?.points ?? []
        return [key, { since, counts: (from: number) => this.#counts(key, from, until, points) }] as const
      }),
    )
  }

  #from(objective: Objective, now: number, until: number): number {
    const { key } = objective
    const recorded = this.#store.recorded(key)
    if (recorded?.definition !== definitionOf(objective)) return until - LONGEST_WINDOW
    if (recorded.until <= until + CLOCK_WRONG) return recorded.until
    this.#store.cutAt(key, Math.floor(now / MINUTE) * MINUTE)
    return until
  }

  async #catchUp(group: readonly Objective[], from: number, until: number): Promise<void> {
    for (let at = from; at < until; ) {
      const isOld = at < until - BY_MINUTE
      const end = isOld ? Math.min(at + CHUNK, until - BY_MINUTE) : until
      const answer = await this.#ask.outcomes({
        from: at,
        to: end,
        step: isOld ? HOUR : MINUTE,
        of: group.map(({ counted }) => counted),
      })
      for (const [i, objective] of group.entries()) this.#keep(objective, { from: at, until: end }, i, answer)
      // Of what was before anything was measured nothing needs to be asked.
      at = Math.max(end, Math.min(until, Math.floor((answer.since ?? end) / HOUR) * HOUR))
    }
  }

  #keep(objective: Objective, span: { from: number; until: number }, i: number, { outcomes, since }: OutcomesAnswer) {
    const { key } = objective
    const definition = definitionOf(objective)
    const before = this.#store.recorded(key)
    const points = (outcomes[i]?.points ?? []).filter(({ at }) => at < span.until)
    const [first] = points
    // Before anything was measured nothing is known; where that cannot be told, before the first request.
    const begin = Math.max(span.from, Math.min(since ?? first?.at ?? span.until, span.until))
    const known: Recorded =
      before?.definition === definition && before.since < before.until
        ? { definition, since: before.since, until: span.until }
        : { definition, since: begin, until: span.until }
    this.#store.record(key, known, points)
  }

  /** @returns what is asked about nothing where nothing is */
  async #young(objectives: readonly Objective[], from: number, to: number): Promise<Pick<OutcomesAnswer, 'outcomes'>> {
    if (objectives.length === 0 || from >= to) return { outcomes: [] }
    return this.#ask.outcomes({ from, to, step: MINUTE, of: objectives.map(({ counted }) => counted) })
  }

  #counts(key: string, from: number, until: number, young: readonly OutcomePoint[]): Counts {
    const old = from < until ? this.#store.counts(key, from, until) : { requests: 0, bad: 0 }
    let { requests, bad } = old
    for (const point of young) {
      if (point.at + MINUTE <= from) continue
      requests += point.requests
      bad += point.bad
    }
    return { requests, bad }
  }
}

/** Two objects that mean the same requests have the same. */
function definitionOf({ counted }: Objective): string {
  return JSON.stringify(counted)
}
