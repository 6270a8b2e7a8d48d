import { userInfo } from 'node:os'
import { type Command, InvalidArgumentError } from 'commander'
import { readFinishedLabs, recordFinished } from '../adoption/learn/finished.ts'
import { applyFiles, filesOf, restoreFiles } from '../adoption/learn/folder.ts'
import type { Lab, Solution } from '../adoption/learn/lab.ts'
import { LABS } from '../adoption/learn/labs.ts'
import { closest } from '../resources/did-you-mean.ts'
import { addFolderOption, type FolderOption } from './adopt/folder-option.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { type ActiveLab, followedFolder, readActiveLab, removeActiveLab, writeActiveLab } from './learn/active-lab.ts'
import { worldOf } from './learn/world.ts'
import { MachineMesh } from './machine-mesh.ts'
import { print } from './output-format.ts'
import { runningMesh } from './running-mesh.ts'
import { styled } from './style.ts'
import { table } from './table.ts'

interface Options extends FolderOption {
  readonly name?: string
  readonly as?: string
  readonly answer?: Readonly<Record<string, string>>
}

/** `weft learn` */
export function define(command: Command): void {
  command.description(
    'Hands-on labs on a mesh on this machine: each is set up, checked and cleared away by the program, with hints. Who finished what is written down in the folder of the adoption, as evidence of readiness.',
  )
  const sub = (name: string, summary: string) =>
    command
      .command(name)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
  sub('up', 'run the demo mesh for the labs, until Ctrl-C').action(async () => {
    const { up } = await import('./up/run.ts')
    await up({ demo: true, recursive: false, name: 'learn', certificateLife: HOUR_MS })
  })
  const list = sub('list', 'list the labs, and who has finished which').action(listLabs)
  const start = sub('start', 'set a lab up, and say what is to be done').argument('<lab>', 'which').action(startLab)
  const task = sub('task', 'say again what is to be done').action(showTask)
  const hint = sub('hint', 'give one hint more; after the last, the solution').action(giveHint)
  const check = sub('check', 'look whether it is done')
    .option('--answer <key=value>', 'what a lab asks for; may be given several times', answer, {})
    .action(checkLab)
  const stop = sub('stop', 'clear the lab away: the folder becomes what it was').action(stopLab)
  for (const each of [start, task, hint, check, stop])
    each.option('--name <mesh>', 'a mesh on this machine (default: the one that runs)')
  for (const each of [list, check]) {
    addFolderOption(each)
    each.option('--as <person>', 'who learns (default: you)')
  }
  withExamples(command, [
    ['the mesh for it, in a terminal of its own', 'weft learn up'],
    ['the first lab', 'weft learn start routing'],
    ['is it done?', 'weft learn check'],
    ['when stuck', 'weft learn hint'],
    ['clear away, and go on', 'weft learn stop'],
  ])
}

const HOUR_MS = 3_600_000

