import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import process from 'node:process'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { parse } from 'yaml'
import type { EstateObject } from '../../adoption/estate/estate.ts'
import { readApplications } from '../../adoption/inventory/folder.ts'
import { Engine } from '../../adoption/onboarding/engine.ts'
import { folderJournal, leaveRequest, type Request, takeRequests } from '../../adoption/onboarding/journal.ts'
import { clusterObjects } from '../../adoption/onboarding/objects/cluster.ts'
import { folderObjects } from '../../adoption/onboarding/objects/folder.ts'
import { gitObjects } from '../../adoption/onboarding/objects/git.ts'
import {
  type DeclaredGateway,
  type OnboardingSpec,
  STEP_NAMES,
  type StepName,
  USUAL_LIMITS,
  USUAL_WINDOWS,
} from '../../adoption/onboarding/onboarding.ts'
import { obey } from '../../adoption/onboarding/requests.ts'
import type { Objects, World } from '../../adoption/onboarding/world.ts'
import { lockHolder, takeLock } from '../../agent/supervise/lock.ts'
import { readMeshSettings } from '../../agent/supervise/mesh-settings.ts'
import { closest } from '../../resources/did-you-mean.ts'
import { keyOf } from '../../resources/resource.ts'
import { clusterWorld, keptInFolder, laptopWorld } from '../../server/onboarding/mesh-world.ts'
import { withExamples } from '../examples.ts'
import { Failure } from '../failure.ts'
import { lengthOfTime } from '../length-of-time.ts'
import { MachineMesh } from '../machine-mesh.ts'
import type { Mesh } from '../mesh.ts'
import { print } from '../output-format.ts'
import { addMeshOptions, type MeshOptions, meshToChange } from '../running-mesh.ts'
import { addFolderOption, type FolderOption } from './folder-option.ts'
import { askedMesh } from './onboarding/asked-mesh.ts'
import { carryOn, previewText } from './onboarding/carry-on.ts'

interface Options extends MeshOptions, FolderOption {
  readonly pause?: boolean
  readonly resume?: boolean
  readonly undo?: boolean | string
  readonly dryRun?: boolean
  readonly once?: boolean
  readonly yaml?: string
  readonly git?: string
  readonly settings?: string
  readonly leaveOut?: readonly string[]
  readonly holdBefore?: StepName
  readonly watch?: number
  readonly baseline?: number
  readonly authorizationWindow?: number
  readonly strictWindow?: number
  readonly settle?: number
  readonly requests?: number
  readonly interval: number
}

/** `weft adopt onboard` */
export function defineOnboard(command: Command): void {
  command
    .description(
      'Takes one application into the mesh, step by step: PERMISSIVE, a gateway, a first instance with a proxy, then all, mutual TLS required, timeouts and retries by what was observed, declared limits, who may call (tried dry first), STRICT. ' +
        'Each step waits for its gate, is written before it is done, watched against what the application did before, and taken back by itself where it does worse. Ctrl-C leaves it where it is: the next run goes on. ' +
        'While one runs, others say to it what they want: --pause, --resume, --undo.',
    )
    .argument('<app>', 'an application of the inventory: NAMESPACE/NAME')
    .option('--pause', 'begin no further step; what is begun is still watched')
    .option('--resume', 'go on, and try again what was taken back')
    .option('--undo [step]', 'take back down to a step, that step too; all of it where none is named')
    .option('--dry-run', 'say what the next step would write and what its gate says, and change nothing')
    .option('--once', 'look once at every application on its way, and end: for a schedule')
    .option(
      '--yaml <folder>',
      'folder of YAML to be written to (default: the one that the mesh on this machine follows)',
    )
    .option('--git <folder>', 'clone of a git repository to be written to: each change is a commit, pushed')
    .option(
      '--settings <file>',
      'YAML with windows, limits, gateway, declared objects, as docs/operations/adoption.md says',
    )
    .option('--leave-out <step=reason...>', 'steps that are not for it')
    .addOption(new Option('--hold-before <step>', 'go no further than to before this step').choices(STEP_NAMES))
    .option('--watch <duration>', 'how long each step is watched (default: 10m)', lengthOfTime)
    .option('--baseline <duration>', 'what a step is compared with: so long before it (default: 1h)', lengthOfTime)
    .option('--authorization-window <duration>', 'for how long calls must have been seen (default: 7d)', lengthOfTime)
    .option('--strict-window <duration>', 'for how long all must have used mutual TLS (default: 7d)', lengthOfTime)
    .option('--settle <duration>', 'how long proxies and pods may take (default: 10m)', lengthOfTime)
    .option('--requests <count>', 'of fewer nothing is concluded; 0 for one that nobody calls (default: 100)', count)
    .option('--interval <duration>', 'how often there is looked', lengthOfTime, lengthOfTime('2s'))
    .action(run)
  addMeshOptions(addFolderOption(command))
  withExamples(command, [
    ['see what would be done first', 'weft adopt onboard shop/cart --dry-run'],
    [
      'on a laptop, in minutes',
      'weft adopt onboard shop/cart --watch 30s --baseline 1m --authorization-window 2m --strict-window 5m',
    ],
    ['by commits that something else applies', 'weft adopt onboard shop/cart --git ../deploy'],
    ['back to before there were proxies', 'weft adopt onboard shop/cart --undo proxy-canary'],
  ])
}

