import type { Command } from 'commander'
import type { ServerStatus } from '../server/api.ts'
import { VERSION } from '../server/version.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { withExamples } from './examples.ts'
import type { Mesh } from './mesh.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMeshIfAny } from './running-mesh.ts'
import { table } from './table.ts'

interface Versions {
  readonly client: string
  readonly node: string
  /** Absent where no mesh runs. Several versions while servers are replaced. */
  readonly server?: { readonly mesh: string; readonly version: string }
  /** Why there is nothing to tell of the server. */
  readonly problem?: string
  /** How many proxies run which Envoy. */
  readonly envoy?: Readonly<Record<string, number>>
}

interface Options extends MeshOptions {
  readonly output?: OutputFormat
}

/** `weft version` */
export function define(command: Command): void {
  command
    .description('Prints the versions of this program, of the server that runs, and of the Envoys that it configures.')
    .addOption(outputOption())
    .action(async ({ output, ...which }: Options) => {
      const found = await versions(which)
      await print(output ? await structured(output, found) : text(found))
    })
  addMeshOptions(command)
  withExamples(command, [
    ['what runs', 'weft version'],
    ['for scripts', 'weft version -o json'],
  ])
}

async function versions(which: MeshOptions): Promise<Versions> {
  const client = { client: VERSION, node: process.versions.node }
  const mesh = await runningMeshIfAny(which)
  if (!mesh) return client
  try {
    return { ...client, ...(await running(mesh)) }
  } catch (error) {
    // That there is no server is worth knowing, too.
    return { ...client, problem: (error as Error).message }
  }
}

async function running(mesh: Mesh): Promise<Pick<Versions, 'server' | 'envoy'>> {
  const [statuses, proxies] = await Promise.all([
    mesh.getAll<ServerStatus>('status'),
    mesh.getAll<readonly ProxyStatus[]>('proxies'),
  ])
  const envoy: Record<string, number> = {}
  for (const { node } of proxies.flat()) envoy[node.version] = (envoy[node.version] ?? 0) + 1
  const version = [...new Set(statuses.map((status) => status.version))].join(', ')
  return { server: { mesh: mesh.label, version }, envoy }
}

function text({ client, node, server, problem, envoy }: Versions): string {
  const proxies = Object.entries(envoy ?? {}).map(([version, count]) => `${version} (${count} proxies)`)
  return table(
    ['client', `${client} (Node ${node})`],
    [
      ['server', server ? `${server.version} (${server.mesh})` : (problem ?? 'none is running')],
      ...(proxies.length > 0 ? [['envoy', proxies.join(', ')]] : []),
    ],
  )
}
