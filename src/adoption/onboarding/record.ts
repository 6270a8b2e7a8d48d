import { type Finding, type Onboarding, STEP_NAMES, type StepName, type StepStatus, type Wish } from './onboarding.ts'

/** Entries of the history that are kept. */
const MOST_HISTORY = 200

/** States in which something is half done. */
export const ACTIVE: ReadonlySet<string> = new Set([
  'writing',
  'settling',
  'watching',
  'tidying',
  'unwriting',
  'unsettling',
])
/** States of steps that nothing is left to be done of. */
export const BEHIND: ReadonlySet<string> = new Set(['done', 'left out', 'nothing to do'])

/** Nothing that was seen before counts. */
export function anew(onboarding: Onboarding, now: number): Onboarding {
  const steps = Object.entries(onboarding.steps).map(([name, step]) => [
    name,
    ACTIVE.has(step.state) || step.since > now ? { ...step, since: now } : step,
  ])
  return { ...onboarding, trustedSince: now, steps: Object.fromEntries(steps) as Onboarding['steps'] }
}

/** What holds it now. */
export function held(onboarding: Onboarding, findings: readonly Finding[]): Onboarding {
  return { ...onboarding, held: findings }
}

/** Something that happened. */
export function noted(onboarding: Onboarding, at: number, says: string, step?: StepName): Onboarding {
  const entry = { at, says, ...(step === undefined ? {} : { step }) }
  return { ...onboarding, history: [...onboarding.history, entry].slice(-MOST_HISTORY) }
}

/** Goes on: what was taken back, or is after that, is tried again; what is worse since a step is taken as it is. */
export function resumed(before: Onboarding, now: number): Onboarding {
  if (typeof before.wish === 'object') return before
  const onboarding = accepted(before, now)
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

function accepted(onboarding: Onboarding, now: number): Onboarding {
  const worse = STEP_NAMES.filter((name) => onboarding.steps[name].later)
  if (worse.length === 0) return onboarding
  // It is no worse than before any other step, either.
  const steps = STEP_NAMES.filter((name) => onboarding.steps[name].state === 'done').map((name) => {
    const { later: _, ...status } = onboarding.steps[name]
    return [name, { ...status, accepted: now }]
  })
  const says = `what is worse since ${worse.join(', ')} is taken as it is`
  return noted({ ...onboarding, steps: { ...onboarding.steps, ...Object.fromEntries(steps) } }, now, says)
}

/** A wish as it stands in the history. */
export function wishText(wish: Exclude<Wish, 'go'>): string {
  return wish === 'pause' ? 'paused: what is begun is still watched' : `somebody wants it undone down to ${wish.undo}`
}