function count(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('write a whole number, 0 or more')
  return Number(text)
}

async function run(app: string, options: Options): Promise<void> {
  const { folder } = options
  const request = await requestOf(app, options)
  const lock = `onboarding-${resolve(folder)}`
  if (!options.dryRun) leaveRequest(folder, request)
  const other = await lockHolder(lock)
  if (other !== undefined && !options.dryRun)
    return print(
      `Process ${other} carries the applications of ${folder} on, and was told. See: weft adopt status ${app}\n`,
    )
  const held = options.dryRun ? undefined : await takeLock(lock)
  if (held && 'heldBy' in held) return print(`Process ${held.heldBy} was told.\n`)
  const mesh = await meshToChange(options)
  const world = await worldOf(mesh, options)
  const engine = new Engine(world)
  if (options.dryRun) {
    const spec = 'start' in request ? request.start : (await world.journal.load(app))?.spec
    if (spec) await print(previewText(await engine.preview(spec)))
    return
  }
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  try {
    const take = () => takeRequests(folder, (each) => obey(engine, each))
    await take()
    const { interval, once = false } = options
    const isDone = await carryOn({ application: app, world, engine, take, interval, once, signal: stop.signal })
    if (!isDone) process.exitCode = 1
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    if (held) await held.release()
  }
}

/** What the options ask for. @throws Failure */
async function requestOf(app: string, options: Options): Promise<Request> {
  const { folder, pause, resume, undo } = options
  const there = await folderJournal(folder).load(app)
  const asked = [pause, resume, undo].filter((each) => each !== undefined).length
  if (asked > 1) throw new Failure('--pause, --resume and --undo exclude each other', 'give one of them')
  if (asked === 1) {
    if (!there) throw new Failure(`${app} is not on its way`, 'see weft adopt status, or begin without this option')
    if (pause) return { application: app, wish: 'pause' }
    if (resume) return { application: app, wish: 'go' }
    return { application: app, wish: { undo: undo === true ? 'permissive' : stepNamed(String(undo)), by: 'somebody' } }
  }
  const { applications } = readApplications(folder)
  if (!applications.some((each) => keyOf(each) === app)) {
    const near = closest(app, applications.map(keyOf))
    throw new Failure(
      `there is no application ${app} in ${folder}`,
      near ? `did you mean ${near}?` : 'list applications first: weft adopt import',
    )
  }
  return { start: specOf(app, options, there?.spec) }
}

function stepNamed(name: string): StepName {
  const step = STEP_NAMES.find((each) => each === name)
  if (step) return step
  const near = closest(name, STEP_NAMES)
  throw new Failure(
    `there is no step "${name}"`,
    near ? `did you mean ${near}?` : `name one of ${STEP_NAMES.join(', ')}`,
  )
}

/** What `--settings` may hold. */
interface Settings {
  readonly windows?: Readonly<Record<string, string>>
  readonly limits?: Readonly<Record<string, number>>
  readonly gateway?: DeclaredGateway
  readonly declared?: readonly EstateObject[]
}

