import type { EstateObject } from '../../../adoption/estate/estate.ts'
import type { Engine } from '../../../adoption/onboarding/engine.ts'
import {
  type Onboarding,
  type OnboardingSpec,
  STEP_NAMES,
  type StepName,
  USUAL_LIMITS,
  type Windows,
} from '../../../adoption/onboarding/onboarding.ts'
import type { World } from '../../../adoption/onboarding/world.ts'
import type { Entrance } from './estate.ts'
import { type Told, type Trouble, toldBy } from './troubles.ts'

/** What takes minutes and days elsewhere, in ms: long enough for telemetry, which comes every five seconds, and for the client that calls once an "hour". */
export const FAST: Windows = {
  watch: 6000,
  baseline: 60_000,
  authorization: 22_000,
  strict: 22_000,
  settle: 120_000,
  // The machine is busier and busier.
  later: 0,
}

/** On a cluster agents gather metrics four times a minute, and pods take longer to come and go. */
export const ON_CLUSTER_WINDOWS: Windows = {
  watch: 20_000,
  baseline: 120_000,
  authorization: 60_000,
  strict: 60_000,
  settle: 300_000,
  later: 0,
}

/** How often an application is sent on again after a step was taken back for what is no trouble of the estate: a busy machine, say. */
const MOST_TRIES = 5

/** Between two rounds, in ms. */
const REST_MS = 300

/** A trouble that was found. */
export interface FoundTrouble {
  readonly trouble: Trouble
  readonly told: Told
  /** Ms since the epoch. */
  readonly at: number
}

export interface WalkOptions {
  readonly world: World
  readonly engine: Engine
  readonly entrances: readonly Entrance[]
  /** What is wrong with the estate. */
  readonly wrong: readonly Trouble[]
  readonly windows: Windows
  /** `namespace/name` of those that begin. */
  readonly applications: readonly string[]
  /** Adds one to the inventory that nobody knew of. */
  readonly discover: (application: string) => void
  /** At the end of each look at all of them. */
  readonly onRound: () => Promise<void>
  readonly onLook: (onboarding: Onboarding) => void
  readonly onStep: (application: string, step: StepName, onboarding: Onboarding) => void
  /** One was taken back for what is no trouble of the estate, and is sent on again. */
  readonly onTakenBack: (application: string, why: string) => void
  readonly onTrouble: (found: FoundTrouble) => void
  /** Ends the walk before its end. */
  readonly signal: AbortSignal
}

export interface Walked {
  readonly onboardings: readonly Onboarding[]
  readonly troubles: readonly FoundTrouble[]
  /** What gates said when they stayed closed, and how often. */
  readonly closed: ReadonlyMap<string, Told & { readonly times: number }>
}

/** Takes applications from no mesh to mutual TLS alone, and does what their teams would do where something is wrong. */
export async function walk(options: WalkOptions): Promise<Walked> {
  const { world, engine, signal } = options
  const walk = new Walk(options)
  for (const application of options.applications) await engine.start(specOf(application, options))
  while (!signal.aborted && !(await walk.round())) {
    await options.onRound()
    await world.clock.wait(REST_MS, signal)
  }
  return { onboardings: await world.journal.list(), troubles: walk.troubles, closed: walk.closed }
}

class Walk {
  readonly troubles: FoundTrouble[] = []
  readonly closed = new Map<string, Told & { readonly times: number }>()
  readonly #options: WalkOptions
  readonly #tries = new Map<string, number>()
  readonly #behind = new Map<string, Set<StepName>>()

  constructor(options: WalkOptions) {
    this.#options = options
  }

  /** One look at each. Returns whether all are at the end. */
  async round(): Promise<boolean> {
    const { world, signal } = this.#options
    let isOver = true
    for (const { spec } of await world.journal.list()) {
      if (signal.aborted) return false
      const onboarding = await this.#advance(spec.application)
      if (!onboarding) continue
      this.#options.onLook(onboarding)
      this.#tell(onboarding)
      for (const told of toldBy(onboarding)) {
        this.#note(told)
        await this.#answer(told)
      }
      await this.#again(spec.application)
      isOver &&= isDone(onboarding)
    }
    return isOver
  }

