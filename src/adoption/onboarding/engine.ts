import { look, ownInstances, ownWorkloads, standing } from './look.ts'
import {
  type Finding,
  type GateAnswer,
  newOnboarding,
  type Onboarding,
  type OnboardingSpec,
  STEP_NAMES,
  type StepName,
  type StepStatus,
  type Wish,
} from './onboarding.ts'
import { compared } from './regression.ts'
import { hostsOf } from './rules.ts'
import type { Step, View } from './step.ts'
import { STEPS } from './steps/all.ts'
import { durationText } from './texts.ts'
import type { ObjectChange, World } from './world.ts'
import { backward, changedByOthers, forward, intended, joined, nameText } from './writing.ts'

/** By how much the two clocks may differ between two looks, in ms, before what they say is not believed. */
const JUMP_MS = 30_000
const MOST_HISTORY = 200

/**
 * Carries applications through their steps. Each look takes what is written in the journal, does at most one thing, and writes down what it is about
 * to do before it does it: so a process may be killed at any moment, and the next one goes on. One engine at a time may look after a mesh.
 */
export class Engine {
  readonly #world: World
  readonly #steps: Readonly<Record<StepName, Step>>
  #last: { readonly now: number; readonly elapsed: number } | undefined

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
      ? await new Look(this.#world, this.#steps, trusted(view)).advance()
      : held(timely, [
          { holds: false, says: `there is no Application ${application} any more`, remedy: 'write it again' },
        ])
    const seen = { ...next, seenAt: now }
    await journal.save(seen)
    return seen
  }

  /** Begins all times anew where the clock went back, or on by other than what passed. */
  #clocked(onboarding: Onboarding, now: number): Onboarding {
    const elapsed = this.#world.clock.elapsed()
    const last = this.#last
    this.#last = { now, elapsed }
    const drift = last ? now - last.now - (elapsed - last.elapsed) : 0
    if (Math.abs(drift) <= JUMP_MS && now >= onboarding.seenAt - JUMP_MS) return onboarding
    const says =
      Math.abs(drift) > JUMP_MS
        ? `the clock jumped by ${durationText(Math.abs(drift))}: all windows begin anew`
        : `the clock was set back by ${durationText(onboarding.seenAt - now)}: all windows begin anew`
    return noted(anew(onboarding, now), now, says)
  }
}

/** Nothing that was seen before counts. */
function anew(onboarding: Onboarding, now: number): Onboarding {
  const steps = Object.entries(onboarding.steps).map(([name, step]) => [
    name,
    ACTIVE.has(step.state) || step.since > now ? { ...step, since: now } : step,
  ])
  return { ...onboarding, trustedSince: now, steps: Object.fromEntries(steps) as Onboarding['steps'] }
}

/** Where evidence is lost now, all windows begin when it is complete again. */
function trusted(view: View): View {
  if (view.coverage.problems.length === 0) return view
  return { ...view, onboarding: { ...view.onboarding, trustedSince: view.now } }
}

const ACTIVE: ReadonlySet<string> = new Set(['writing', 'settling', 'watching', 'tidying', 'unwriting', 'unsettling'])
const BEHIND: ReadonlySet<string> = new Set(['done', 'left out', 'nothing to do'])

/** One look at one application: it decides by what it sees, and does one thing. */
class Look {
  readonly #world: World
  readonly #steps: Readonly<Record<StepName, Step>>
  readonly #view: View

  constructor(world: World, steps: Readonly<Record<StepName, Step>>, view: View) {
    this.#world = world
    this.#steps = steps
    this.#view = view
  }

  async advance(): Promise<Onboarding> {
    const { onboarding } = this.#view
    const { wish, steps } = onboarding
    if (typeof wish === 'object') return this.#undo(wish.undo, wish.by)
    const name = STEP_NAMES.find((each) => !BEHIND.has(steps[each].state))
    if (name === undefined) return { ...onboarding, held: [] }
    const { state } = steps[name]
    if (state === 'writing') return this.#write(name)
    if (state === 'settling') return this.#settle(name)
    if (state === 'watching') return this.#watch(name)
    if (state === 'tidying') return this.#tidy(name)
    if (wish === 'pause') return onboarding
    return this.#begin(name)
  }

