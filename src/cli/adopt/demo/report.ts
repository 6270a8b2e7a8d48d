import { type Onboarding, STEP_NAMES, type StepName } from '../../../adoption/onboarding/onboarding.ts'
import { STEPS } from '../../../adoption/onboarding/steps/all.ts'
import type { Progress } from '../../../adoption/progress/progress.ts'
import { type Block, percent, type ReportDocument } from '../../../adoption/report/document.ts'
import type { FailedVisit } from './visitors.ts'
import { isDone, type Walked } from './walk.ts'

/** What the demo came to: for people as a report, and as data. */
export interface DemoResult {
  /** Whether all take nothing but mutual TLS now. */
  readonly arrived: boolean
  /** The mesh that it was done on. */
  readonly where: string
  readonly seconds: number
  readonly steps: number
  readonly visits: number
  readonly failedVisits: readonly FailedVisit[]
  /** What programs of the estate said of calls of theirs that failed. */
  readonly failedCalls: readonly string[]
  readonly troubles: readonly {
    readonly name: string
    readonly about: string
    readonly application: string
    readonly step: StepName
    readonly how: string
    readonly says: string
    readonly remedy: string
  }[]
  readonly applications: readonly {
    readonly application: string
    readonly steps: readonly DemoStep[]
  }[]
  /** Whom gates held up, and what was taken back; each once. */
  readonly heldUp: readonly {
    readonly application: string
    readonly step: StepName
    readonly says: string
    readonly looks: number
  }[]
  readonly progress: Progress
}

interface DemoStep {
  readonly step: StepName
  readonly state: string
  /** What opened its gate, and what was seen after it. */
  readonly evidence: readonly string[]
}

export interface DemoRun {
  readonly walked: Walked
  readonly where: string
  readonly seconds: number
  readonly visits: number
  readonly failedVisits: readonly FailedVisit[]
  readonly failedCalls: readonly string[]
  readonly progress: Progress
}

export function demoResult({ walked, ...run }: DemoRun): DemoResult {
  const applications = walked.onboardings.map((onboarding) => ({
    application: onboarding.spec.application,
    steps: STEP_NAMES.map((step) => stepOf(onboarding, step)),
  }))
  return {
    arrived: walked.onboardings.length > 0 && walked.onboardings.every(isDone),
    ...run,
    steps: applications.flatMap(({ steps }) => steps).filter(({ state }) => state === 'done').length,
    troubles: walked.troubles.map(({ trouble, told }) => ({
      name: trouble.name,
      about: trouble.about,
      application: told.application,
      step: told.step,
      how: told.how,
      says: told.says,
      remedy: trouble.remedyText,
    })),
    applications,
    heldUp: [...walked.closed.values()].map(({ application, step, says, times }) => ({
      application,
      step,
      says,
      looks: times,
    })),
  }
}

function stepOf({ steps }: Onboarding, step: StepName): DemoStep {
  const { state, gate, check, why } = steps[step]
  const findings = [...(gate?.findings ?? []), ...(check?.findings ?? [])].map(({ says }) => says)
  return { step, state, evidence: state === 'nothing to do' && why !== undefined ? [why] : findings }
}

/** For whoever watched. @param at when it ended */
export function demoReport(result: DemoResult, at: Date): ReportDocument {
  const { arrived, seconds, steps, visits, failedVisits, failedCalls, troubles, applications, progress } = result
  const failures = failedVisits.length + failedCalls.length
  const arrival = arrived
    ? `All ${applications.length} applications went from no mesh to nothing but mutual TLS`
    : `Not all of ${applications.length} applications arrived`
  return {
    title: 'From no mesh to mutual TLS everywhere',
    subtitle: `weft adopt demo, ${result.where}, ${at.toISOString().slice(0, 16).replace('T', ' ')}`,
    blocks: [
      {
        verdict: `${arrival}, in ${steps} steps and ${duration(seconds)}. Failed requests: ${failures} of ${visits} visits and all calls behind them.`,
        mood: arrived && failures === 0 ? 'good' : 'bad',
      },
      ...failed(result),
      { heading: 'What was wrong with the estate, and how it was found' },
      ...troubles.flatMap(({ name, about, application, step, how, says, remedy }): Block[] => [
        { heading: name.charAt(0).toUpperCase() + name.slice(1), level: 3 },
        {
          list: [
            `${about}.`,
            `Found at ${application}, step ${STEPS[step].title} (${HOW[how] ?? how}): ${says}.`,
            `Then: ${remedy}.`,
          ],
        },
      ]),
      { heading: 'How far it is' },
      {
        bars: [
          { label: 'In the mesh', share: share(progress.all.inMesh, progress.all.applications) },
          { label: 'Mutual TLS alone', share: share(progress.all.strict, progress.all.applications) },
          { label: 'Callers authorized', share: share(progress.all.authorized, progress.all.applications) },
        ],
      },
      {
        text: `Of the calls that proxies saw since the beginning, ${progress.all.encrypted === null ? 'nobody knows how many were' : `${percent(progress.all.encrypted)} were`} encrypted.`,
      },
      { heading: 'Who was held up' },
      result.heldUp.length === 0
        ? { text: 'Nobody.' }
        : {
            headings: ['Application', 'Step', 'Why', 'Looks'],
            rows: result.heldUp.map((each) => [each.application, each.step, each.says, each.looks]),
          },
      { heading: 'Every step, with its evidence' },
      ...applications.flatMap(({ application, steps: all }): Block[] => [
        { heading: application, level: 3 },
        {
          headings: ['Step', 'State', 'Evidence'],
          rows: all.map(({ step, state, evidence }) => [STEPS[step].title, state, evidence.join('\n')]),
        },
      ]),
    ],
  }
}

const HOW: Readonly<Record<string, string>> = {
  gate: 'its gate stayed closed',
  'taken back': 'it was taken back',
  'taken into account': 'it was taken into account',
}

/** As many failures as a reader takes in. */
const MOST_FAILURES = 20

function failed({ failedVisits, failedCalls }: DemoResult): Block[] {
  const texts = [
    ...failedVisits.map(({ at, application, problem }) => `${at} ${application}: ${problem}`),
    ...failedCalls,
  ]
  if (texts.length === 0) return []
  return [{ heading: 'Failed requests' }, { list: texts.slice(0, MOST_FAILURES) }]
}

function share(count: number, of: number): number {
  return of === 0 ? 0 : count / of
}

function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  return minutes === 0 ? `${Math.round(seconds)} s` : `${minutes} min ${Math.round(seconds % 60)} s`
}
