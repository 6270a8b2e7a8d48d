import { Look } from './advance.ts'
import { laterInterval, lookedLater } from './later.ts'
import { look, standing } from './look.ts'
import {
  type Finding,
  newOnboarding,
  type Onboarding,
  type OnboardingSpec,
  STEP_NAMES,
  type StepName,
  type Wish,
} from './onboarding.ts'
import { anew, BEHIND, held, noted, resumed, wishText } from './record.ts'
import type { Step, View } from './step.ts'
import { STEPS } from './steps/all.ts'
import { durationText } from './texts.ts'
import type { ObjectChange, World } from './world.ts'

/** By how much the two clocks may differ between two looks, in ms, before what they say is not believed. */
const JUMP_MS = 30_000

/** What would be done next. */
export interface Preview {
  /** Undefined where nothing is left. */
  readonly step?: StepName
  /** Why there is nothing to do at it. */
  readonly nothing?: string
  readonly findings: readonly Finding[]
  readonly change: ObjectChange
}

/**
 * Carries applications through their steps. Each look takes what is written in the journal, does at most one thing, and writes down what it is about
 * to do before it does it: so a process may be killed at any moment, and the next one goes on. One engine at a time may look after a mesh.
 */
export class Engine {
  readonly #world: World
  readonly #steps: Readonly<Record<StepName, Step>>
  /** What the clocks said when each application was looked at last. */
  readonly #last = new Map<string, { readonly now: number; readonly elapsed: number }>()
  /** When steps of each were looked at last that were done long ago, as the clock that never jumps says. */
  readonly #later = new Map<string, number>()

  constructor(world: World, steps: Readonly<Record<StepName, Step>> = STEPS) {
    this.#world = world
    this.#steps = steps
  }

  /** Begins, or goes on with what is already there: then only the spec is taken. */
  async start(spec: OnboardingSpec): Promise<Onboarding> {
    const { journal, clock } = this.#world
    const there = await journal.load(spec.application)
    const begun = there ? resumed({ ...there, spec }, clock.now()) : newOnboarding(spec, clock.now())
    await journal.save(begun)
    return begun
  }

  /** Does once what a resource asks for; the same text is the same request. */
  async heed(spec: OnboardingSpec, wish: Wish, asked: string): Promise<void> {
    const { journal, clock } = this.#world
    const there = await journal.load(spec.application)
    if (there?.asked === asked) return
    const now = clock.now()
    const begun = there ? resumed({ ...there, spec }, now) : newOnboarding(spec, now)
    const wished = wish === 'go' ? begun : noted({ ...begun, wish, held: [] }, now, wishText(wish))
    await journal.save({ ...wished, asked })
  }

  /** Says what somebody wants; undefined where this application is not on its way. */
  async wish(application: string, wish: Wish): Promise<Onboarding | undefined> {
    const { journal, clock } = this.#world
    const there = await journal.load(application)
    if (!there) return undefined
    const now = clock.now()
    const changed = wish === 'go' ? resumed(there, now) : noted({ ...there, wish, held: [] }, now, wishText(wish))
    await journal.save(changed)
    return changed
  }

  /** One look at one application. Returns where it stands then; undefined where it is not on its way. */
  async advance(application: string): Promise<Onboarding | undefined> {
    const { journal, clock } = this.#world
    const loaded = await journal.load(application)
    if (!loaded) return undefined
    const now = clock.now()
    const timely = this.#clocked(loaded, now)
    const view = await look(timely, this.#world)
    const next = view
      ? await new Look(this.#world, this.#steps, await this.#withLater(trusted(view))).advance()
      : held(timely, [
          { holds: false, says: `there is no Application ${application} any more`, remedy: 'write it again' },
        ])
    const seen = { ...next, seenAt: now }
    await journal.save(seen)
    return seen
  }

  /**
   * As `advance`, for who goes on for days: where the mesh, a cluster or a repository cannot be asked or written now, that is what holds the application, and the next look tries
   * again. What was begun is written down.
   */
  async tryAdvance(application: string): Promise<Onboarding | undefined> {
    try {
      return await this.advance(application)
    } catch (error) {
      const { journal } = this.#world
      const there = await journal.load(application)
      if (!there) return undefined
      const says = (error as Error).message.replace(/\.$/, '')
      const waiting = held(there, [{ holds: false, says, remedy: 'it is tried again' }])
      await journal.save(waiting)
      return waiting
    }
  }

  /** What the next step would write, and what its gate says; nothing is changed. @throws Error where there is no such Application */
  async preview(spec: OnboardingSpec): Promise<Preview> {
    const { journal, clock } = this.#world
    const there = await journal.load(spec.application)
    const onboarding = there ? { ...there, spec } : newOnboarding(spec, clock.now())
    const view = await look(onboarding, this.#world)
    if (!view) throw new Error(`there is no Application ${spec.application}`)
    const name = STEP_NAMES.find((each) => !BEHIND.has(onboarding.steps[each].state))
    const none = { put: [], remove: [] }
    if (name === undefined) return { findings: [], change: none }
    const step = this.#steps[name]
    const proposal = await step.propose(trusted(view))
    if ('nothing' in proposal) return { step: name, nothing: proposal.nothing, findings: standing(view), change: none }
    const findings = [...standing(view), ...(await step.gate(trusted(view))), ...proposal.findings]
    return { step: name, findings, change: { put: proposal.put, remove: proposal.remove } }
  }

  /** With what came of steps that were done long ago, where it is time to look for that. */
  async #withLater(view: View): Promise<View> {
    const { onboarding } = view
    const elapsed = this.#world.clock.elapsed()
    const last = this.#later.get(onboarding.spec.application)
    if (last !== undefined && elapsed - last < laterInterval(onboarding)) return view
    this.#later.set(onboarding.spec.application, elapsed)
    return { ...view, onboarding: await lookedLater(view, this.#steps) }
  }

  /** Begins all times anew where the clock went back, or on by other than what passed. */
  #clocked(onboarding: Onboarding, now: number): Onboarding {
    const elapsed = this.#world.clock.elapsed()
    const last = this.#last.get(onboarding.spec.application)
    this.#last.set(onboarding.spec.application, { now, elapsed })
    const drift = last ? now - last.now - (elapsed - last.elapsed) : 0
    if (Math.abs(drift) <= JUMP_MS && now >= onboarding.seenAt - JUMP_MS) return onboarding
    const says =
      Math.abs(drift) > JUMP_MS
        ? `the clock jumped by ${durationText(Math.abs(drift))}: all windows begin anew`
        : `the clock was set back by ${durationText(onboarding.seenAt - now)}: all windows begin anew`
    return noted(anew(onboarding, now), now, says)
  }
}

/** Where evidence is lost now, all windows begin when it is complete again. */
function trusted(view: View): View {
  if (view.coverage.problems.length === 0) return view
  return { ...view, onboarding: { ...view.onboarding, trustedSince: view.now } }
}
