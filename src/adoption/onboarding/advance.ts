import { regressions } from './later.ts'
import { ownInstances, ownWorkloads, standing } from './look.ts'
import {
  type Finding,
  type GateAnswer,
  type Onboarding,
  STEP_NAMES,
  type StepName,
  type StepStatus,
} from './onboarding.ts'
import { ACTIVE, anew, BEHIND, held, noted } from './record.ts'
import { compared } from './regression.ts'
import { hostsOf } from './rules.ts'
import type { Step, View } from './step.ts'
import { durationText } from './texts.ts'
import type { ObjectChange, World } from './world.ts'
import { backward, changedByOthers, forward, intended, joined, nameText } from './writing.ts'

/** One look at one application: it decides by what it sees, and does one thing. */
export class Look {
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
    if (typeof wish === 'object')
      return this.#undo(this.#steps[wish.undo].undoneWith?.(this.#view) ?? wish.undo, wish.undo, wish.by)
    const name = STEP_NAMES.find((each) => !BEHIND.has(steps[each].state))
    if (name === undefined) return { ...onboarding, held: regressions(onboarding) }
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
    // Nothing is built on what does worse: the next step would be compared with that.
    const stands = [...standing(this.#view), ...regressions(onboarding)]
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
    const finding: Finding = { holds: false, says: is.why, remedy: is.state === 'by hand' ? is.command : 'wait' }
    if (is.state === 'refused') return this.#regressed(name, [finding])
    // Who applies what is committed, or has to do something by hand, may take days.
    if (is.state === 'unread' || is.state === 'by hand' || now - status.since <= onboarding.spec.windows.settle)
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

  /** Takes back the last step that is not, down to one; one thing in each look. @param asked what somebody wanted undone, or did worse */
  async #undo(to: StepName, asked: StepName, by: 'somebody' | 'regression'): Promise<Onboarding> {
    const { onboarding, now } = this.#view
    const names = STEP_NAMES.slice(STEP_NAMES.indexOf(to)).toReversed()
    const name = names.find(
      (each) => ACTIVE.has(onboarding.steps[each].state) || onboarding.steps[each].state === 'done',
    )
    if (name === undefined) {
      const why = onboarding.steps[asked].why
      const says = by === 'somebody' ? `undone down to ${to}` : `taken back: ${why}`
      const done = noted({ ...onboarding, wish: 'pause', held: [] }, now, says, to)
      return by === 'somebody'
        ? done
        : held(done, [
            {
              holds: false,
              says: `${asked} was taken back: ${why}`,
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
      {
        holds: false,
        says: `on the way back: ${is.why}`,
        remedy: is.state === 'by hand' ? is.command : 'see weft proxy-status',
      },
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
