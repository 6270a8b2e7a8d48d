import type { Command } from 'commander'
import type { GraphAnswer, GraphEdge, GraphNode, Health } from '../telemetry/questions/graph.ts'
import { withExamples } from './examples.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'
import { styled } from './style.ts'
import { table } from './table.ts'
import { addWindowOption, askTelemetry, partyNamed, partyValues, type WindowOptions } from './telemetry/asking.ts'
import { failedShare, milliseconds, percent, rate } from './telemetry/numbers.ts'
import { show } from './telemetry/watching.ts'

interface Options extends MeshOptions, WindowOptions {
  readonly around?: string
  readonly namespace?: readonly string[]
  readonly watch: boolean
  readonly output?: OutputFormat
}

/** `weft graph` */
export function define(command: Command): void {
  command
    .description('Tells who calls whom: how much, how well, and whether with mutual TLS.')
    .option('--around <name>', 'only what this workload, application or service calls, and what calls it')
    .option('-n, --namespace <namespace...>', 'only calls from or to these namespaces')
    .option('-w, --watch', 'again and again, until Ctrl-C', false)
    .addOption(outputOption())
    .action(run)
  addWindowOption(command)
  addMeshOptions(command)
  withExamples(command, [
    ['all of the mesh', 'weft graph'],
    ['what is around reviews', 'weft graph --around reviews --last 1h'],
  ])
}

async function run({ around, namespace, watch, output, last, ...options }: Options): Promise<void> {
  const mesh = await runningMesh(options)
  const party = around === undefined ? undefined : await partyNamed(mesh, around)
  const values = { last, namespace, ...partyValues('around', party) }
  const ask = () => askTelemetry<GraphAnswer>(mesh, 'graph', values)
  if (output) return print(await structured(output, await ask()))
  await show(watch, async () => {
    const { nodes, edges } = await ask()
    return edges.length === 0 ? `nothing was called in the last ${last}\n` : tree(nodes, edges)
  })
}

/** Callers in the order in which requests go through them, each with what it calls below it. */
function tree(nodes: readonly GraphNode[], edges: readonly GraphEdge[]): string {
  const named = new Map(nodes.map((node) => [node.id, node]))
  const name = (id: string) => {
    const { kind, name, namespace } = named.get(id) ?? { kind: 'unknown', name: id, namespace: '' }
    return kind === 'workload' ? `${name}.${namespace}` : kind === 'unknown' ? 'outside or plaintext' : name
  }
  const called = new Set(edges.map(({ destination }) => destination))
  const order = new Set<string>()
  const visit = (id: string) => {
    if (order.has(id)) return
    order.add(id)
    for (const { source, destination } of edges) if (source === id) visit(destination)
  }
  for (const { source } of edges) if (!called.has(source)) visit(source)
  for (const { source } of edges) visit(source)
  const rows = [...order].flatMap((id) => {
    const out = edges.filter(({ source }) => source === id).sort((a, b) => b.trafficShare - a.trafficShare)
    if (out.length === 0) return []
    return [
      [styled('bold', name(id))],
      ...out.map(({ destination, service, protocol, signals, trafficShare, mutualTls, health, flags }) => [
        `  ${MARKS[health]} ${name(destination)}${serviceOf(service, name(destination))}`,
        protocol,
        rate(signals.requestRate),
        percent(trafficShare),
        failedShare(signals),
        milliseconds(signals.p99),
        mutualTls === null
          ? '?'
          : mutualTls === 1
            ? styled('green', 'mTLS')
            : styled('yellow', mutualTls === 0 ? 'plaintext' : `mTLS ${percent(mutualTls)}`),
        flags.map((each) => `${each.flags} ${each.count}`).join(' '),
      ]),
    ]
  })
  return table(['CALLER / CALLEE', 'PROTOCOL', 'PER S', 'SHARE', 'FAILED', 'P99', 'SECURITY', 'FLAGS'], rows, ['FLAGS'])
}

/** Of a callee that is called by the name of another. */
function serviceOf(service: string, callee: string): string {
  return callee === service ? '' : ` (${service.replace(/\.svc\.cluster\.local$/, '')})`
}

const MARKS: Readonly<Record<Health, string>> = {
  good: styled('green', '●'),
  degraded: styled('yellow', '●'),
  failing: styled('red', '●'),
  idle: styled('dim', '○'),
}
