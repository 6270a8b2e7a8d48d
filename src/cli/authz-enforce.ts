import process from 'node:process'
import { setTimeout as after } from 'node:timers/promises'
import type { Command } from 'commander'
import { unexpectedDenials } from '../management/authorization/denials.ts'
import { displayName, type Resource } from '../resources/resource.ts'
import type { SimulationAnswer, SimulationQuestion } from '../server/authorization-evidence.ts'
import { callerText, callText } from '../telemetry/answers/call-text.ts'
import type { CallsAnswer, SeenCalls } from '../telemetry/questions/calls.ts'
import { readPolicies, simulationText } from './authz-simulate.ts'
import { type Begun, whoBegins } from './enforcement/begun.ts'
import { type Place, placeOf } from './enforcement/change.ts'
import { notInForce } from './enforcement/in-force.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { lengthOfTime } from './length-of-time.ts'
import type { Mesh } from './mesh.ts'
import { RECORD_CALLS } from './no-calls.ts'
import { print } from './output-format.ts'
import { addMeshOptions, type MeshOptions, meshToChange } from './running-mesh.ts'
import { styled } from './style.ts'

interface Options extends MeshOptions {
  readonly filename?: readonly string[]
  readonly resume?: boolean
  readonly undo?: boolean
  readonly recursive: boolean
  readonly namespace?: string
  readonly since: number
  readonly watch: number
  readonly timeout: number
  readonly acceptDenials: boolean
  readonly acceptUnobserved: boolean
}

/** How often there is asked whether something was refused, in ms. Proxies send what they log every second. */
const AGAIN_MS = 1000

/** `weft authz enforce` */
export function define(command: Command): void {
  command
    .summary('put policies in force in stages, and take them back when they refuse what nobody expected')
    .description(
      'Puts policies, STRICT among them, in force step by step: replays recorded calls as weft authz simulate does, and stops where some would be denied; writes the objects; waits until every proxy has taken them; watches what is refused, and has all be as it was when that is more than the simulation said, when a proxy refuses them, or on Ctrl-C. What it does is written down first: where it was killed before the end, --resume goes on with it, and --undo has all be as it was. The exit code is 1 where they are not in force at the end.',
    )
    .option('-f, --filename <file...>', 'files and folders with the policies; "-" for standard input')
    .option('-R, --recursive', 'read subfolders as well', false)
    .option('-n, --namespace <namespace>', 'namespace of objects in files that name none')
    .option('--since <duration>', 'replay calls of this time: 12h, 7d', lengthOfTime, lengthOfTime('7d'))
    .option('--watch <duration>', 'how long to watch what is refused', lengthOfTime, lengthOfTime('2m'))
    .option('--timeout <duration>', 'how long the proxies may take', lengthOfTime, lengthOfTime('1m'))
    .option('--accept-denials', 'go on though calls would be denied that were seen: they are meant to be', false)
    .option('--accept-unobserved', 'go on though some calls cannot be judged by what is recorded', false)
    .option('--resume', 'go on with what was begun and not finished', false)
    .option('--undo', 'have all be as it was before what was begun and not finished', false)
    .action(run)
  addMeshOptions(command)
  withExamples(command, [
    ['what was learned, watched for ten minutes', 'weft authz enforce -f policies.yaml --watch 10m'],
    ['what a killed one left behind', 'weft authz enforce --undo'],
    ['STRICT, where nobody was seen without a certificate', 'weft authz enforce -f strict.yaml --since 30d'],
  ])
}

async function run(options: Options): Promise<void> {
  const { filename, resume, undo } = options
  if ([filename, resume || undefined, undo || undefined].filter(Boolean).length !== 1)
    throw new Failure('one of --filename, --resume and --undo is needed', 'weft authz enforce --help has examples')
  const objects = filename ? readPolicies({ ...options, filename }) : []
  const mesh = await meshToChange(options)
  const place = await placeOf(mesh, options)
  const left = await place.begun.read()
  if (undo) return undone(place, left)
  if (left && !resume)
    throw new Failure(
      `${objectNames(left.objects)} is being put in force since ${left.at}, by ${left.by}`,
      'where that has ended, go on with it by --resume, or take it back by --undo',
    )
  const begun = resume ? left : await begin(mesh, place, objects, options)
  if (resume && !begun) throw new Failure('nothing was left unfinished', 'name policies with --filename')
  if (begun) await carryOut(mesh, place, begun, options)
}

async function undone(place: Place, left: Begun | undefined): Promise<void> {
  if (!left) return say('Nothing was left unfinished.')
  await place.undo(left.changes)
  await place.begun.clear()
  await say(`✓ ${objectNames(left.objects)}: taken back, all is as it was.`)
}

