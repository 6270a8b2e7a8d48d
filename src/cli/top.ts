import { type Command, Option } from 'commander'
import type { SignalSeries, SignalsAnswer } from '../telemetry/questions/signals.ts'
import { withExamples } from './examples.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'
import { table } from './table.ts'
import {
  addWindowOption,
  askTelemetry,
  calleeNamed,
  partyNamed,
  partyValues,
  type WindowOptions,
} from './telemetry/asking.ts'
import { bytes, failedShare, milliseconds, rate } from './telemetry/numbers.ts'
import { show } from './telemetry/watching.ts'

const GROUPS = ['service', 'workload', 'version', 'app', 'namespace', 'edge', 'code', 'flags', 'route'] as const

interface Options extends MeshOptions, WindowOptions {
  readonly by: (typeof GROUPS)[number]
  readonly from?: string
  readonly to?: string
  readonly namespace?: string
  readonly watch: boolean
  readonly output?: OutputFormat
}

/** `weft top` */
export function define(command: Command): void {
  command
    .description(
      'Tells how much is asked of whom, how often it fails and how long it takes, the busiest first: as the proxies of clients see it, or those of servers where clients have none.',
    )
    .addOption(new Option('--by <what>', 'one line for each').choices(GROUPS).default('service'))
    .option('--from <caller>', 'only calls of this workload or application, as NAME or NAME.NAMESPACE')
    .option('--to <callee>', 'only calls to this workload, application or service')
    .option('-n, --namespace <namespace>', 'only calls to this namespace')
    .option('-w, --watch', 'again and again, until Ctrl-C', false)
    .addOption(outputOption())
    .action(run)
  addWindowOption(command, '5m')
  addMeshOptions(command)
  withExamples(command, [
    ['services, live', 'weft top -w'],
    ['who calls reviews', 'weft top --by edge --to reviews'],
    ['what answers were like in the last hour', 'weft top --by code --last 1h'],
  ])
}

async function run({ by, from, to, namespace, watch, output, last, ...options }: Options): Promise<void> {
  const mesh = await runningMesh(options)
  const source = from === undefined ? undefined : await partyNamed(mesh, from)
  const destination = to === undefined ? undefined : await calleeNamed(mesh, to, namespace)
  const wanted = { ...destination, ...(namespace === undefined ? {} : { namespace }) }
  const values = { by, last, ...partyValues('source', source), ...partyValues('destination', wanted) }
  const ask = () => askTelemetry<SignalsAnswer>(mesh, 'signals', values)
  if (output) return print(await structured(output, await ask()))
  await show(watch, async () => {
    const answer = await ask()
    if (answer.series.length === 0) return `nothing was called in the last ${last}\n`
    const seconds = (answer.to - answer.from) / 1000
    const rows = answer.series.map(({ key, total }) => [
      nameOf(key),
      rate(total.requestRate),
      failedShare(total),
      milliseconds(total.p50),
      milliseconds(total.p90),
      milliseconds(total.p99),
      total.connections > 0 ? rate(total.connections / seconds) : '',
      total.saturated > 0 ? rate(total.saturated / seconds) : '',
      bytes(total.receivedBytes / seconds),
      bytes(total.sentBytes / seconds),
    ])
    const headings = [by.toUpperCase(), 'REQ/S', 'FAILED', 'P50', 'P90', 'P99', 'CONN/S', 'TURNED AWAY/S', 'IN', 'OUT']
    return table(headings, rows, ['CONN/S', 'TURNED AWAY/S'])
  })
}

function nameOf({
  source,
  service,
  namespace,
  workload,
  app,
  version,
  code,
  flags,
  route,
}: SignalSeries['key']): string {
  const called = workload ?? (version === undefined ? app : `${app} ${version}`)
  const callee = service ?? (called === undefined ? namespace : `${called}.${namespace}`)
  if (source) return `${source.workload}.${source.namespace} → ${callee}`
  return callee ?? code ?? flags ?? route ?? 'all'
}
