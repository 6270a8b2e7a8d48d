import { type Command, Option } from 'commander'
import { Document, stringify } from 'yaml'
import type { Grain, LearnedPolicy } from '../management/authorization/learn.ts'
import type { Evidence, LearnedAnswer } from '../server/authorization-evidence.ts'
import { callerText, callText } from '../telemetry/answers/call-text.ts'
import type { SeenCalls } from '../telemetry/questions/calls.ts'
import { agoText } from './ago.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { lengthOfTime } from './length-of-time.ts'
import { RECORD_CALLS } from './no-calls.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'

interface Options extends MeshOptions {
  readonly workload?: string
  readonly namespace?: string
  readonly since: number
  readonly grain: Grain
  readonly output?: OutputFormat
}

/** `weft authz learn` */
export function define(command: Command): void {
  command
    .summary('propose policies that allow what was seen, and nothing else')
    .description(
      'Proposes an AuthorizationPolicy for each workload that was called: it allows the calls that its proxy saw, by who made them, and nothing else. Nothing is applied. What the evidence is, and what it cannot tell, stands in comments. Look at the effect with weft authz simulate before anything is enforced.',
    )
    .option('--workload <name>', 'of this workload only: NAME or NAME.NAMESPACE')
    .option('-n, --namespace <namespace>', 'of the workloads of this namespace only')
    .option('--since <duration>', 'by calls of this time: 12h, 7d', lengthOfTime, lengthOfTime('7d'))
    .addOption(
      new Option('--grain <grain>', 'how narrow: who may call, with which methods, at which paths')
        .choices(['principals', 'methods', 'paths'])
        .default('paths'),
    )
    .addOption(outputOption())
    .action(run)
  addMeshOptions(command)
  withExamples(command, [
    ['for the whole mesh, into a file', 'weft authz learn > policies.yaml'],
    ['who calls reviews, whatever they ask', 'weft authz learn --workload reviews-v1 --grain principals'],
    ['and what it would do', 'weft authz simulate -f policies.yaml'],
  ])
}

async function run({ workload, namespace, since, grain, output, ...options }: Options): Promise<void> {
  const mesh = await runningMesh(options)
  const to = Date.now()
  const [, name, ofName] = /^(.*?)(?:\.([^.]+))?$/.exec(workload ?? '') ?? []
  const place = namespace ?? ofName
  const query = new URLSearchParams({ from: String(to - since), to: String(to), grain })
  if (name) query.set('workload', name)
  if (place !== undefined) query.set('namespace', place)
  const answer = await mesh.get<LearnedAnswer>(`authorization/learned?${query}`)
  if (output) return print(await structured(output, answer))
  if (answer.workloads.length === 0 || answer.evidence.since === null)
    throw new Failure(
      `no calls${workload === undefined ? '' : ` to ${workload}`} were recorded in that time`,
      answer.evidence.since === null ? RECORD_CALLS : 'send some traffic, or look further back with --since',
    )
  await print(answer.workloads.map((each) => document(each, answer.evidence)).join('---\n'))
}

/** A policy with its evidence, or comments alone where there is none. */
function document(learned: LearnedPolicy, evidence: Evidence): string {
  const { namespace, workload, policy, reason } = learned
  const comment = commentOf(learned, evidence).join('\n')
  if (!policy)
    return stringify(new Document(null)).replace(
      'null\n',
      `${`Nothing for ${namespace}/${workload}: ${reason}.\n${comment}`.trim().replaceAll(/^/gm, '# ')}\n`,
    )
  const written = new Document(policy, { aliasDuplicateObjects: false })
  written.commentBefore = comment.replaceAll(/^/gm, ' ')
  return written.toString({ lineWidth: 0 })
}

/** More callers than these are not listed one by one. */
const LISTED = 10

function commentOf(
  { calls, firstSeen, lastSeen, plaintext, refused, folded }: LearnedPolicy,
  { oneOf, since, from }: Evidence,
): readonly string[] {
  const lines =
    calls > 0
      ? [`From ${Math.round(calls)} calls, the first ${agoText(firstSeen)}, the last ${agoText(lastSeen)}.`]
      : []
  if (since !== null && since > from + 60_000)
    lines.push(`Calls are recorded only since ${agoText(since)}: what comes less often was not seen.`)
  if (oneOf > 1) lines.push(`One in ${oneOf} calls is logged: callers that are rarer than that may not have been seen.`)
  const list = (title: string, some: readonly SeenCalls[], text: (call: SeenCalls) => string) => {
    if (some.length === 0) return
    lines.push(title, ...some.slice(0, LISTED).map((call) => `  ${text(call)}`))
    if (some.length > LISTED) lines.push(`  and ${some.length - LISTED} more`)
  }
  const whole = (call: SeenCalls) =>
    `${callerText(call)}: ${callText(call)}, ${Math.round(call.count)} times, last ${agoText(call.lastSeen)}`
  list(
    'WOULD BE DENIED: callers without a certificate, whom no rule can name. Give them a proxy first.',
    plaintext,
    whole,
  )
  list('Was refused, and is not allowed:', refused, whole)
  list('Use too many paths to list, so all are allowed:', folded, whole)
  return lines
}
