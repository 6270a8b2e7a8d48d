import { ownWorkloads } from './look.ts'
import { type Finding, type Onboarding, type Regression, STEP_NAMES, type StepName } from './onboarding.ts'
import { ACTIVE, noted } from './record.ts'
import { compared, telltalesIn } from './regression.ts'
import type { Step, View } from './step.ts'
import type { ObservedSignals } from './world.ts'

/** No application is looked at for this more often, in ms: nothing of it is urgent. */
const LOOK_MS = 60_000

/** After how long it is looked again, in ms. */
export function laterInterval({ spec }: Onboarding): number {
  return Math.min(LOOK_MS, spec.windows.watch)
}

/** What is worse since steps that were taken and watched: each with how to take it back, or to live with it. */
export function regressions({ spec, steps }: Onboarding): readonly Finding[] {
  return regressed({ steps }).map(([name, { findings }]) => ({
    holds: false,
    says: `since ${name} was done: ${findings.map(({ says }) => says).join('; ')}`,
    remedy: `if that comes of ${name}: weft adopt onboard ${spec.application} --undo ${name}; if not, take it as it is: weft adopt onboard ${spec.application} --resume`,
  }))
}

/** The steps that something is worse since, the first step first. */
export function regressed({ steps }: Pick<Onboarding, 'steps'>): readonly (readonly [StepName, Regression])[] {
  return STEP_NAMES.flatMap((name): [StepName, Regression][] => {
    const { state, later } = steps[name]
    return state === 'done' && later ? [[name, later]] : []
  })
}

/**
 * Looks at steps that were watched long ago: for what only they can cause, and else for what is worse than before them. An application that does worse than before a step,
 * and not worse than before the next one, does so since that step. Without evidence what was seen stays as it was.
 */
export async function lookedLater(view: View, steps: Readonly<Record<StepName, Step>>): Promise<Onboarding> {
  const { onboarding, coverage, now } = view
  const isMoving =
    typeof onboarding.wish === 'object' || STEP_NAMES.some((name) => ACTIVE.has(onboarding.steps[name].state))
  if (isMoving || coverage.problems.length > 0) return onboarding
  const done = STEP_NAMES.filter((name) => {
    const { state, objects } = onboarding.steps[name]
    return state === 'done' && objects.length > 0
  }).toReversed()
  const signals = signalsSince(view)
  const caused = new Map<StepName, readonly Finding[]>()
  for (const name of done) {
    const { since, baseline = null, accepted = 0 } = onboarding.steps[name]
    const own = (await steps[name].later?.(view, Math.max(since, accepted))) ?? []
    const { lasting = [] } = steps[name]
    const told = lasting.length > 0 ? telltalesIn(baseline, await signals(name), lasting) : []
    caused.set(name, [...own, ...told])
  }
  let isTold = [...caused.values()].some((findings) => findings.length > 0)
  let next = onboarding
  for (const name of done) {
    const { baseline, later } = onboarding.steps[name]
    const after = isTold ? undefined : await signals(name)
    const comparison = baseline && after && compared(baseline, after, onboarding.spec.limits, [])
    const worse = comparison?.verdict === 'worse' ? comparison.findings.filter(({ holds }) => !holds) : []
    const findings = [...(caused.get(name) ?? []), ...worse]
    isTold ||= worse.length > 0
    const isUnknown = later !== undefined && !isTold && comparison?.verdict !== 'fine'
    if (isUnknown) isTold = true
    else next = withRegression(next, name, findings, now)
  }
  return next
}

/** What is seen now, in a window as long as what it is compared with; undefined where it is not compared with before that step. */
function signalsSince({
  onboarding,
  evidence,
  workloads,
  now,
}: View): (name: StepName) => Promise<ObservedSignals | undefined> {
  const { windows } = onboarding.spec
  const asked = new Map<number, Promise<ObservedSignals | undefined>>()
  return async (name) => {
    const { since, baseline, later, accepted } = onboarding.steps[name]
    // Where nobody saw it before, nobody can tell what it is worse than.
    if (!baseline || accepted !== undefined || (now - since > windows.later && !later)) return undefined
    const from = Math.max(since, onboarding.trustedSince, now - windows.baseline)
    const seen = asked.get(from) ?? evidence.signals({ workloads: ownWorkloads({ workloads }), from, to: now })
    asked.set(from, seen)
    return seen
  }
}

function withRegression(onboarding: Onboarding, name: StepName, findings: readonly Finding[], now: number): Onboarding {
  const { later: before, ...status } = onboarding.steps[name]
  const steps = (later?: Regression) => ({
    ...onboarding.steps,
    [name]: later ? { ...status, later } : status,
  })
  if (findings.length === 0)
    return before ? noted({ ...onboarding, steps: steps() }, now, 'all is well again', name) : onboarding
  const told = { ...onboarding, steps: steps({ since: before?.since ?? now, findings }) }
  return before
    ? told
    : noted(told, now, `worse since it was done: ${findings.map(({ says }) => says).join('; ')}`, name)
}
