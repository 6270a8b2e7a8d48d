import process from 'node:process'
import type { Command } from 'commander'
import type { Resource } from '../resources/resource.ts'
import type { ExplainedCalls, SimulationAnswer, SimulationQuestion } from '../server/authorization-evidence.ts'
import { readFiles } from '../sources/files/files.ts'
import { callerText, callText } from '../telemetry/answers/call-text.ts'
import { agoText } from './ago.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { lengthOfTime } from './length-of-time.ts'
import { messageBlock } from './message-text.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'
import { stepText } from './step-text.ts'
import { styled } from './style.ts'

interface PolicyFiles {
  readonly filename: readonly string[]
  readonly recursive: boolean
  readonly namespace?: string
}

interface Options extends MeshOptions, PolicyFiles {
  readonly since: number
  readonly output?: OutputFormat
}

/** `weft authz simulate` */
export function define(command: Command): void {
  command
    .summary('say what a policy would do to the traffic that was seen')
    .description(
      'Replays the calls that were recorded against the policies in force with those of the files added or replaced, and lists what would newly be denied or allowed. Nothing is applied. Works for AuthorizationPolicy, PeerAuthentication and RequestAuthentication. What rests on something that is not recorded, such as a header or a token, is told as not observed. The exit code is 1 where something would newly be denied.',
    )
    .requiredOption('-f, --filename <file...>', 'files and folders with the policies; "-" for standard input')
    .option('-R, --recursive', 'read subfolders as well', false)
    .option('-n, --namespace <namespace>', 'namespace of objects in files that name none')
    .option('--since <duration>', 'calls of this time: 12h, 7d', lengthOfTime, lengthOfTime('7d'))
    .addOption(outputOption())
    .action(run)
  addMeshOptions(command)
  withExamples(command, [
    ['what these policies would do', 'weft authz simulate -f policies.yaml'],
    ['would STRICT cut somebody off?', 'weft authz simulate -f strict.yaml --since 30d'],
  ])
}

async function run({ since, output, ...options }: Options): Promise<void> {
  const objects = readPolicies(options)
  const mesh = await runningMesh(options)
  const to = Date.now()
  const question: SimulationQuestion = { objects, from: to - since, to }
  const answer = await mesh.post<SimulationAnswer>('authorization/simulation', question)
  await print(output ? await structured(output, answer) : simulationText(answer))
  if (answer.newlyDenied.length > 0) process.exitCode = 1
}

/** The objects of the files that `-f` names. @throws Failure */
export function readPolicies(options: PolicyFiles): readonly Resource[] {
  const { filename: paths, recursive, namespace } = options
  const { resources, messages } = readFiles({ paths, recursive, ...(namespace === undefined ? {} : { namespace }) })
  const errors = messages.filter(({ severity }) => severity === 'error')
  if (errors.length > 0)
    throw new Failure(`the files cannot be read:\n${errors.map(messageBlock).join('')}`.trimEnd(), 'mend them')
  if (resources.length === 0) throw new Failure('there is no object in the files', 'name files with policies')
  return resources
}

/** More kinds of calls than these are told by their number. */
const LISTED = 50

/** What a simulation says, for people. */
export function simulationText({
  kinds,
  calls,
  gone,
  evidence,
  newlyDenied,
  newlyAllowed,
  notObserved,
}: SimulationAnswer): string {
  const { from, since, oneOf } = evidence
  const lines = [
    `Replayed ${Math.round(calls)} calls of ${kinds} kinds, seen since ${agoText(Math.max(from, since ?? from))}.`,
  ]
  if (since === null) lines.push('No calls are recorded yet: nothing can be said.')
  else if (since > from + 60_000) lines.push('There are no older records: what comes less often was not seen.')
  if (oneOf > 1) lines.push(`One in ${oneOf} calls is logged: what is rarer than that may not have been seen.`)
  if (gone > 0) lines.push(`${Math.round(gone)} calls went to workloads or ports that are not there now: not judged.`)
  lines.push(
    ...section(styled('red', 'Newly denied'), newlyDenied),
    ...section(styled('green', 'Newly allowed'), newlyAllowed),
  )
  if (notObserved.length > 0)
    lines.push(...section(styled('yellow', 'Not observed: what decides is not recorded'), notObserved))
  return `${lines.join('\n')}\n`
}

function section(title: string, some: readonly ExplainedCalls[]): readonly string[] {
  if (some.length === 0) return ['', `${title}: nothing`]
  const count = some.reduce((sum, { call }) => sum + call.count, 0)
  const lines = some.slice(0, LISTED).flatMap(({ call, after, steps, lacks }) => {
    const { namespace, workload } = call.destination
    return [
      `  ${callerText(call)} → ${namespace}/${workload}: ${callText(call)}`,
      `      ${Math.round(call.count)} calls, last ${agoText(call.lastSeen)}; ${lacks.length > 0 ? `depends on ${lacks.join(', ')}` : after}`,
      ...steps.slice(-1).map((step) => `    ${stepText(step)}`),
    ]
  })
  const more = some.length > LISTED ? [`  and ${some.length - LISTED} kinds more: see -o json`] : []
  return ['', `${title}: ${Math.round(count)} calls of ${some.length} kinds`, ...lines, ...more]
}
