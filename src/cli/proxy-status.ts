import type { Command } from 'commander'
import { WELL_KNOWN } from '../mesh/model.ts'
import type { Pod } from '../resources/core.ts'
import { keyOf } from '../resources/resource.ts'
import type { ProxyStatus, TypeStatus } from '../xds/status.ts'
import { connectedProxies } from './connected-proxies.ts'
import { withExamples } from './examples.ts'
import { messagesOf } from './mesh-messages.ts'
import { messageBlock } from './message-text.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { proxyNamed } from './proxy-name.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'
import { styled } from './style.ts'
import { table } from './table.ts'

interface Options extends MeshOptions {
  readonly namespace?: string
  readonly output?: OutputFormat
}

/** Types of resources that share a column: a person thinks of both as routes, or of filters as parts of listeners. */
const COLUMNS: readonly (readonly [heading: string, types: readonly string[]])[] = [
  ['CLUSTERS', ['cluster']],
  ['ENDPOINTS', ['endpoints']],
  ['LISTENERS', ['extension', 'listener']],
  ['ROUTES', ['scopedRoutes', 'routes']],
]

/** From the best to the gravest: a column shows the gravest of its types. */
const STATES: readonly TypeStatus['state'][] = ['synced', 'stale', 'not sent', 'rejected']

/** `weft proxy-status` */
export function define(command: Command): void {
  command
    .description(
      `Tells of every proxy whether it has the newest configuration:
  synced     it has all of it
  stale      something newer is on its way
  not sent   it has asked and got no answer yet
  rejected   it refused something and keeps what it had: below the table stands what, and which object is behind it`,
    )
    .argument('[pod]', 'only this one')
    .option('-n, --namespace <namespace>', 'only proxies of this namespace')
    .addOption(outputOption())
    .action(run)
  addMeshOptions(command)
  withExamples(command, [
    ['all proxies', 'weft proxy-status'],
    ['one of them, with counts of what it was sent', 'weft proxy-status reviews-v1-0 -o yaml'],
  ])
}

async function run(pod: string | undefined, { namespace, output, ...which }: Options): Promise<void> {
  const mesh = await runningMesh(which)
  const [connected, pods, messages] = await Promise.all([
    connectedProxies(mesh),
    mesh.get<Pod[]>('resources/core%2FPod'),
    messagesOf(mesh),
  ])
  const expected = pods.filter((object) => object.metadata.labels?.[WELL_KNOWN.tlsMode] === 'istio').map(keyOf)
  const keys = [...new Set([...expected, ...connected.map(({ proxy }) => proxy)])].sort()
  const wanted = pod === undefined ? undefined : proxyNamed(pod, keys, namespace)
  const shown = keys.filter((key) =>
    wanted === undefined ? namespace === undefined || key.startsWith(`${namespace}/`) : key === wanted,
  )
  const statuses = new Map(connected.map((status) => [status.proxy, status]))
  if (output) {
    await print(
      await structured(
        output,
        shown.map((key) => statuses.get(key) ?? { proxy: key, connectedSince: null }),
      ),
    )
    return
  }
  if (shown.length === 0) {
    process.stderr.write(`No proxies found${namespace === undefined ? '' : ` in namespace ${namespace}`}.\n`)
    return
  }
  const rows = shown.map((key) => row(key, statuses.get(key)))
  const rejections = messages.filter(({ rule }) => rule === 'rejected-by-proxy').map(messageBlock)
  await print(
    [table(['NAME', ...COLUMNS.map(([heading]) => heading), 'CONNECTED', 'ENVOY'], rows), ...rejections].join(
      rejections.length > 0 ? '\n' : '',
    ),
  )
}

function row(key: string, status: ProxyStatus | undefined): string[] {
  if (!status) return [key, ...COLUMNS.map(() => '-'), styled('red', 'no'), '-']
  return [
    key,
    ...COLUMNS.map(([, types]) => cell(status.types.filter(({ type }) => types.includes(type)))),
    `${age(Date.now() - status.connectedSince)} ago`,
    status.node.version,
  ]
}

function cell(types: readonly TypeStatus[]): string {
  const state = STATES.findLast((candidate) => types.some((type) => type.state === candidate))
  if (state === undefined) return '-'
  const rejected = types.reduce((count, type) => count + type.rejected.length, 0)
  const pending = types.reduce((count, type) => count + type.pending, 0)
  if (state === 'rejected') return styled('red', `rejected (${rejected})`)
  if (state === 'synced') return styled('green', state)
  return styled('yellow', pending > 0 ? `${state} (${pending})` : state)
}

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
]

/** `3d`, `5h`, `12m`, `40s`: the largest unit, as kubectl writes ages. */
export function age(ms: number): string {
  for (const [unit, length] of UNITS) if (ms >= 2 * length) return `${Math.floor(ms / length)}${unit}`
  return `${Math.max(0, Math.floor(ms / 1000))}s`
}
