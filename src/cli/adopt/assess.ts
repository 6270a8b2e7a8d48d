import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { Argument, type Command } from 'commander'
import { readAnswers } from '../../adoption/assessment/answers-file.ts'
import {
  type Assessment,
  assess,
  type Comparison,
  compareAssessments,
  evidenceOf,
  type Given,
  gapsOf,
  outcomeNamed,
} from '../../adoption/assessment/assess.ts'
import { NEED } from '../../adoption/assessment/need.ts'
import { answersText, type Questionnaire, type Seen } from '../../adoption/assessment/questionnaire.ts'
import { READY } from '../../adoption/assessment/ready.ts'
import { assessmentReport } from '../../adoption/assessment/report.ts'
import { lastAssessment, readAssessment, saveAssessment } from '../../adoption/assessment/saved.ts'
import { percent } from '../../adoption/report/document.ts'
import { withExamples } from '../examples.ts'
import { Failure } from '../failure.ts'
import { counted, messageBlock, summary } from '../message-text.ts'
import { print } from '../output-format.ts'
import { styled } from '../style.ts'
import { addFolderOption, type FolderOption } from './folder-option.ts'
import { addEstateOptions, type EstateOptions, givenEstate } from './given-estate.ts'
import { type ReportFormat, reportOption, reportText } from './report-output.ts'

interface Options extends EstateOptions, FolderOption {
  readonly answers?: string
  readonly unattended?: boolean
  readonly compare?: boolean | string
  readonly by?: string
  readonly list?: boolean
  readonly save: boolean
  readonly output?: ReportFormat
}

const QUESTIONNAIRES: Readonly<Record<string, Questionnaire>> = { need: NEED, ready: READY }

/** `weft adopt assess` */
export function defineAssess(command: Command): void {
  command
    .description(
      'Asks whether you need a mesh, or are ready for one, and says what to do: also where the outcome is no, or not yet. What the program can see in files, a cluster or a ' +
        'mesh it answers itself, with its evidence; you may say otherwise. Answers are kept in a folder made for git, to be compared with later ones; gaps become tasks.',
    )
    .addArgument(
      new Argument('<questionnaire>', 'need: do you need a mesh? ready: are you ready for one?').choices([
        'need',
        'ready',
      ]),
    )
  addEstateOptions(command)
    .option('--answers <file>', 'answers in YAML, one line each: ID: ANSWER. Nothing is asked')
    .option('--unattended', 'ask nothing: only what is seen, and what was answered the last time')
    .option('--compare [file]', 'tell what has changed since the last assessment, or since that in a file')
    .option('--by <name>', 'who answers (default: you)')
    .option('--list', 'print the questions, with the answers that they take')
    .option('--no-save', 'keep nothing')
    .addOption(reportOption())
    .action((name: string, options: Options) => run(QUESTIONNAIRES[name] ?? NEED, options))
  addFolderOption(command)
  withExamples(command, [
    ['answer questions, with a look at the cluster', 'weft adopt assess need --from-cluster'],
    [
      'in a pipeline, from a file and the YAML of a folder',
      'weft adopt assess ready --answers answers.yaml -f deploy -R',
    ],
    ['a report to print or to send', 'weft adopt assess ready --unattended --from-cluster -o html > ready.html'],
    ['how far you have come', 'weft adopt assess ready --from-cluster --compare'],
    ['which questions there are', 'weft adopt assess need --list'],
  ])
}

async function run(questionnaire: Questionnaire, options: Options): Promise<void> {
  if (options.list) return print(listText(questionnaire))
  const estate = await givenEstate(options)
  const evidence = evidenceOf(questionnaire, estate)
  const before = earlier(questionnaire, options)
  const attended =
    !options.answers && !options.unattended && process.stdin.isTTY === true && process.stdout.isTTY === true
  const given = options.answers
    ? fromFile(questionnaire, options.answers)
    : attended
      ? await asked(questionnaire, evidence, before)
      : said(before)
  const by = options.by ?? (attended ? userInfo().username : undefined)
  const assessment = assess(questionnaire, given, evidence, {
    at: new Date(),
    ...(by === undefined ? {} : { by }),
    ...(estate ? { of: estate.label } : {}),
  })
  const comparison =
    options.compare !== undefined && before ? compareAssessments(questionnaire, before, assessment) : undefined
  const path = options.save ? saveAssessment(options.folder, assessment) : undefined
  const report = assessmentReport(questionnaire, assessment, comparison)
  if (options.output) {
    const data = {
      ...assessment,
      tasks: gapsOf(questionnaire, assessment).map(({ question, task }) => ({ id: question.id, task })),
      ...(comparison ? { changes: changesOf(comparison) } : {}),
    }
    await print(await reportText(options.output, report, data))
    return
  }
  await print(shortText(questionnaire, assessment, comparison, path))
}