/** Simulates, and writes down what is going to be done; undefined where it goes no further. */
async function begin(
  mesh: Mesh,
  place: Place,
  objects: readonly Resource[],
  options: Options,
): Promise<Begun | undefined> {
  const expected = await simulated(mesh, objects, options)
  if (!expected) return undefined
  const refusedBefore = (await recorded(mesh, options)).filter(({ refused }) => refused)
  const changes = await place.changesFor(objects)
  const begun = { at: new Date().toISOString(), by: whoBegins(), objects, expected, refusedBefore, changes }
  await place.begun.write(begun)
  return begun
}

async function carryOut(mesh: Mesh, place: Place, begun: Begun, options: Options): Promise<void> {
  const { objects, changes, expected, refusedBefore } = begun
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  const takeBack = async () => {
    await place.undo(changes)
    await place.begun.clear()
  }
  try {
    const written = await place.make(changes)
    await say(`Written: ${written.join(', ') || 'all was so already'}`)
    const why =
      (await taken(mesh, objects, options, stop.signal)) ??
      (await watched(mesh, refusedBefore, expected, options, stop.signal))
    if (why === undefined) {
      await place.begun.clear()
      return await say(styled('green', '✓ The policies are in force.'))
    }
    await takeBack()
    await say(styled('red', `✗ ${why}: taken back, all is as it was.`))
    process.exitCode = 1
  } catch (error) {
    // What cannot be watched must not stay.
    await takeBack()
    await say(styled('red', '✗ Taken back, all is as it was.'))
    throw error
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

function objectNames(objects: readonly Resource[]): string {
  return objects.map(displayName).join(', ')
}

/** The calls that are known to be denied by it; undefined where it goes no further. */
async function simulated(
  mesh: Mesh,
  objects: readonly Resource[],
  { since, acceptDenials, acceptUnobserved }: Options,
): Promise<readonly SeenCalls[] | undefined> {
  const to = Date.now()
  const question: SimulationQuestion = { objects, from: to - since, to }
  const answer = await mesh.post<SimulationAnswer>('authorization/simulation', question)
  await print(simulationText(answer))
  const { newlyDenied, notObserved, evidence } = answer
  if (evidence.since === null)
    throw new Failure('no calls are recorded, so nothing is known of what this would break', RECORD_CALLS)
  const reasons = [
    ...(newlyDenied.length > 0 && !acceptDenials
      ? ['calls that were seen would be denied: --accept-denials if they are meant to be']
      : []),
    ...(notObserved.length > 0 && !acceptUnobserved
      ? ['some calls cannot be judged: --accept-unobserved to go on all the same']
      : []),
  ]
  if (reasons.length === 0) return newlyDenied.map(({ call }) => call)
  await say(`\n${styled('red', '✗ Nothing is changed:')} ${reasons.join('; ')}`)
  process.exitCode = 1
  return undefined
}

async function recorded(mesh: Mesh, { since }: Options): Promise<readonly SeenCalls[]> {
  const { calls } = await mesh.get<CallsAnswer>(`telemetry/calls?last=${Math.ceil(since / 1000)}s`)
  return calls
}

/** Waits until all proxies have it. Returns why it has to be taken back, if it has. */
async function taken(
  mesh: Mesh,
  objects: readonly Resource[],
  { timeout }: Options,
  stop: AbortSignal,
): Promise<string | undefined> {
  const end = performance.now() + timeout
  let inForce = 0
  for (;;) {
    if (stop.aborted) return 'Stopped'
    const not = await notInForce(mesh, objects)
    if (not && 'refused' in not) return not.refused
    // Twice, as proxies are told a moment after the servers know.
    inForce = not ? 0 : inForce + 1
    if (inForce === 2) return void (await say('✓ Every proxy has it.'))
    if (not && performance.now() > end) return `Waited ${timeout / 1000} s for ${not.waiting}`
    await after(AGAIN_MS / 2, undefined, { signal: stop }).catch(() => undefined)
  }
}

/** Watches what is refused. Returns why it has to be taken back, if it has. */
async function watched(
  mesh: Mesh,
  before: readonly SeenCalls[],
  expected: readonly SeenCalls[],
  options: Options,
  stop: AbortSignal,
): Promise<string | undefined> {
  await say(`Watching for ${options.watch / 1000} s what is refused ...`)
  const end = performance.now() + options.watch
  for (;;) {
    const denials = unexpectedDenials(before, await recorded(mesh, options), expected)
    const [first] = denials
    if (first) {
      const { call, count } = first
      const more = denials.length > 1 ? `, and ${denials.length - 1} kinds of calls more` : ''
      const { namespace, workload } = call.destination
      return `${callerText(call)} was refused by ${namespace}/${workload}, ${callText(call)}, ${count} times${more}`
    }
    if (performance.now() >= end) return undefined
    if (stop.aborted) return 'Stopped'
    await after(AGAIN_MS, undefined, { signal: stop }).catch(() => undefined)
  }
}

function say(text: string): Promise<void> {
  return print(`${text}\n`)
}
