import { type Block, percent, type ReportDocument } from '../report/document.ts'
import { type Answered, type Assessment, type Comparison, gapsOf, outcomeNamed } from './assess.ts'
import { choicesOf, type Question, type Questionnaire } from './questionnaire.ts'

/** More objects of one gap than this are only counted. */
const MOST_OBJECTS = 10

/** An assessment for those who decide. */
export function assessmentReport(
  questionnaire: Questionnaire,
  assessment: Assessment,
  comparison?: Comparison,
): ReportDocument {
  const { score, answered, because } = assessment
  const outcome = outcomeNamed(questionnaire, assessment.outcome)
  const place = questionnaire.outcomes.findIndex(({ name }) => name === outcome.name)
  const mood = place === 0 ? 'good' : outcome.from > 0.3 ? 'middling' : 'bad'
  const gaps = gapsOf(questionnaire, assessment)
  const open = questionnaire.questions.filter(({ id }) => assessment.answers[id]?.score === undefined)
  return {
    title: questionnaire.title,
    subtitle: [
      assessment.at.slice(0, 16).replace('T', ' '),
      assessment.by && `answered by ${assessment.by}`,
      assessment.of && `with a look at ${assessment.of}`,
    ]
      .filter(Boolean)
      .join(', '),
    blocks: [
      { verdict: outcome.says, mood },
      {
        text: `${percent(score)} of what speaks for it, with ${percent(answered)} of the weight answered.${because ? ` It would be better, but ${because}.` : ''}`,
      },
      { heading: 'What to do now' },
      { list: outcome.next },
      ...(comparison ? comparisonBlocks(comparison, assessment) : []),
      ...(gaps.length > 0
        ? [
            { heading: 'Gaps, heaviest first' } as const,
            ...gaps.flatMap(({ question, answered: { evidence }, task }): Block[] => [
              { todo: [{ text: task, done: false }] },
              {
                text: `Why: ${question.why}${evidence ? ` Seen: ${evidence.says}.` : ''}${question.link ? ` See ${question.link}.` : ''}`,
              },
              ...objectsBlock(evidence?.objects ?? []),
            ]),
          ]
        : []),
      { heading: 'All answers' },
      {
        headings: ['question', 'answer', 'worth', 'weight', 'how it is known'],
        rows: questionnaire.questions.map((question) => {
          const given = assessment.answers[question.id] ?? {}
          return [
            question.ask,
            answerText(question, given),
            given.score === undefined ? '' : percent(given.score),
            question.weight,
            known(given),
          ]
        }),
      },
      ...(open.length > 0
        ? [{ heading: 'Not answered' } as const, { list: open.map(({ ask, why }) => `${ask} ${why}`) }]
        : []),
    ],
  }
}

function objectsBlock(objects: readonly { readonly object: string; readonly problem: string }[]): Block[] {
  if (objects.length === 0) return []
  const shown = objects.slice(0, MOST_OBJECTS).map(({ object, problem }) => `${object}: ${problem}`)
  const more = objects.length - shown.length
  return [{ list: more > 0 ? [...shown, `and ${more} more`] : shown }]
}

function comparisonBlocks({ before, changes }: Comparison, now: Assessment): Block[] {
  const heading = { heading: `Since ${before.at.slice(0, 10)}` } as const
  const from = `It was "${before.outcome}" with ${percent(before.score)}, and is "${now.outcome}" with ${percent(now.score)}.`
  if (changes.length === 0) return [heading, { text: `${from} No answer has changed.` }]
  return [
    heading,
    { text: from },
    {
      headings: ['question', 'was', 'is', ''],
      rows: changes.map(({ question, before, now, better }) => [
        question.ask,
        answerText(question, before),
        answerText(question, now),
        better > 0 ? 'better' : better < 0 ? 'worse' : '',
      ]),
    },
  ]
}

function answerText(question: Question, { answer }: Answered): string {
  if (answer === undefined) return 'not answered'
  if (question.answers.kind === 'number') return `${answer} ${question.answers.unit}`
  return choicesOf(question)?.find(({ value }) => value === answer)?.label ?? String(answer)
}

function known({ from, evidence, note, answer }: Answered): string {
  const seen = evidence ? `seen: ${evidence.says}` : ''
  if (answer === undefined) return seen
  if (from === 'program') return seen
  const differs =
    evidence && evidence.answer !== answer
      ? `; ${seen}${evidence.answer === undefined ? '' : ` (${evidence.answer})`}`
      : ''
  return `said${note ? `: ${note}` : ''}${differs}`
}