  /** Asks the gate, and writes down what is about to be written. */
  async #begin(name: StepName): Promise<Onboarding> {
    const { onboarding, now } = this.#view
    const step = this.#steps[name]
    const stands = standing(this.#view)
    if (stands.some(({ holds }) => !holds)) return this.#closed(name, stands)
    const proposal = await step.propose(this.#view)
    if ('nothing' in proposal)
      return this.#to(name, { state: 'nothing to do', why: proposal.nothing }, `nothing to do: ${proposal.nothing}`)
    const findings = [...stands, ...(await step.gate(this.#view)), ...proposal.findings]
    if (findings.some(({ holds }) => !holds)) return this.#closed(name, findings)
    if (onboarding.spec.holdBefore === name)
      return this.#closed(name, [
        ...findings,
        { holds: false, says: 'it is held by spec.holdBefore', remedy: 'take it out to go on' },
      ])
    const objects = await intended(this.#world.objects, proposal)
    const baseline = await this.#signals(now - onboarding.spec.windows.baseline)
    const gate = { open: true, at: now, findings }
    const begun = this.#to(name, { state: 'writing', gate, objects, baseline: baseline ?? null }, 'its gate is open')
    await this.#world.journal.save(begun)
    return new Look(this.#world, this.#steps, { ...this.#view, onboarding: begun }).#write(name)
  }

  #closed(name: StepName, findings: readonly Finding[]): Onboarding {
    const { onboarding, now } = this.#view
    const gate: GateAnswer = { open: false, at: now, findings }
    const steps = { ...onboarding.steps, [name]: { ...onboarding.steps[name], gate } }
    return held(
      { ...onboarding, steps },
      findings.filter(({ holds }) => !holds),
    )
  }

  async #write(name: StepName): Promise<Onboarding> {
    const change = await forward(this.#world.objects, this.#status(name).objects)
    await this.#world.objects.write(change, `${this.#view.onboarding.spec.application}: ${this.#steps[name].title}`)
    const written = [...change.put, ...change.remove].map(nameText)
    return this.#to(name, { state: 'settling' }, `written: ${written.join(', ') || 'all was so already'}`)
  }

  /** Waits until all who must have it do. */
  async #settle(name: StepName): Promise<Onboarding> {
    const { onboarding, now } = this.#view
    const status = this.#status(name)
    const others = await changedByOthers(this.#world.objects, status.objects)
    if (others.length > 0) return this.#regressed(name, [changed(others)])
    const is = await this.#world.mesh.inForce(await this.#asWritten(status))
    if (is.state === 'in force') return this.#to(name, { state: 'watching' }, 'in force at every proxy')
    const finding: Finding = { holds: false, says: is.why, remedy: 'wait' }
    if (is.state === 'refused') return this.#regressed(name, [finding])
    // Who applies what is committed may take days.
    if (is.state === 'unread' || now - status.since <= onboarding.spec.windows.settle)
      return held(onboarding, [finding])
    return this.#regressed(name, [
      {
        holds: false,
        says: `after ${durationText(now - status.since)} still: ${is.why}`,
        remedy: 'see weft proxy-status',
      },
    ])
  }

  /** What a step wrote, as it stands now. */
  async #asWritten({ objects }: StepStatus): Promise<ObjectChange> {
    const read = await Promise.all(objects.map(({ name }) => this.#world.objects.read(name)))
    return {
      put: read.filter((object) => object !== undefined),
      remove: objects.filter(({ after }, i) => !after && !read[i]).map(({ name }) => name),
    }
  }

  /** Looks whether it does worse than before; passes when it was watched for long enough. */
  async #watch(name: StepName): Promise<Onboarding> {
    const { onboarding, now, coverage } = this.#view
    const { windows, limits } = onboarding.spec
    const step = this.#steps[name]
    const status = this.#status(name)
    const stands = standing(this.#view).filter(({ holds }) => !holds)
    if (stands.length > 0) return this.#checked(name, held(onboarding, stands), stands)
    const others = await changedByOthers(this.#world.objects, status.objects)
    if (others.length > 0) return this.#regressed(name, [changed(others)])
    const own = (await step.check?.(this.#view, status.since)) ?? []
    if (own.some(({ holds }) => !holds)) return this.#regressed(name, own)
    // What no Service leads to is called by nobody.
    const least = hostsOf(this.#view).length > 0 ? limits : { ...limits, requests: 0 }
    const seen = ownInstances(this.#view).some(({ hasProxy }) => hasProxy)
    const comparison = seen
      ? compared(status.baseline ?? null, await this.#signals(status.since), least, step.telltales ?? [])
      : {
          verdict: 'fine' as const,
          findings: [{ holds: true, says: 'it has no proxy yet, so nothing of this touches it' }],
        }
    const findings = [...own, ...comparison.findings]
    if (comparison.verdict === 'worse') return this.#regressed(name, findings)
    if (coverage.problems.length > 0 && seen) {
      const lost = coverage.problems.map((says) => ({
        holds: false,
        says: `evidence is not complete: ${says}`,
        remedy: 'mend that',
      }))
      return this.#checked(name, held(anew(onboarding, now), lost), [...findings, ...lost])
    }
    const watched = now - status.since
    const left = seen ? windows.watch - watched : 0
    if (left > 0) {
      const wait = {
        holds: false,
        says: `watched for ${durationText(watched)} of ${durationText(windows.watch)}`,
        remedy: 'wait',
      }
      return this.#checked(name, held(onboarding, [wait]), findings)
    }
    if (comparison.verdict === 'too few') return this.#checked(name, held(onboarding, comparison.findings), findings)
    const check = { open: true, at: now, findings }
    const tidy = (await step.tidy?.(this.#view)) ?? { put: [], remove: [] }
    if (tidy.put.length + tidy.remove.length === 0) return this.#to(name, { state: 'done', check }, 'done')
    const objects = joined(status.objects, await intended(this.#world.objects, tidy))
    return this.#to(name, { state: 'tidying', check, objects }, 'all is well')
  }

  async #tidy(name: StepName): Promise<Onboarding> {
    const change = await forward(this.#world.objects, this.#status(name).objects)
    await this.#world.objects.write(
      change,
      `${this.#view.onboarding.spec.application}: ${this.#steps[name].title}, done`,
    )
    return this.#to(name, { state: 'done' }, 'done')
  }

  /** Takes back the last step that is not, down to one; one thing in each look. */
  async #undo(to: StepName, by: 'somebody' | 'regression'): Promise<Onboarding> {
    const { onboarding, now } = this.#view
    const names = STEP_NAMES.slice(STEP_NAMES.indexOf(to)).toReversed()
    const name = names.find(
      (each) => ACTIVE.has(onboarding.steps[each].state) || onboarding.steps[each].state === 'done',
    )
    if (name === undefined) {
      const why = onboarding.steps[to].why
      const says = by === 'somebody' ? `undone down to ${to}` : `taken back: ${why}`
      const done = noted({ ...onboarding, wish: 'pause', held: [] }, now, says, to)
      return by === 'somebody'
        ? done
        : held(done, [
            {
              holds: false,
              says: `${to} was taken back: ${why}`,
              remedy: `mend that, then: weft adopt onboard ${onboarding.spec.application} --resume`,
            },
          ])
    }
    const status = this.#status(name)
    if (status.state === 'unwriting') return this.#unwrite(name)
    if (status.state === 'unsettling') return this.#unsettle(name)
    const gate = (await this.#steps[name].undoGate?.(this.#view)) ?? []
    if (gate.some(({ holds }) => !holds))
      return held(
        onboarding,
        gate.filter(({ holds }) => !holds),
      )
    const begun = this.#to(
      name,
      { state: 'unwriting' },
      `is taken back, ${by === 'somebody' ? 'as somebody wants' : `as it does worse: ${status.why}`}`,
    )
    await this.#world.journal.save(begun)
    return new Look(this.#world, this.#steps, { ...this.#view, onboarding: begun }).#unwrite(name)
  }

  async #unwrite(name: StepName): Promise<Onboarding> {
    const { application } = this.#view.onboarding.spec
    const { left, ...change } = await backward(this.#world.objects, this.#status(name).objects, application)
    await this.#world.objects.write(change, `${application}: take back ${this.#steps[name].title}`)
    const says = [...change.put, ...change.remove].map(nameText).join(', ') || 'nothing was left of it'
    return this.#to(name, { state: 'unsettling' }, `taken back: ${[says, ...left].join('; ')}`)
  }

  /** The way back counts when it is in force, too. */
  async #unsettle(name: StepName): Promise<Onboarding> {
    const status = this.#status(name)
    const { left: _, ...rest } = await backward(
      this.#world.objects,
      status.objects,
      this.#view.onboarding.spec.application,
    )
    // Somebody wrote ours again meanwhile, such as a loop that applies an older commit.
    if (rest.put.length + rest.remove.length > 0) return this.#unwrite(name)
    const read = await Promise.all(status.objects.map(({ name: object }) => this.#world.objects.read(object)))
    const is = await this.#world.mesh.inForce({
      put: read.filter((object) => object !== undefined),
      remove: status.objects.filter((_object, i) => !read[i]).map(({ name: object }) => object),
    })
    if (is.state === 'in force') return this.#to(name, { state: 'undone', objects: [] }, 'undone, and that is in force')
    return held(this.#view.onboarding, [
      { holds: false, says: `on the way back: ${is.why}`, remedy: 'see weft proxy-status' },
    ])
  }

  /** It does worse: from the next look on it is taken back. */
  #regressed(name: StepName, findings: readonly Finding[]): Onboarding {
    const { onboarding, now } = this.#view
    const why = findings
      .filter(({ holds }) => !holds)
      .map(({ says }) => says)
      .join('; ')
    const check: GateAnswer = { open: false, at: now, findings }
    const steps = { ...onboarding.steps, [name]: { ...onboarding.steps[name], check, why } }
    return noted({ ...onboarding, steps, wish: { undo: name, by: 'regression' } }, now, why, name)
  }

  #checked(name: StepName, onboarding: Onboarding, findings: readonly Finding[]): Onboarding {
    const check: GateAnswer = { open: false, at: this.#view.now, findings }
    return { ...onboarding, steps: { ...onboarding.steps, [name]: { ...onboarding.steps[name], check } } }
  }

  #status(name: StepName): StepStatus {
    return this.#view.onboarding.steps[name]
  }

  #to(name: StepName, change: Partial<StepStatus> & Pick<StepStatus, 'state'>, says: string): Onboarding {
    const { onboarding, now } = this.#view
    const steps = { ...onboarding.steps, [name]: { ...onboarding.steps[name], ...change, since: now } }
    return noted({ ...onboarding, steps, held: [] }, now, says, name)
  }

  async #signals(from: number) {
    const { evidence, now } = this.#view
    const since = Math.max(from, this.#view.onboarding.trustedSince)
    return evidence.signals({ workloads: ownWorkloads(this.#view), from: since, to: now })
  }
}

function changed(others: readonly string[]): Finding {
  return {
    holds: false,
    says: `${others.join(', ')} was changed by somebody else meanwhile`,
    remedy: 'let one write it: onboarding, or who did',
  }
}

function held(onboarding: Onboarding, findings: readonly Finding[]): Onboarding {
  return { ...onboarding, held: findings }
}

function noted(onboarding: Onboarding, at: number, says: string, step?: StepName): Onboarding {
  const entry = { at, says, ...(step === undefined ? {} : { step }) }
  return { ...onboarding, history: [...onboarding.history, entry].slice(-MOST_HISTORY) }
}

/** Goes on: what was taken back, or is after that, is tried again. */
function resumed(onboarding: Onboarding, now: number): Onboarding {
  if (typeof onboarding.wish === 'object') return onboarding
  const first = STEP_NAMES.findIndex((name) => onboarding.steps[name].state === 'undone')
  const steps = STEP_NAMES.map((name, i): [StepName, StepStatus] => {
    const step = onboarding.steps[name]
    if (onboarding.spec.leaveOut[name] !== undefined && !ACTIVE.has(step.state) && step.state !== 'done')
      return [name, { state: 'left out', since: now, objects: [] }]
    const isOver =
      step.state === 'left out' || (first >= 0 && i >= first && !ACTIVE.has(step.state) && step.state !== 'done')
    return [name, isOver ? { state: 'pending', since: now, objects: [] } : step]
  })
  const again = {
    ...onboarding,
    steps: Object.fromEntries(steps) as Onboarding['steps'],
    wish: 'go' as const,
    held: [],
  }
  return onboarding.wish === 'go' ? again : noted(again, now, 'goes on')
}

function wishText(wish: Exclude<Wish, 'go'>): string {
  return wish === 'pause' ? 'paused: what is begun is still watched' : `somebody wants it undone down to ${wish.undo}`
}
