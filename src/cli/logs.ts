import { setTimeout as after } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { type ApplicationLogsAnswer, SEVERITIES } from '../telemetry/questions/application-logs.ts'
import type { LogEntry, LogsAnswer } from '../telemetry/questions/logs.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import type { Mesh } from './mesh.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'
import {
  addWindowOption,
  askTelemetry,
  calleeNamed,
  partyNamed,
  partyValues,
  type WindowOptions,
} from './telemetry/asking.ts'
import { applicationLogLine, logLine } from './telemetry/log-line.ts'

interface Options extends MeshOptions, WindowOptions {
  readonly from?: string
  readonly to?: string
  readonly status?: string
  readonly flags?: readonly string[]
  readonly failed: boolean
  readonly path?: string
  readonly trace?: string
  readonly both: boolean
  readonly of?: string | true
  readonly severity?: string
  readonly text?: string
  readonly limit: string
  readonly follow: boolean
  readonly output?: OutputFormat
}

/** How often there is asked for more, in ms. Proxies send what they log every second. */
const AGAIN_MS = 1000
/** Proxies and their clocks are not that exact, in ms: what came late is still shown. */
const LATE_MS = 10_000

/** `weft logs` */
export function define(command: Command): void {
  command
    .description(
      'Shows access logs: requests and connections that ended. On a cluster those that failed and a share of the rest, where a Telemetry object sends logs to the provider weft.',
    )
    .option('--from <caller>', 'of calls of this workload or application, as NAME or NAME.NAMESPACE')
    .option('--to <callee>', 'of calls to this workload, application or service')
    .option('--status <code>', 'with this status: 503, or 5xx')
    .option('--flags <flags...>', 'with one of these response flags: UF')
    .option('--failed', 'only what failed', false)
    .option('--path <part>', 'with this in their path')
    .option('--trace <id>', 'of this trace')
    .option('--both', 'as the proxies of both sides saw it, not of the client alone', false)
    .option('--of [application]', 'in their place, what applications logged themselves and sent as OTLP; of this one')
    .addOption(new Option('--severity <word>', 'with --of: at least as grave as this').choices(SEVERITIES))
    .option('--text <part>', 'with --of: with this in them')
    .option('--limit <count>', 'so many at most', '50')
    .option('-f, --follow', 'go on with what comes', false)
    .addOption(outputOption())
    .action(run)
  addWindowOption(command)
  addMeshOptions(command)
  withExamples(command, [
    ['what failed lately', 'weft logs --failed'],
    ['live, of calls to reviews', 'weft logs --to reviews -f'],
    ['errors that reviews logged itself', 'weft logs --of reviews --severity error'],
  ])
}

async function run(options: Options): Promise<void> {
  const { from, to, status, flags, failed, path, trace, both, limit, follow, output, last } = options
  const mesh = await runningMesh(options)
  if (options.of !== undefined) return ofApplications(mesh, options)
  const values = {
    ...partyValues('source', from === undefined ? undefined : await partyNamed(mesh, from)),
    ...partyValues('destination', to === undefined ? undefined : await calleeNamed(mesh, to)),
    status,
    flags,
    failed,
    path,
    traceId: trace,
  }
  const answer = await askTelemetry<LogsAnswer>(mesh, 'logs', {
    ...values,
    last,
    limit: both ? limit : String(Number(limit) * 3),
  })
  const seen = new Set<number>()
  const shown = (entries: readonly LogEntry[]) =>
    entries
      .filter(({ id }) => !seen.has(id))
      .filter((log) => both || log.reporter === 'source' || isOnlyWitness(log))
      .slice(0, Number(limit))
      .toReversed()
  if (output && !follow)
    return print(await structured(output, { ...answer, entries: shown(answer.entries).toReversed() }))
  const tell = async (entries: readonly LogEntry[]) => {
    for (const log of shown(entries)) await print(output ? `${JSON.stringify(log)}\n` : `${logLine(log)}\n`)
    for (const { id } of entries) seen.add(id)
  }
  await tell(answer.entries)
  if (!follow) {
    if (answer.entries.length === 0) await print(`nothing was logged in the last ${last} that is asked for\n`)
    else if (answer.more) await print('(there are more: --limit)\n')
    return
  }
  for (let since = answer.to; ; ) {
    await after(AGAIN_MS)
    const next = await askTelemetry<LogsAnswer>(mesh, 'logs', {
      ...values,
      from: String(since - LATE_MS),
      limit: '1000',
    })
    await tell(next.entries)
    since = next.to
  }
}

async function ofApplications(mesh: Mesh, options: Options): Promise<void> {
  const { of, severity, text, trace, last, limit, follow, output } = options
  const given = (['from', 'to', 'status', 'flags', 'path'] as const).find((name) => options[name] !== undefined)
  if (given) throw new Failure(`--${given} is about access logs`, 'leave it out, or leave out --of')
  const party = typeof of === 'string' ? partyValues('party', await partyNamed(mesh, of)) : {}
  const values = { ...party, severity, text, traceId: trace, limit }
  const answer = await askTelemetry<ApplicationLogsAnswer>(mesh, 'application-logs', { ...values, last })
  if (output && !follow) return print(await structured(output, answer))
  const seen = new Set<number>()
  const tell = async ({ entries }: ApplicationLogsAnswer) => {
    for (const log of entries.filter(({ id }) => !seen.has(id)).toReversed())
      await print(output ? `${JSON.stringify(log)}\n` : applicationLogLine(log))
    for (const { id } of entries) seen.add(id)
  }
  await tell(answer)
  if (!follow) {
    if (answer.entries.length === 0)
      await print(
        `no application logged anything in the last ${last} that is asked for; what they print is not taken in, only what they send as OTLP\n`,
      )
    else if (answer.more) await print('(there are more: --limit)\n')
    return
  }
  for (let since = answer.to; ; ) {
    await after(AGAIN_MS)
    const from = String(since - LATE_MS)
    const next = await askTelemetry<ApplicationLogsAnswer>(mesh, 'application-logs', { ...values, from, limit: '1000' })
    await tell(next)
    since = next.to
  }
}

/** Its client has no proxy that would tell. */
function isOnlyWitness({ mutualTls }: LogEntry): boolean {
  return mutualTls === false
}
