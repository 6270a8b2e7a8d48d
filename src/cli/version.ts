import type { Command } from 'commander'
import type { ServerStatus } from '../server/api.ts'
import { VERSION } from '../server/version.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { withExamples } from './examples.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { meshOption, runningMesh, runningMeshIfAny } from './running-mesh.ts'
import { table } from './table.ts'

interface Versions {
  readonly client: string
  readonly node: string
  /** Absent where no mesh runs. */
  readonly server?: { readonly mesh: string; readonly version: string }
  /** How many proxies run which Envoy. */
  readonly envoy?: Readonly<Record<string, number>>
}

/** `weft version` */
export function define(command: Command): void {
  command
    .description('Prints the versions of this program, of the server that runs, and of the Envoys that it configures.')
    .addOption(outputOption())
    .addOption(meshOption())
    .action(async ({ output, name }: { output?: OutputFormat; name?: string }) => {
      const found = await versions(name)
      await print(output ? await structured(output, found) : text(found))
    })
  withExamples(command, [
    ['what runs', 'weft version'],
    ['for scripts', 'weft version -o json'],
  ])
}

async function versions(name: string | undefined): Promise<Versions> {
  const client = { client: VERSION, node: process.versions.node }
  const mesh = name === undefined ? await runningMeshIfAny() : await runningMesh(name)
  if (!mesh) return client
  const [status, proxies] = await Promise.all([mesh.get<ServerStatus>('status'), mesh.get<ProxyStatus[]>('proxies')])
  const envoy: Record<string, number> = {}
  for (const { node } of proxies) envoy[node.version] = (envoy[node.version] ?? 0) + 1
  return { ...client, server: { mesh: status.name, version: status.version }, envoy }
}

function text({ client, node, server, envoy }: Versions): string {
  const proxies = Object.entries(envoy ?? {}).map(([version, count]) => `${version} (${count} proxies)`)
  return table(
    ['client', `${client} (Node ${node})`],
    [
      ['server', server ? `${server.version} (mesh "${server.mesh}")` : 'none is running'],
      ...(proxies.length > 0 ? [['envoy', proxies.join(', ')]] : []),
    ],
  )
}
