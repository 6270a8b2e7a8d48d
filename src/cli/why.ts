import type { Command } from 'commander'
import type { ConfigurationChange } from '../telemetry/questions/changes.ts'
import type { WhyAnswer } from '../telemetry/questions/why.ts'
import { withExamples } from './examples.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'
import { styled } from './style.ts'
import {
  addWindowOption,
  askTelemetry,
  calleeNamed,
  partyNamed,
  partyValues,
  type WindowOptions,
} from './telemetry/asking.ts'
import { logLine } from './telemetry/log-line.ts'
import { clockTime, failedShare, milliseconds, percent, rate } from './telemetry/numbers.ts'

interface Options extends MeshOptions, WindowOptions {
  readonly from?: string
  readonly to: string
  readonly output?: OutputFormat
}

/** `weft why` */
export function define(command: Command): void {
  command
    .description(
      'Tells why calls fail: which failures there are and what they mean, logs and traces of them, when they began, and which configuration changed just before.',
    )
    .option('--from <caller>', 'a workload or application, as NAME or NAME.NAMESPACE (default: any)')
    .requiredOption('--to <callee>', 'a workload, application or service')
    .addOption(outputOption())
    .action(run)
  addWindowOption(command)
  addMeshOptions(command)
  withExamples(command, [['why calls of productpage to reviews fail', 'weft why --from productpage --to reviews']])
}

async function run({ from, to, last, output, ...options }: Options): Promise<void> {
  const mesh = await runningMesh(options)
  const values = {
    last,
    ...partyValues('source', from === undefined ? undefined : await partyNamed(mesh, from)),
    ...partyValues('destination', await calleeNamed(mesh, to)),
  }
  const answer = await askTelemetry<WhyAnswer>(mesh, 'why', values)
  await print(output ? await structured(output, answer) : text(answer, `${from ?? 'anybody'} → ${to}`, last))
}

function text({ edges, failures, since, changes, traces }: WhyAnswer, call: string, last: string): string {
  const lines = [styled('bold', `${call}, the last ${last}`)]
  if (edges.length === 0) lines.push('  nothing was called')
  for (const { source, destination, signals, mutualTls } of edges)
    lines.push(
      `  ${short(source)} → ${short(destination)}: ${rate(signals.requestRate)} requests/s, ${failedShare(signals)} failed, p99 ${milliseconds(signals.p99)}, ${
        mutualTls === null ? 'mutual TLS unknown' : mutualTls === 1 ? 'mutual TLS' : `mutual TLS ${percent(mutualTls)}`
      }`,
    )
  if (failures.length === 0) return `${[...lines, '', styled('green', 'Nothing failed.')].join('\n')}\n`
  for (const { code, flags, count, meaning, look, logs } of failures) {
    const name = [code === '0' ? 'no answer' : code, flags].filter((each) => each !== '').join(' ') || 'connections'
    lines.push('', `${styled('red', `${count} × ${name}`)}  ${meaning}`, `  look at: ${look}`)
    for (const log of logs)
      lines.push(`  ${logLine(log)}${log.traceId === '' ? '' : `  trace ${log.traceId.slice(0, 16)}`}`)
  }
  lines.push('', since === null ? 'It failed in all of that time.' : `It began about ${clockTime(since)}.`)
  lines.push(...changesText(changes, since !== null))
  if (traces.length > 0)
    lines.push(`Traces: ${traces.map(({ traceId }) => `weft trace ${traceId.slice(0, 16)}`).join(', ')}`)
  return `${lines.join('\n')}\n`
}

function changesText(changes: readonly ConfigurationChange[], isBefore: boolean): string[] {
  const when = isBefore ? 'shortly before' : 'in that time'
  if (changes.length === 0) return [`No configuration changed ${when}.`]
  return [
    `What changed ${when}:`,
    ...changes.map(({ at, kind, namespace, name, how, by, fields }) => {
      const object = `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`
      const more = [by, fields.slice(0, 3).join(', ')].filter((each) => each !== '').join('; ')
      return `  ${clockTime(at)} ${object} ${how}${more === '' ? '' : ` (${more})`}`
    }),
  ]
}

function short(id: string): string {
  return id.replace(/^(workload|service) /, '')
}