function answer(text: string, before: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('write KEY=VALUE')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** The mesh that labs are done on. */
async function labMesh({ name }: Options): Promise<MachineMesh> {
  const mesh = await runningMesh(name === undefined ? {} : { name }).catch((error: Error) => error)
  if (mesh instanceof MachineMesh) return mesh
  throw new Failure('there is no mesh on this machine', 'start one in another terminal: weft learn up')
}

async function listLabs({ folder, as }: Options): Promise<void> {
  const finished = readFinishedLabs(folder)
  const own = new Set(finished.get(as ?? userInfo().username))
  const rows = LABS.map(({ id, title, minutes, teaches }) => [
    own.has(id) ? styled('green', '✓') : '',
    id,
    title,
    `${minutes} min`,
    teaches,
  ])
  const others = [...finished].map(([person, labs]) => `${person}: ${labs.length} of ${LABS.length}`)
  await print(
    `${table(['', 'LAB', 'TITLE', 'TIME', 'TEACHES'], rows)}${others.length > 0 ? `\nFinished: ${others.join(', ')}\n` : ''}`,
  )
}

async function startLab(id: string, options: Options): Promise<void> {
  const lab = LABS.find((each) => each.id === id)
  if (!lab) {
    const near = closest(
      id,
      LABS.map((each) => each.id),
    )
    throw new Failure(`there is no lab "${id}"`, near ? `did you mean "${near}"?` : 'see weft learn list')
  }
  const mesh = await labMesh(options)
  const active = readActiveLab(mesh.folders)
  if (active) throw new Failure(`the lab "${active.lab}" is under way`, 'end it first: weft learn stop')
  const { folder, run } = followedFolder(mesh.folders)
  const files = filesOf(folder)
  const before = (await lab.remember?.(await worldOf(mesh, { before: {} }, {}))) ?? {}
  // First how it was: whatever happens from here on can be undone.
  writeActiveLab(mesh.folders, { lab: id, run, files, before, hints: 0 })
  applyFiles(folder, lab.setup)
  await print(taskText(lab, folder))
}

async function activeLab(
  options: Options,
): Promise<{ mesh: MachineMesh; active: ActiveLab; lab: Lab; folder: string }> {
  const mesh = await labMesh(options)
  const active = readActiveLab(mesh.folders)
  const lab = LABS.find(({ id }) => id === active?.lab)
  if (!active || !lab)
    throw new Failure('no lab is under way', 'begin one: weft learn start LAB (weft learn list shows them)')
  return { mesh, active, lab, folder: followedFolder(mesh.folders).folder }
}

async function showTask(options: Options): Promise<void> {
  const { lab, folder } = await activeLab(options)
  await print(taskText(lab, folder))
}

function taskText({ title, teaches, task, minutes }: Lab, folder: string): string {
  const lines = task.map((line) => line.replaceAll('$DEMO', folder))
  return `${[styled('bold', title), `You learn ${teaches}. About ${minutes} minutes.`, '', ...lines, '', `The mesh follows ${folder}: an edit there reaches every proxy at once.`, 'weft learn check looks whether it is done; weft learn hint helps; weft learn stop clears away.'].join('\n')}\n`
}

async function giveHint(options: Options): Promise<void> {
  const { mesh, active, lab } = await activeLab(options)
  const hint = lab.hints[active.hints]
  writeActiveLab(mesh.folders, { ...active, hints: active.hints + 1 })
  await print(
    hint === undefined ? solutionText(lab.solution) : `Hint ${active.hints + 1} of ${lab.hints.length}: ${hint}\n`,
  )
}

function solutionText({ files = {}, commands = [], answers = {} }: Solution): string {
  const parts = [
    ...Object.entries(files).map(([name, text]) => `${styled('bold', name)}\n${text}`),
    ...commands.map((args) => `weft ${args.join(' ')}\n`),
    ...(Object.keys(answers).length > 0
      ? [
          `weft learn check ${Object.entries(answers)
            .map(([key, value]) => `--answer ${key}=${value}`)
            .join(' ')}\n`,
        ]
      : []),
  ]
  return `That was the last hint. One solution:\n\n${parts.join('\n')}`
}

async function checkLab(options: Options): Promise<void> {
  const { mesh, active, lab } = await activeLab(options)
  const world = await worldOf(mesh, active, options.answer ?? {})
  let passed = true
  for (const { holds, look } of lab.checks) {
    const { ok, found } = await look(world)
    passed &&= ok
    await print(`${ok ? styled('green', '✓') : styled('red', '✗')} ${holds}: ${found}\n`)
  }
  if (!passed) {
    process.exitCode = 1
    await print('\nNot yet. weft learn hint helps.\n')
    return
  }
  const person = options.as ?? userInfo().username
  const path = recordFinished(options.folder, person, {
    lab: lab.id,
    at: new Date().toISOString(),
    hints: active.hints,
  })
  await print(`\nDone, ${person}: "${lab.title}" (written down in ${path}). weft learn stop clears away.\n`)
}

async function stopLab(options: Options): Promise<void> {
  const { mesh, active, lab, folder } = await activeLab(options)
  restoreFiles(folder, active.files)
  removeActiveLab(mesh.folders)
  await print(`"${lab.title}" is cleared away: ${folder} is as it was.\n`)
}
