import { isCancel, log, note, outro, select, text } from '@clack/prompts'
import type { Given } from '../../adoption/assessment/assess.ts'
import {
  type Answer,
  choicesOf,
  type Question,
  type Questionnaire,
  type Seen,
  scoreOf,
} from '../../adoption/assessment/questionnaire.ts'
import { Failure } from '../failure.ts'

/** Stands for "nobody knows". */
const UNKNOWN = ''

/**
 * Asks every question in the terminal. What the program saw is proposed, then what was answered before; who takes the program's answer has
 * said nothing.
 * @throws Failure where the person ends it
 */
export async function askQuestions(
  { title, about, questions }: Questionnaire,
  evidence: ReadonlyMap<string, Seen>,
  before: Given,
): Promise<Given> {
  note(`${about}\nEnter takes what is marked; Ctrl-C ends it, and nothing is kept.`, title)
  const given = new Map<string, { answer: Answer; note?: string }>()
  for (const [index, question] of questions.entries()) {
    const seen = evidence.get(question.id)
    log.message(`${question.why}${seen ? `\nSeen: ${seen.says}.` : ''}`)
    const earlier = before.get(question.id)
    const answer = await ask(
      question,
      `${index + 1}/${questions.length} ${question.ask}`,
      earlier?.answer ?? seen?.answer,
    )
    if (answer !== undefined && answer !== seen?.answer) given.set(question.id, { ...earlier, answer })
  }
  outro('That was all.')
  return given
}

async function ask(question: Question, message: string, proposed: Answer | undefined): Promise<Answer | undefined> {
  const choices = choicesOf(question)
  if (choices) {
    const options = [
      ...choices.map(({ value, label }) => ({ value, label })),
      { value: UNKNOWN, label: "I don't know", hint: 'left open' },
    ]
    const initialValue = options.find(({ value }) => value === proposed)?.value ?? UNKNOWN
    const chosen = ended(await select({ message, options, initialValue }))
    return chosen === UNKNOWN ? undefined : chosen
  }
  const typed = ended(
    await text({
      message: `${message} (a number; empty: I don't know)`,
      ...(proposed === undefined ? {} : { initialValue: String(proposed) }),
      validate: (value) => {
        const isNumber = !value?.trim() || scoreOf(question, Number(value)) !== undefined
        return isNumber ? undefined : 'Write a number, 0 or more, or nothing.'
      },
    }),
  )
  return typed?.trim() ? Number(typed) : undefined
}

function ended<T>(value: T): Exclude<T, symbol> {
  if (isCancel(value)) throw new Failure('ended before the last question', 'begin again; nothing was kept')
  return value as Exclude<T, symbol>
}
