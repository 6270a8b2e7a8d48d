import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { estateOfYaml } from '../estate/estate-of-yaml.ts'
import { htmlOf } from '../report/html.ts'
import { markdownOf } from '../report/markdown.ts'
import { readAnswers } from './answers-file.ts'
import { assess, compareAssessments, evidenceOf, type Given, gapsOf } from './assess.ts'
import { NEED } from './need.ts'
import { type Answer, choicesOf, type Question, type Questionnaire, scoreOf } from './questionnaire.ts'
import { READY } from './ready.ts'
import { assessmentReport } from './report.ts'
import { lastAssessment, readAssessment, saveAssessment } from './saved.ts'

const AT = { at: new Date('2026-05-01T10:00:00Z') }
const QUESTIONNAIRES = [NEED, READY]

/** The answers of a question from the worst to the best. */
function byWorth(question: Question): Answer[] {
  const { answers } = question
  const all: Answer[] =
    answers.kind === 'number'
      ? answers.bands.map(([upTo]) => Math.min(upTo, 1e6))
      : (choicesOf(question) ?? []).map(({ value }) => value)
  return all.sort((a, b) => (scoreOf(question, a) ?? 0) - (scoreOf(question, b) ?? 0))
}

const all = ({ questions }: Questionnaire, pick: (sorted: Answer[]) => Answer | undefined): Given =>
  new Map(questions.map((question) => [question.id, { answer: pick(byWorth(question)) ?? 'none' }]))

const without = (given: Given, ...ids: string[]): Given => new Map([...given].filter(([id]) => !ids.includes(id)))

describe.each(QUESTIONNAIRES.map((each) => [each.name, each] as const))('%s', (_, questionnaire) => {
  test('the best answers give the best outcome and no gap, the worst the worst', () => {
    const best = assess(
      questionnaire,
      all(questionnaire, (sorted) => sorted.at(-1)),
      new Map(),
      AT,
    )
    expect(best).toMatchObject({ outcome: questionnaire.outcomes[0]?.name, score: 1, answered: 1 })
    expect(gapsOf(questionnaire, best)).toEqual([])
    const worst = assess(
      questionnaire,
      all(questionnaire, (sorted) => sorted[0]),
      new Map(),
      AT,
    )
    expect(worst.outcome).toBe(questionnaire.outcomes.at(-1)?.name)
  })

  test('with no answers nothing is told', () => {
    expect(assess(questionnaire, new Map(), new Map(), AT)).toMatchObject({
      outcome: 'undecided',
      score: 0,
      answered: 0,
    })
  })

  test('is well made: ids once, scores from 0 to 1, outcomes from the best down to 0, limits that exist', () => {
    const { questions, outcomes } = questionnaire
    expect(new Set(questions.map(({ id }) => id)).size).toBe(questions.length)
    for (const question of questions) {
      const scores = byWorth(question).map((answer) => scoreOf(question, answer) ?? -1)
      expect(scores[0], question.id).toBe(question.answers.kind === 'choice' ? scores[0] : 0)
      expect(Math.max(...scores), question.id).toBe(1)
      expect(Math.min(...scores), question.id).toBeGreaterThanOrEqual(0)
      if (question.atBest) expect(outcomes.map(({ name }) => name)).toContain(question.atBest)
    }
    const starts = outcomes.map(({ from }) => from)
    expect(starts).toEqual(starts.toSorted((a, b) => b - a))
    expect(starts.at(-1)).toBe(0)
    expect(outcomes.every(({ next }) => next.length > 0)).toBe(true)
  })

  test('a better answer never makes the outcome worse', () => {
    const { questions, outcomes } = questionnaire
    const rank = (name: string) => outcomes.findIndex((outcome) => outcome.name === name)
    fc.assert(
      fc.property(
        fc.tuple(...questions.map((question) => fc.constantFrom(...byWorth(question)))),
        fc.nat(questions.length - 1),
        (answers, which) => {
          const given = new Map(questions.map(({ id }, i) => [id, { answer: answers[i] as Answer }]))
          const question = questions[which] as Question
          const better = new Map(given).set(question.id, { answer: byWorth(question).at(-1) as Answer })
          const [before, after] = [given, better].map((each) => assess(questionnaire, each, new Map(), AT))
          return rank(after?.outcome ?? '') <= rank(before?.outcome ?? '')
        },
      ),
    )
  })
})

test('without people there is no readiness, however good the rest is', () => {
  const given = new Map(all(READY, (sorted) => sorted.at(-1))).set('people', { answer: 0 })
  const assessment = assess(READY, given, new Map(), AT)
  expect(assessment).toMatchObject({ outcome: 'not yet' })
  expect(assessment.because).toContain('How many people')
  expect(gapsOf(READY, assessment)[0]?.task).toContain('Commit two people')
})

const SHOP = ['cart', 'till', 'stock']
  .map(
    (name) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${name} }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${name} }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: main, image: "example/${name}-${name === 'cart' ? 'node' : 'java'}:1" }] }
