import { isMap, isScalar } from 'yaml'
import { closest } from '../../resources/did-you-mean.ts'
import type { Message } from '../../resources/message.ts'
import { positionAt } from '../../resources/position.ts'
import { parseDocumentText } from '../../resources/yaml-document.ts'
import { answerProblem, type Given } from './assess.ts'
import type { Answer, Questionnaire } from './questionnaire.ts'

/**
 * Answers in YAML: `ID: ANSWER`, or `ID: {answer: ANSWER, note: TEXT}`. Those that cannot be taken are told of with their place, and
 * count as not given.
 */
export function readAnswers(
  { name, questions }: Questionnaire,
  text: string,
  file: string,
): { readonly given: Given; readonly messages: readonly Message[] } {
  const given = new Map<string, { answer: Answer; note?: string }>()
  const messages: Message[] = []
  const { document } = parseDocumentText(text)
  const tell = (offset: number, problem: string, remedy: string) =>
    messages.push({
      rule: 'bad-answer',
      severity: 'error',
      position: positionAt(text, { file, line: 1 }, offset),
      problem,
      remedy,
    })
  const [error] = document.errors
  if (error) {
    tell(error.pos[0], 'the file is not valid YAML', 'mend it: one line for each answer, ID: ANSWER')
    return { given, messages }
  }
  if (document.contents === null) return { given, messages }
  if (!isMap(document.contents)) {
    tell(0, 'the file holds no answers', 'write one line for each, ID: ANSWER')
    return { given, messages }
  }
  for (const { key, value } of document.contents.items) {
    const id = isScalar(key) ? String(key.value) : ''
    const offset = isScalar(key) ? (key.range?.[0] ?? 0) : 0
    const question = questions.find((each) => each.id === id)
    if (!question) {
      const near = closest(
        id,
        questions.map((each) => each.id),
      )
      tell(
        offset,
        `there is no question "${id}"`,
        near ? `did you mean "${near}"?` : `see weft adopt assess ${name} --list`,
      )
      continue
    }
    const plain = isMap(value)
      ? (value.toJSON() as { answer?: unknown; note?: unknown })
      : { answer: isScalar(value) ? value.value : undefined }
    const answer = fromBoolean(plain.answer)
    if (answer === null || answer === undefined) continue // Left open on purpose.
    const problem = answerProblem(question, answer)
    if (problem) {
      tell(offset, `${id}: ${problem}`, 'write one of those, or leave the line out')
      continue
    }
    const note = 'note' in plain && typeof plain.note === 'string' ? { note: plain.note } : {}
    given.set(id, { answer: answer as Answer, ...note })
  }
  return { given, messages }
}

function fromBoolean(value: unknown): unknown {
  return value === true ? 'yes' : value === false ? 'no' : value
}