  /** Looks again at once where there is something to be done: only waiting takes turns. */
  async #advance(application: string): Promise<Onboarding | undefined> {
    const { world, engine, signal } = this.#options
    for (let before = await world.journal.load(application); ; ) {
      const after = await engine.tryAdvance(application)
      if (!after || !before || signal.aborted || after.history.length === before.history.length) return after
      before = after
    }
  }

  #tell(onboarding: Onboarding): void {
    const { application } = onboarding.spec
    const known = this.#behind.get(application) ?? new Set()
    this.#behind.set(application, known)
    for (const step of STEP_NAMES) {
      const { state } = onboarding.steps[step]
      if (known.has(step) || (state !== 'done' && state !== 'nothing to do')) continue
      known.add(step)
      this.#options.onStep(application, step, onboarding)
    }
  }

  #note(told: Told): void {
    if (told.how === 'taken into account') return
    // Numbers and times change from look to look: it is the same thing.
    const key = JSON.stringify([told.application, told.step, told.how, told.says.replaceAll(/[\d.:TZ-]+/g, '#')])
    const times = (this.closed.get(key)?.times ?? 0) + 1
    this.closed.set(key, { ...told, times })
  }

  /** Sends one on that was taken back, where that is not for its team to mend first. */
  async #again(application: string): Promise<void> {
    const { world, engine, wrong, onTakenBack } = this.#options
    const isWaiting = wrong.some(
      (trouble) =>
        trouble.remedy &&
        'change' in trouble.remedy &&
        trouble.remedy.change === application &&
        !this.troubles.some((found) => found.trouble === trouble),
    )
    const onboarding = await world.journal.load(application)
    if (isWaiting || onboarding?.wish !== 'pause') return
    const why = onboarding.held.map(({ says }) => says).join('; ')
    onTakenBack(application, why)
    const tries = (this.#tries.get(application) ?? 0) + 1
    this.#tries.set(application, tries)
    if (tries > MOST_TRIES) throw new Error(`${application} was taken back ${tries} times, the last time: ${why}`)
    await engine.wish(application, 'go')
  }

  /** What the team does that hears of it, once. */
  async #answer(told: Told): Promise<void> {
    const { world, engine, wrong, discover, onTrouble } = this.#options
    const trouble = wrong.find((each) => each.isTold(told))
    if (!trouble || this.troubles.some((found) => found.trouble === trouble)) return
    const found = { trouble, told, at: world.clock.now() }
    const { remedy } = trouble
    if (remedy && 'change' in remedy) {
      // Not before it has been taken back: what is wrong is mended on solid ground.
      const there = await world.journal.load(remedy.change)
      if (there?.wish !== 'pause') return
      await this.#change(remedy)
      await engine.wish(remedy.change, 'go')
    } else if (remedy) {
      discover(remedy.join)
      await engine.start(specOf(remedy.join, this.#options))
    }
    this.troubles.push(found)
    onTrouble(found)
  }

  async #change({ change, variable, value }: { change: string; variable: string; value: string }): Promise<void> {
    const { objects } = this.#options.world
    const [namespace = '', name = ''] = change.split('/')
    const deployment = await objects.read({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace } })
    if (!deployment) throw new Error(`Deployment ${change} is gone`)
    await objects.write(
      { put: [withVariable(deployment, variable, value)], remove: [] },
      `${change}: ${variable} is ${value}`,
    )
  }
}

/** Where nothing is left to be done. */
export function isDone({ steps }: Onboarding): boolean {
  return STEP_NAMES.every((name) => ['done', 'nothing to do', 'left out'].includes(steps[name].state))
}

const SERVES_NOTHING = 'it serves nothing: nobody calls it'

function specOf(
  application: string,
  { entrances, wrong, windows }: Pick<WalkOptions, 'entrances' | 'wrong' | 'windows'>,
): OnboardingSpec {
  const isClient = wrong.some(({ remedy }) => remedy && 'join' in remedy && remedy.join === application)
  const entrance = entrances.find((each) => each.application === application)
  return {
    application,
    leaveOut: isClient
      ? {
          traffic: SERVES_NOTHING,
          'authorization-dry-run': SERVES_NOTHING,
          authorization: SERVES_NOTHING,
          strict: SERVES_NOTHING,
        }
      : {},
    windows,
    // A few visits each second are all that two cores can do for forty proxies. Who is slow at one of twenty is slow at one of these.
    limits: { ...USUAL_LIMITS, requests: isClient ? 0 : 3, slower: 10, slowerMs: 500, timeoutRequests: 40 },
    ...(entrance ? { gateway: entrance.gateway } : {}),
    declared: [],
  }
}

interface Variables {
  readonly template: {
    readonly spec: {
      readonly containers: readonly { readonly env?: readonly { readonly name: string; readonly value?: string }[] }[]
    }
  }
}

function withVariable(deployment: EstateObject, name: string, value: string): EstateObject {
  const spec = deployment['spec'] as Variables
  const containers = spec.template.spec.containers.map((container) => ({
    ...container,
    env: (container.env ?? []).map((each) => (each.name === name ? { name, value } : each)),
  }))
  return {
    ...deployment,
    spec: { ...spec, template: { ...spec.template, spec: { ...spec.template.spec, containers } } },
  }
}
