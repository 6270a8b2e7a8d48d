import type { EstateObject } from '../estate/estate.ts'
import type { ObjectName, ObservedSignals } from './world.ts'

/** The steps, in their order. */
export const STEP_NAMES = [
  'permissive',
  'gateway',
  'proxy-canary',
  'proxies',
  'mutual-tls',
  'traffic',
  'limits',
  'authorization-dry-run',
  'authorization',
  'strict',
] as const

export type StepName = (typeof STEP_NAMES)[number]

/** What an application is asked to go through. Times in ms. */
export interface OnboardingSpec {
  /** `namespace/name`. */
  readonly application: string
  /** Steps that are not for it, each with the reason. */
  readonly leaveOut: Readonly<Partial<Record<StepName, string>>>
  /** The first step that is not begun without a further word; all are where absent. */
  readonly holdBefore?: StepName
  readonly windows: Windows
  readonly limits: Limits
  /** How requests come in from outside of the mesh; absent where none do. */
  readonly gateway?: DeclaredGateway
  /** Objects for the step `limits`, as the team declares them: rate limits, RequestAuthentication. */
  readonly declared: readonly EstateObject[]
}

export interface Windows {
  /** How long each step is watched. */
  readonly watch: number
  /** What a step is compared with: so long before it. */
  readonly baseline: number
  /** For how long calls must have been seen before authorization is made of them. */
  readonly authorization: number
  /** For how long every client must have used mutual TLS before STRICT. */
  readonly strict: number
  /** How long proxies and pods may take until a change is in force. */
  readonly settle: number
  /** For how long after a step was done it is still compared with before it; 0 for not at all. */
  readonly later: number
}

export interface Limits {
  /** By how much more of the requests may fail than before, 0 to 1. */
  readonly moreErrors: number
  /** By what factor the time of requests may grow. */
  readonly slower: number
  /** And by how many ms, whatever the factor says: proxies cost something. */
  readonly slowerMs: number
  /** Where nobody saw it before: share of requests that may fail, 0 to 1. */
  readonly errors: number
  /** Of fewer requests (or connections) nothing is concluded; 0 lets one pass that is not called at all. */
  readonly requests: number
  /** Timeouts are this many times what 999 of 1000 requests took, at least. */
  readonly timeoutFactor: number
  /** Of fewer requests whose time is known no timeout is made: the slow ones may not have been among them. */
  readonly timeoutRequests: number
}

export interface DeclaredGateway {
  readonly hostname: string
  /** Port of the listener. */
  readonly port: number
  /** The Gateway that it shares with others; absent for one of its own. */
  readonly shared?: { readonly name: string; readonly namespace: string }
  /** Of the Service that requests go to. */
  readonly service: string
  readonly servicePort: number
}

/** Something that was looked at, and what it came to: for people, and for the report. */
export interface Finding {
  readonly holds: boolean
  /** One sentence without a full stop. */
  readonly says: string
  /** What to do about it, in the imperative; where it does not hold. */
  readonly remedy?: string
  /** The numbers that it tells, by name, for programs: times in ms. */
  readonly numbers?: Readonly<Record<string, number>>
}

/** What a gate said when it was asked last. */
export interface GateAnswer {
  readonly open: boolean
  /** Ms since the epoch. */
  readonly at: number
  readonly findings: readonly Finding[]
}

/**
 * Where a step stands. `writing` is said before the first object is written, so that who comes after a crash knows what may be half done.
 * `settling`: written, not in force everywhere. `watching`: in force, and watched. `unwriting`, `unsettling`: the same on the way back.
 */
export type StepState =
  | 'pending'
  | 'writing'
  | 'settling'
  | 'watching'
  | 'tidying'
  | 'done'
  | 'left out'
  | 'nothing to do'
  | 'unwriting'
  | 'unsettling'
  | 'undone'

/** An object as it was before a step, and as the step made it; undefined for none. */
export interface ObjectBefore {
  readonly name: ObjectName
  readonly before: EstateObject | undefined
  readonly after: EstateObject | undefined
}

export interface StepStatus {
  readonly state: StepState
  /** Since when it is in this state, in ms since the epoch. */
  readonly since: number
  readonly gate?: GateAnswer
  /** All that the step has written, the first state of each kept: what `undo` brings back. */
  readonly objects: readonly ObjectBefore[]
  /** What the application's calls came to before; null where nobody saw them. */
  readonly baseline?: ObservedSignals | null
  /** What they come to since, and how that compares. */
  readonly check?: GateAnswer
  /** Why it was undone. */
  readonly why?: string
  /** What is worse since it was done; absent where nothing is. It is told, and people decide. */
  readonly later?: Regression
  /** When somebody took what was worse as it is, in ms since the epoch: what came before counts for nothing. */
  readonly accepted?: number
}

/** What came after a step had been watched, and was not there before it. */
export interface Regression {
  /** When it was seen first, in ms since the epoch. */
  readonly since: number
  readonly findings: readonly Finding[]
}

export interface HistoryEntry {
  /** Ms since the epoch. */
  readonly at: number
  readonly step?: StepName
  readonly says: string
}

/** What somebody wants: it counts from the next look on. */
export type Wish = 'go' | 'pause' | { readonly undo: StepName; readonly by: 'somebody' | 'regression' }

/** How far an application is: everything that a process needs to go on where another was killed. */
export interface Onboarding {
  readonly spec: OnboardingSpec
  readonly wish: Wish
  readonly steps: Readonly<Record<StepName, StepStatus>>
  /** The oldest first; the last 200. */
  readonly history: readonly HistoryEntry[]
  /** What holds it now, in words; empty where nothing does. */
  readonly held: readonly Finding[]
  /** When it was looked at last, in ms since the epoch: a clock that was set back is seen by it. */
  readonly seenAt: number
  /** Evidence from before counts for nothing: the clock jumped, or evidence was lost. */
  readonly trustedSince: number
  /** What a resource asked for when it was heeded last, as text; absent where none did. */
  readonly asked?: string
}

/** What is usual, for an application in production. */
export const USUAL_WINDOWS: Windows = {
  watch: 10 * 60_000,
  baseline: 60 * 60_000,
  authorization: 7 * 86_400_000,
  strict: 7 * 86_400_000,
  settle: 10 * 60_000,
  later: 86_400_000,
}

export const USUAL_LIMITS: Limits = {
  moreErrors: 0.005,
  slower: 1.5,
  slowerMs: 20,
  errors: 0.01,
  requests: 100,
  timeoutFactor: 3,
  // By the rule of three: of so many without one that takes longer, fewer than 1 in 100 do, at 95 %.
  timeoutRequests: 300,
}

/** A new one, at its first step. @param now ms since the epoch */
export function newOnboarding(spec: OnboardingSpec, now: number): Onboarding {
  const steps = STEP_NAMES.map((name): [StepName, StepStatus] => [
    name,
    { state: spec.leaveOut[name] === undefined ? 'pending' : 'left out', since: now, objects: [] },
  ])
  return {
    spec,
    wish: 'go',
    steps: Object.fromEntries(steps) as Record<StepName, StepStatus>,
    history: [{ at: now, says: `onboarding of ${spec.application} began` }],
    held: [],
    seenAt: now,
    trustedSince: 0,
  }
}
