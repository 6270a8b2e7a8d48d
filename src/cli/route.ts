import type { Command } from 'commander'
import { workloads } from '../mesh/workloads.ts'
import { explainRoute, type RouteExplanation } from '../server/route-explanation.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { offlineMesh } from './offline-mesh.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { sourceText } from './proxy-config/sources.ts'
import { proxyNamed } from './proxy-name.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'

interface Options extends MeshOptions {
  readonly from: string
  readonly to: string
  readonly request: string
  readonly header: readonly string[]
  readonly filename?: readonly string[]
  readonly recursive?: boolean
  readonly namespace?: string
  readonly output?: OutputFormat
}

/** `weft route` */
export function define(command: Command): void {
  command.description('Tells of routes.')
  const explain = command
    .command('explain')
    .summary('say which rule a request would take, and why')
    .description(
      'Says which rule a request would take and why, without sending it: by the routes that the proxy of the pod has or, with files, would have. A gateway is a pod too; the port of the URL is then the one that it listens at.',
    )
    .requiredOption(
      '--from <pod>',
      'who sends it: POD, POD.NAMESPACE or the name of its Deployment; or the gateway it comes to',
    )
    .requiredOption('--to <url>', 'where to, such as http://reviews:9080/reviews/1')
    .option('-X, --request <method>', 'the method', 'GET')
    .option(
      '-H, --header <header>',
      '"NAME: VALUE", as often as needed',
      (line: string, all: string[]) => [...all, line],
      [],
    )
    .option('-f, --filename <file...>', 'files and folders to take the configuration from, with no server')
    .option('-R, --recursive', 'read subfolders as well')
    .option('-n, --namespace <namespace>', 'namespace of the pod, and of objects in files that name none')
    .addOption(outputOption())
    .action(run)
  addMeshOptions(explain)
  withExamples(explain, [
    [
      'where the reviews of jason come from',
      'weft route explain --from productpage-v1 --to http://reviews:9080/ -H "end-user: jason"',
    ],
    [
      'the same of files, before they are applied',
      'weft route explain -f samples/bookinfo --from productpage-v1 --to http://reviews:9080/',
    ],
    [
      'what a gateway does with a request',
      'weft route explain --from istio-ingressgateway --to http://bookinfo.example.com:8080/productpage',
    ],
  ])
}

async function run(options: Options): Promise<void> {
  const explanation = options.filename ? offline(options, options.filename) : await running(options)
  await print(options.output ? await structured(options.output, explanation) : text(explanation))
}

function offline(options: Options, files: readonly string[]): RouteExplanation {
  const { snapshot } = offlineMesh(files, options.recursive ?? false, options.namespace)
  const key = proxyNamed(options.from, [...workloads(snapshot).keys()], options.namespace)
  try {
    return explainRoute(snapshot, key, { url: options.to, method: options.request, headers: options.header })
  } catch (error) {
    throw new Failure((error as Error).message, 'weft route explain --help has examples')
  }
}

async function running(options: Options): Promise<RouteExplanation> {
  const mesh = await runningMesh(options)
  const proxies = (await mesh.getAll<ProxyStatus[]>('proxies')).flat()
  const key = proxyNamed(
    options.from,
    proxies.map(({ proxy }) => proxy),
    options.namespace,
  )
  const query = new URLSearchParams([
    ['url', options.to],
    ['method', options.request],
    ...options.header.map((line): [string, string] => ['header', line]),
  ])
  return mesh.get<RouteExplanation>(`proxies/${key}/route?${query}`)
}

function text(explanation: RouteExplanation): string {
  const { proxy, request, sources, passedOver, route, rule, outcome, effects, ...place } = explanation
  const { method, scheme, authority, path, headers } = request
  const lines = [
    `${method} ${scheme}://${authority}${path}${Object.entries(headers)
      .map(([name, value]) => `  ${name}: ${value}`)
      .join('')}`,
    `  from ${proxy}`,
    '',
  ]
  if (place.virtualHost === undefined) lines.push(`No routes are for the host ${authority}.`)
  else {
    lines.push(`Routes of ${place.virtualHost}, made from:`, ...sources.map((source) => `  ${sourceText(source)}`), '')
    for (const { route: name, why } of passedOver) lines.push(`  ✗ ${name}: ${why}`)
    const from = rule ? ` of ${sourceText(rule)}` : ''
    lines.push(route === undefined ? '  No route takes it.' : `  ✓ ${route}${from}`)
  }
  lines.push('', ...outcomeLines(outcome), ...effects.map((effect) => `  ${effect}`))
  return `${lines.join('\n')}\n`
}

function outcomeLines(outcome: RouteExplanation['outcome']): string[] {
  if (outcome.kind === 'redirect') return [`It is redirected, with status ${outcome.status}.`]
  if (outcome.kind === 'answer') return [`The proxy answers it itself, with status ${outcome.status}.`]
  const [only, ...others] = outcome.clusters
  if (only && others.length === 0) return [`It goes to ${clusterText(only.name)}`]
  return ['It goes to', ...outcome.clusters.map(({ name, share }) => `  ${percent(share)} ${clusterText(name)}`)]
}

/** `outbound|9080|v2|reviews.default.svc.cluster.local` in words. */
function clusterText(cluster: string): string {
  const [direction, port, subset, host] = cluster.split('|')
  if (direction !== 'outbound') return cluster
  return `${host}, port ${port}${subset ? `, subset ${subset}` : ''}`
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`.padStart(7)
}
