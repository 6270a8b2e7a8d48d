import type { Command } from 'commander'
import { folderJournal } from '../../adoption/onboarding/journal.ts'
import { regressed } from '../../adoption/onboarding/later.ts'
import { type Onboarding, STEP_NAMES, type StepName } from '../../adoption/onboarding/onboarding.ts'
import { STEPS } from '../../adoption/onboarding/steps/all.ts'
import { durationText } from '../../adoption/onboarding/texts.ts'
import { withExamples } from '../examples.ts'
import { Failure } from '../failure.ts'
import { type OutputFormat, outputOption, print, structured } from '../output-format.ts'
import { styled } from '../style.ts'
import { table } from '../table.ts'
import { addFolderOption, type FolderOption } from './folder-option.ts'

interface Options extends FolderOption {
  readonly output?: OutputFormat
}

/** `weft adopt status` */
export function defineStatus(command: Command): void {
  command
    .description(
      'Shows how far each application is: its step, since when, what holds it, and what comes next. With an application also what each gate has said.',
    )
    .argument('[app]', 'NAMESPACE/NAME of one application')
    .addOption(outputOption())
    .action(run)
  addFolderOption(command)
  withExamples(command, [
    ['everybody', 'weft adopt status'],
    ['one, with the evidence of each gate', 'weft adopt status shop/cart'],
  ])
}

async function run(app: string | undefined, { folder, output }: Options): Promise<void> {
  const journal = folderJournal(folder)
  const all = await readAll(() => journal.list())
  const meant = app === undefined ? all : all.filter(({ spec }) => spec.application === app)
  if (app !== undefined && meant.length === 0)
    throw new Failure(
      `${app} is not on its way in ${folder}`,
      all.length > 0
        ? `name one of ${all.map(({ spec }) => spec.application).join(', ')}`
        : 'begin with: weft adopt onboard',
    )
  if (output) return print(await structured(output, app === undefined ? meant : meant[0]))
  if (meant.length === 0) return print('No application is on its way. Begin with: weft adopt onboard NAMESPACE/NAME\n')
  const [only] = meant
  await print(app !== undefined && only ? detailsText(only) : overview(meant))
}

async function readAll(read: () => Promise<readonly Onboarding[]>): Promise<readonly Onboarding[]> {
  try {
    return await read()
  } catch (error) {
    throw new Failure((error as Error).message, 'the other files are as they were')
  }
}

function overview(all: readonly Onboarding[]): string {
  const rows = all.map((onboarding) => {
    const step = currentStep(onboarding)
    const since = step
      ? onboarding.steps[step].since
      : Math.max(...STEP_NAMES.map((name) => onboarding.steps[name].since))
    const [first, ...more] = onboarding.held
    return [
      onboarding.spec.application,
      step ? `${STEP_NAMES.indexOf(step) + 1}/${STEP_NAMES.length} ${step}` : 'done',
      step
        ? stateText(onboarding, step)
        : regressed(onboarding)
            .map(([name]) => `worse since ${name}`)
            .join(', '),
      durationText(Math.max(0, Date.now() - since)),
      step ? (following(step) ?? '') : '',
      `${first?.says ?? ''}${more.length > 0 ? ` (and ${more.length} more)` : ''}`,
    ]
  })
  return table(['APPLICATION', 'STEP', 'STATE', 'SINCE', 'NEXT', 'HELD BY'], rows, ['STATE', 'NEXT', 'HELD BY'])
}

function stateText({ steps, wish }: Onboarding, step: StepName): string {
  const { state } = steps[step]
  return wish === 'pause' ? `paused, ${state}` : state
}

/** The step that it is at; undefined where none is left. */
export function currentStep({ steps }: Onboarding): StepName | undefined {
  const behind = ['done', 'left out', 'nothing to do']
  return STEP_NAMES.find((name) => !behind.includes(steps[name].state))
}

function following(step: StepName): StepName | undefined {
  return STEP_NAMES[STEP_NAMES.indexOf(step) + 1]
}

const MARKS: Readonly<Record<string, readonly [color: 'green' | 'yellow' | 'red' | 'dim', mark: string]>> = {
  done: ['green', '✓'],
  'nothing to do': ['green', '✓'],
  'left out': ['dim', '-'],
  pending: ['dim', '·'],
  undone: ['red', '✗'],
}

const WORSE = ['red', '!'] as const

function detailsText(onboarding: Onboarding): string {
  const lines = STEP_NAMES.flatMap((name) => {
    const { state, gate, check, why, later } = onboarding.steps[name]
    const [color, mark] = state === 'done' && later ? WORSE : (MARKS[state] ?? ['yellow', '▸'])
    const left = onboarding.spec.leaveOut[name]
    const head = `${styled(color, mark)} ${styled('bold', name)}: ${STEPS[name].title}, ${state}${left ? `: ${left}` : ''}${why ? `: ${why}` : ''}`
    const findings = [
      ...(gate?.findings ?? []),
      ...(state === 'done' || state === 'watching' ? (check?.findings ?? []) : []),
      ...(state === 'done' ? (later?.findings ?? []) : []),
    ]
    return [
      head,
      ...findings.flatMap(({ holds, says, remedy }) => [
        `    ${holds ? styled('green', '✓') : styled('red', '✗')} ${says}`,
        ...(remedy && !holds ? [`        ${styled('green', 'fix:')} ${remedy}`] : []),
      ]),
    ]
  })
  const history = onboarding.history
    .slice(-10)
    .map(({ at, step, says }) => `  ${new Date(at).toISOString().slice(0, 19)}  ${step ? `${step}: ` : ''}${says}`)
  const held = onboarding.held.map(({ says, remedy }) => `  ${says}${remedy ? `; ${remedy}` : ''}`)
  return [
    styled('bold', onboarding.spec.application),
    ...lines,
    ...(held.length > 0 ? ['', 'Held by:', ...held] : []),
    '',
    'Lately:',
    ...history,
    '',
  ].join('\n')
}