`,
  )
  .join('---')

describe('what the program sees', () => {
  const evidence = evidenceOf(NEED, estateOfYaml(SHOP))

  test('answers what it can, and says from what', () => {
    expect(evidence.get('services')).toEqual({ answer: 3, says: '3 Services with workloads behind in the test' })
    expect(evidence.get('languages')).toMatchObject({ answer: 2, says: expect.stringContaining('JVM, JavaScript') })
    expect(evidence.get('teams')).toMatchObject({ answer: 3 })
    expect(evidence.get('ephemeral')).toMatchObject({ answer: 'no' })
    // Whether plain ports are allowed only people know.
    expect(evidence.get('encryption')?.answer).toBeUndefined()
    expect(evidence.has('releases')).toBe(false)
  })

  test('counts until somebody says otherwise, and is kept beside that', () => {
    const { answers } = assess(
      NEED,
      new Map([['services', { answer: 40, note: 'the others are on VMs' }]]),
      evidence,
      AT,
    )
    expect(answers['services']).toMatchObject({
      answer: 40,
      from: 'person',
      score: 0.8,
      note: 'the others are on VMs',
      evidence: { answer: 3 },
    })
    expect(answers['teams']).toMatchObject({ answer: 3, from: 'program' })
    expect(answers['encryption']).toMatchObject({ evidence: { says: expect.stringContaining('3 of 3 ports') } })
    expect(answers['encryption']).not.toHaveProperty('score')
  })

  test('goes through gaps to the objects', () => {
    const assessment = assess(READY, new Map(), evidenceOf(READY, estateOfYaml(SHOP)), AT)
    const gap = gapsOf(READY, assessment).find(({ question }) => question.id === 'resource-requests')
    expect(gap?.answered.evidence?.objects?.map(({ object }) => object)).toContain('Deployment cart/cart')
  })
})

describe('answers in a file', () => {
  const read = (text: string) => readAnswers(NEED, text, 'answers.yaml')

  test('are taken in both forms', () => {
    const { given, messages } = read(
      'services: 12\nephemeral: true\nreleases: { answer: no, note: later }\nconsistency:\n',
    )
    expect(messages).toEqual([])
    expect([...given]).toEqual([
      ['services', { answer: 12 }],
      ['ephemeral', { answer: 'yes' }],
      ['releases', { answer: 'no', note: 'later' }],
    ])
  })

  test('that are none are told with their line, and the others kept', () => {
    const { given, messages } = read('services: many\nreleases: yes\nencription: required\nteams: -1\n')
    expect([...given.keys()]).toEqual(['releases'])
    expect(messages.map(({ position, problem, remedy }) => `${position?.line} ${problem}; ${remedy}`)).toEqual([
      '1 services: "many" is no answer to it; it takes a number, 0 or more; write one of those, or leave the line out',
      '3 there is no question "encription"; did you mean "encryption"?',
      '4 teams: -1 is no answer to it; it takes a number, 0 or more; write one of those, or leave the line out',
    ])
  })

  test.each([
    ['- services', 'holds no answers'],
    ['services: [', 'not valid YAML'],
  ])('%s', (text, problem) => {
    expect(read(text).messages[0]?.problem).toContain(problem)
  })

  test('an empty file says nothing', () => {
    expect(read('# nothing yet\n')).toEqual({ given: new Map(), messages: [] })
  })
})

describe('saved', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-assessment-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('they come back as they were, the newest first, each questionnaire by itself', () => {
    const given = all(NEED, (sorted) => sorted.at(-1))
    const old = assess(NEED, without(given, 'releases'), evidenceOf(NEED, estateOfYaml(SHOP)), AT)
    const now = assess(NEED, given, new Map(), { at: new Date('2026-06-01T10:00:00Z'), by: 'Ana' })
    saveAssessment(folder, now)
    const path = saveAssessment(folder, old)
    saveAssessment(folder, assess(READY, new Map(), new Map(), { at: new Date('2026-07-01T10:00:00Z') }))
    writeFileSync(join(folder, 'assessments', '2027-01-01-need.yaml'), 'half: [')
    expect(readAssessment(path)).toEqual(old)
    expect(lastAssessment(folder, 'need')).toEqual(now)
    expect(lastAssessment(join(folder, 'none'), 'need')).toBeUndefined()
  })

  test('a file that is none says so', () => {
    writeFileSync(join(folder, 'x.yaml'), 'kind: Pod')
    expect(() => readAssessment(join(folder, 'x.yaml'))).toThrow('is no saved assessment')
  })
})

test('two are compared answer by answer', () => {
  const before = assess(
    NEED,
    new Map([
      ['releases', { answer: 'no' }],
      ['consistency', { answer: 'yes' }],
    ]),
    new Map(),
    AT,
  )
  const now = assess(
    NEED,
    new Map([
      ['releases', { answer: 'yes' }],
      ['services', { answer: 3 }],
      ['consistency', { answer: 'yes' }],
    ]),
    new Map(),
    AT,
  )
  const { changes } = compareAssessments(NEED, before, now)
  expect(changes.map(({ question, better }) => [question.id, better])).toEqual([
    ['services', 0],
    ['releases', 1],
  ])
})

describe('a report', () => {
  const assessment = assess(
    READY,
    new Map([['alternatives', { answer: 'yes', note: 'see <b>wiki</b> | page' }]]),
    evidenceOf(READY, estateOfYaml(SHOP)),
    AT,
  )
  const report = assessmentReport(READY, assessment, compareAssessments(READY, assessment, assessment))

  test('in Markdown has every question, and escapes what people wrote', () => {
    const text = markdownOf(report)
    for (const { ask } of READY.questions) expect(text.replaceAll('\\', '')).toContain(ask)
    expect(text).toContain('\\<b\\>wiki\\</b\\> \\| page')
    expect(text).toContain('No answer has changed')
  })

  test('in HTML needs nothing else, escapes, and can be printed', () => {
    const text = htmlOf(report)
    expect(text).toContain('&lt;b&gt;wiki&lt;/b&gt; | page')
    expect(text).toContain('@media print')
    expect(text).not.toMatch(/(src|href)=/)
  })
})
