import type { Estate } from '../estate/estate.ts'
import {
  type Answer,
  answersText,
  type Outcome,
  type Question,
  type Questionnaire,
  type Seen,
  scoreOf,
} from './questionnaire.ts'

/** An assessment that was made: as it is saved, to be compared with later ones. */
export interface Assessment {
  readonly questionnaire: Questionnaire['name']
  /** RFC 3339. */
  readonly at: string
  /** Who answered. */
  readonly by?: string
  /** What was looked at; absent where people alone answered. */
  readonly of?: string
  readonly outcome: string
  /** The weighted mean of what the answers are worth, from 0 to 1. */
  readonly score: number
  /** How much of all weight was answered, from 0 to 1. */
  readonly answered: number
  /** Why the outcome is worse than the score says. */
  readonly because?: string
  readonly answers: Readonly<Record<string, Answered>>
}

export interface Answered {
  /** Absent where nobody knows. */
  readonly answer?: Answer
  /** `program`: what it saw. `person`: somebody said so. */
  readonly from?: 'program' | 'person'
  readonly score?: number
  readonly note?: string
  /** What the program saw, also where somebody said otherwise. */
  readonly evidence?: Seen
}

/** What people say, by the question's id. */
export type Given = ReadonlyMap<string, { readonly answer: Answer; readonly note?: string }>

/** Less of the weight than this answered tells nothing. */
const ENOUGH = 0.6

const UNDECIDED: Outcome = {
  name: 'undecided',
  says: 'Too few questions are answered to tell.',
  from: 0,
  next: [
    'Answer more of them: in a terminal, or with --answers FILE',
    'Let the program look: -f FILES, or --from-cluster',
  ],
}

/** What the program can see for itself. */
export function evidenceOf({ questions }: Questionnaire, estate: Estate | undefined): ReadonlyMap<string, Seen> {
  if (!estate) return new Map()
  return new Map(
    questions.flatMap(({ id, see }) => {
      const seen = see?.(estate)
      return seen ? [[id, seen] as const] : []
    }),
  )
}

/** What came of the answers; people's count before what the program saw. */
export function assess(
  questionnaire: Questionnaire,
  given: Given,
  evidence: ReadonlyMap<string, Seen>,
  { at, by, of }: { readonly at: Date; readonly by?: string; readonly of?: string },
): Assessment {
  const { questions } = questionnaire
  const answers = Object.fromEntries(
    questions.map((question) => [question.id, answered(question, given, evidence.get(question.id))]),
  )
  let total = 0
  let known = 0
  let sum = 0
  for (const { id, weight } of questions) {
    total += weight
    const score = answers[id]?.score
    if (score === undefined) continue
    known += weight
    sum += weight * score
  }
  const score = known === 0 ? 0 : sum / known
  const { outcome, because } = outcomeOf(questionnaire, answers, score, known / total)
  return {
    questionnaire: questionnaire.name,
    at: at.toISOString(),
    ...(by === undefined ? {} : { by }),
    ...(of === undefined ? {} : { of }),
    outcome,
    score: rounded(score),
    answered: rounded(known / total),
    ...(because === undefined ? {} : { because }),
    answers,
  }
}

function answered(question: Question, given: Given, evidence: Seen | undefined): Answered {
  const said = given.get(question.id)
  const answer = said?.answer ?? evidence?.answer
  if (answer === undefined) return evidence ? { evidence } : {}
  const score = scoreOf(question, answer)
  return {
    answer,
    from: said ? 'person' : 'program',
    ...(score === undefined ? {} : { score }),
    ...(said?.note === undefined ? {} : { note: said.note }),
    ...(evidence ? { evidence } : {}),
  }
}

function outcomeOf(
  { questions, outcomes }: Questionnaire,
  answers: Readonly<Record<string, Answered>>,
  score: number,
  known: number,
): { readonly outcome: string; readonly because?: string } {
  if (known < ENOUGH) return { outcome: UNDECIDED.name }
  const place = outcomes.findIndex(({ from }) => score >= from)
  let worst = { place, because: undefined as string | undefined }
  for (const { id, ask, atBest } of questions) {
    const limit = outcomes.findIndex(({ name }) => name === atBest)
    if (limit > worst.place && answers[id]?.score === 0) worst = { place: limit, because: ask }
  }
  const outcome = outcomes[worst.place]?.name ?? UNDECIDED.name
  return worst.because === undefined ? { outcome } : { outcome, because: `the answer to "${worst.because}" decides` }
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}

/** The outcome of an assessment in words. */
export function outcomeNamed({ outcomes }: Questionnaire, name: string): Outcome {
  return outcomes.find((outcome) => outcome.name === name) ?? UNDECIDED
}

/** What became a task: the question's, with those objects of which it does not hold. Heaviest first. */
export interface Gap {
  readonly question: Question
  readonly answered: Answered
  readonly task: string
}

/** A score below this makes a task. */
const GOOD = 0.75

/** Gaps, heaviest first: by what they take from the score. */
export function gapsOf({ questions }: Questionnaire, { answers }: Pick<Assessment, 'answers'>): readonly Gap[] {
  return questions
    .flatMap((question): (Gap & { lost: number })[] => {
      const answered = answers[question.id] ?? {}
      const { score } = answered
      if (question.task === undefined || score === undefined || score >= GOOD) return []
      return [{ question, answered, task: question.task, lost: question.weight * (1 - score) }]
    })
    .sort((a, b) => b.lost - a.lost)
}

/** What differs between two assessments of one questionnaire. */
export interface Comparison {
  readonly before: Assessment
  /** Question by question, where what it is worth or the answer changed. */
  readonly changes: readonly {
    readonly question: Question
    readonly before: Answered
    readonly now: Answered
    /** How much what it is worth rose, from -1 to 1; 0 where that cannot be told. */
    readonly better: number
  }[]
}

export function compareAssessments({ questions }: Questionnaire, before: Assessment, now: Assessment): Comparison {
  const changes = questions.flatMap((question) => {
    const [old, fresh] = [before.answers[question.id] ?? {}, now.answers[question.id] ?? {}]
    if (old.answer === fresh.answer) return []
    const better = old.score === undefined || fresh.score === undefined ? 0 : rounded(fresh.score - old.score)
    return [{ question, before: old, now: fresh, better }]
  })
  return { before, changes }
}

/** Why an answer in a file cannot be taken; undefined where it can. */
export function answerProblem(question: Question, answer: unknown): string | undefined {
  const usable = typeof answer === 'string' || typeof answer === 'number'
  if (usable && scoreOf(question, answer) !== undefined) return undefined
  return `${JSON.stringify(answer)} is no answer to it; it takes ${answersText(question)}`
}
