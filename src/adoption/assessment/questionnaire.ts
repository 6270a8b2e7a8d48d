import type { Estate } from '../estate/estate.ts'

/** Questions that together lead to an outcome. Plain data, but for what the program sees for itself. */
export interface Questionnaire {
  readonly name: 'need' | 'ready'
  readonly title: string
  readonly about: string
  readonly questions: readonly Question[]
  /** From the best to the worst: the first whose `from` is reached by the score. */
  readonly outcomes: readonly Outcome[]
}

export interface Outcome {
  readonly name: string
  /** What it says, as a sentence. */
  readonly says: string
  /** The least score, from 0 to 1. */
  readonly from: number
  /** What to do now, also where the outcome is no. */
  readonly next: readonly string[]
}

export interface Question {
  /** Stable, in kebab case. */
  readonly id: string
  readonly ask: string
  /** Why the answer matters. */
  readonly why: string
  /** From 1 (worth knowing) to 5 (decides). */
  readonly weight: 1 | 2 | 3 | 4 | 5
  readonly answers: AnswerKind
  /** Where the answer is worth 0, the outcome is this one at best. */
  readonly atBest?: string
  /** What becomes a task where the score of the answer is below 0.75: an imperative sentence without a full stop. */
  readonly task?: string
  /** Where the documentation tells more, from the root of the project. */
  readonly link?: string
  /** What the program can see for itself, in words. */
  readonly seen?: string
  /** The answer that it comes to, with its evidence; undefined where it cannot tell. */
  readonly see?: (estate: Estate) => Seen | undefined
}

export type AnswerKind =
  /** `yes` is worth 1, `partly` a half, `no` nothing. */
  | { readonly kind: 'yes-no' }
  /** A number; worth what the first band says whose end it does not exceed. */
  | {
      readonly kind: 'number'
      readonly unit: string
      readonly bands: readonly (readonly [upTo: number, score: number])[]
    }
  | { readonly kind: 'choice'; readonly choices: readonly Choice[] }

export interface Choice {
  readonly value: string
  readonly label: string
  /** From 0 to 1. */
  readonly score: number
}

/** What the program saw. */
export interface Seen {
  /** Absent where what it saw answers nothing, and is yet worth knowing for who does. */
  readonly answer?: Answer
  /** From what that follows, as a sentence without a full stop. */
  readonly says: string
  /** Objects of which it does not hold, with what is wrong. */
  readonly objects?: readonly { readonly object: string; readonly problem: string }[]
}

export type Answer = string | number

export const YES_NO: AnswerKind = { kind: 'yes-no' }

const YES_NO_CHOICES: readonly Choice[] = [
  { value: 'yes', label: 'yes', score: 1 },
  { value: 'partly', label: 'partly', score: 0.5 },
  { value: 'no', label: 'no', score: 0 },
]

/** The answers to choose from; undefined where a number is asked for. */
export function choicesOf({ answers }: Question): readonly Choice[] | undefined {
  return answers.kind === 'yes-no' ? YES_NO_CHOICES : answers.kind === 'choice' ? answers.choices : undefined
}

/** What an answer is worth, from 0 to 1; undefined where it is none of those that the question takes. */
export function scoreOf(question: Question, answer: Answer): number | undefined {
  const { answers } = question
  if (answers.kind !== 'number') return choicesOf(question)?.find(({ value }) => value === answer)?.score
  if (typeof answer !== 'number' || !Number.isFinite(answer) || answer < 0) return undefined
  return (answers.bands.find(([upTo]) => answer <= upTo) ?? answers.bands.at(-1))?.[1]
}

/** Which answers a question takes, for people. */
export function answersText(question: Question): string {
  const choices = choicesOf(question)
  return choices ? choices.map(({ value }) => value).join(', ') : 'a number, 0 or more'
}