function specOf(application: string, options: Options, before: OnboardingSpec | undefined): OnboardingSpec {
  const settings = options.settings === undefined ? {} : readSettings(options.settings)
  const windows = Object.fromEntries(
    Object.entries(settings.windows ?? {}).map(([name, text]) => [name, windowOf(name, text, options.settings ?? '')]),
  )
  const { watch, baseline, authorizationWindow: authorization, strictWindow: strict, settle, requests } = options
  const given = Object.entries({ watch, baseline, authorization, strict, settle }).filter(([, ms]) => ms !== undefined)
  const gateway = settings.gateway ?? before?.gateway
  const holdBefore = options.holdBefore
  return {
    application,
    leaveOut: options.leaveOut ? leftOut(options.leaveOut) : (before?.leaveOut ?? {}),
    windows: { ...USUAL_WINDOWS, ...before?.windows, ...windows, ...Object.fromEntries(given) },
    limits: { ...USUAL_LIMITS, ...before?.limits, ...settings.limits, ...(requests === undefined ? {} : { requests }) },
    declared: settings.declared ?? before?.declared ?? [],
    ...(gateway ? { gateway } : {}),
    ...(holdBefore ? { holdBefore } : {}),
  }
}

function readSettings(path: string): Settings {
  if (!existsSync(path)) throw new Failure(`${path} is not there`, 'name another with --settings')
  const value = parse(readFileSync(path, 'utf8')) as unknown
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Failure(`${path} holds no settings`, 'write windows, limits, gateway or declared in it')
  const unknown = Object.keys(value).find((name) => !['windows', 'limits', 'gateway', 'declared'].includes(name))
  if (unknown)
    throw new Failure(`${path}: there is no setting "${unknown}"`, 'write windows, limits, gateway or declared')
  const { windows = {}, limits = {} } = value as Settings
  for (const [name, among] of [
    ...Object.keys(windows).map((each) => [each, USUAL_WINDOWS] as const),
    ...Object.keys(limits).map((each) => [each, USUAL_LIMITS] as const),
  ])
    if (!(name in among))
      throw new Failure(`${path}: there is no "${name}"`, `write one of ${Object.keys(among).join(', ')}`)
  return value as Settings
}

function windowOf(name: string, text: string, path: string): number {
  try {
    return lengthOfTime(text)
  } catch (error) {
    throw new Failure(`${path}: windows.${name}: ${(error as Error).message}`, 'write one such as 7d or 10m')
  }
}

function leftOut(words: readonly string[]): OnboardingSpec['leaveOut'] {
  return Object.fromEntries(
    words.map((word) => {
      const [name = '', ...reason] = word.split('=')
      if (reason.join('=').trim() === '')
        throw new Failure(`--leave-out ${word} gives no reason`, 'write STEP=REASON: who looks later wants to know')
      return [stepNamed(name), reason.join('=')]
    }),
  )
}

async function worldOf(mesh: Mesh, options: Options): Promise<World> {
  const { git, yaml } = options
  const written = git !== undefined ? gitObjects(git) : yaml !== undefined ? folderObjects(yaml) : undefined
  const kept = keptInFolder(options.folder)
  if (mesh instanceof MachineMesh) return laptopWorld(askedMesh(mesh), written ?? followedFolder(mesh), kept)
  const { apiServer } = await import('../cluster-access.ts')
  const server = apiServer(options)
  return clusterWorld(server, askedMesh(mesh), written ?? clusterObjects(server), kept)
}

/** What the mesh on this machine follows. @throws Failure where that cannot be told */
function followedFolder(mesh: MachineMesh): Objects {
  const { paths = [], folder = '.' } = readMeshSettings(mesh.folders) ?? {}
  const followed = paths.map((path) => resolve(folder, path)).filter((path) => statSync(path).isDirectory())
  const last = followed.at(-1)
  if (last === undefined)
    throw new Failure(
      `${mesh.label} follows single files`,
      'start it with a folder, or name one of its folders with --yaml',
    )
  return folderObjects(last)
}