/** The assessment to compare with, and whose answers stand where nothing else is said. */
function earlier(questionnaire: Questionnaire, { compare, folder }: Options): Assessment | undefined {
  if (typeof compare !== 'string') {
    const last = lastAssessment(folder, questionnaire.name)
    if (compare === true && !last)
      throw new Failure(`there is no earlier assessment in ${folder}`, 'leave --compare out, or name a file after it')
    return last
  }
  let assessment: Assessment
  try {
    assessment = readAssessment(compare)
  } catch (error) {
    throw new Failure((error as Error).message, 'name a file that weft adopt assess has saved')
  }
  if (assessment.questionnaire !== questionnaire.name)
    throw new Failure(
      `${compare} answers "${assessment.questionnaire}", not "${questionnaire.name}"`,
      'compare with one of the same questionnaire',
    )
  return assessment
}

/** What people said in an assessment. */
function said(assessment: Assessment | undefined): Given {
  const answers = Object.entries(assessment?.answers ?? {})
  return new Map(
    answers.flatMap(([id, { answer, from, note }]) =>
      answer === undefined || from !== 'person'
        ? []
        : [[id, { answer, ...(note === undefined ? {} : { note }) }] as const],
    ),
  )
}

function fromFile(questionnaire: Questionnaire, file: string): Given {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`, 'name a file with answers')
  }
  const { given, messages } = readAnswers(questionnaire, text, file)
  if (messages.length === 0) return given
  process.stderr.write(messages.map(messageBlock).join(''))
  throw new Failure(`${summary(messages)} in ${file}`, 'mend them; nothing was saved')
}

async function asked(
  questionnaire: Questionnaire,
  evidence: ReadonlyMap<string, Seen>,
  before: Assessment | undefined,
): Promise<Given> {
  const { askQuestions } = await import('./ask.ts')
  return askQuestions(questionnaire, evidence, said(before))
}

function changesOf({ before, changes }: Comparison) {
  return {
    since: before.at,
    answers: changes.map(({ question, before: was, now, better }) => ({
      id: question.id,
      was: was.answer,
      is: now.answer,
      better,
    })),
  }
}

function shortText(
  questionnaire: Questionnaire,
  assessment: Assessment,
  comparison: Comparison | undefined,
  path: string | undefined,
): string {
  const outcome = outcomeNamed(questionnaire, assessment.outcome)
  const gaps = gapsOf(questionnaire, assessment)
  const lines = [
    styled('bold', questionnaire.title),
    '',
    `${styled('bold', outcome.says)} (${percent(assessment.score)}, with ${percent(assessment.answered)} of the weight answered)`,
    ...(assessment.because ? [`It would be better, but ${assessment.because}.`] : []),
    '',
    ...outcome.next.map((step) => `- ${step}`),
  ]
  if (gaps.length > 0) {
    lines.push('', styled('bold', `${counted(gaps.length, 'gap')}, heaviest first:`))
    for (const { task, answered } of gaps.slice(0, MOST_GAPS)) {
      lines.push(`- ${task}`)
      if (answered.evidence) lines.push(styled('dim', `    ${answered.evidence.says}`))
    }
    if (gaps.length > MOST_GAPS) lines.push(`  and ${gaps.length - MOST_GAPS} more: -o markdown shows all`)
  }
  if (comparison) {
    lines.push(
      '',
      styled(
        'bold',
        `Since ${comparison.before.at.slice(0, 10)}: was "${comparison.before.outcome}" with ${percent(comparison.before.score)}`,
      ),
    )
    for (const { question, before, now, better } of comparison.changes)
      lines.push(
        `- ${question.ask} ${before.answer ?? 'not answered'} → ${now.answer ?? 'not answered'}${better > 0 ? ', better' : better < 0 ? ', worse' : ''}`,
      )
    if (comparison.changes.length === 0) lines.push('- no answer has changed')
  }
  if (path) lines.push('', `Saved to ${path}`)
  return `${lines.join('\n')}\n`
}

/** In the terminal; reports have all. */
const MOST_GAPS = 8

function listText({ title, about, questions }: Questionnaire): string {
  const lines = questions.flatMap((question) => [
    '',
    `${styled('bold', question.id)} (weight ${question.weight}): ${question.ask}`,
    `    ${question.why}`,
    `    answers: ${answersText(question)}`,
    ...(question.seen ? [`    seen by the program: ${question.seen}`] : []),
  ])
  return `${[styled('bold', title), about, ...lines].join('\n')}\n`
}
