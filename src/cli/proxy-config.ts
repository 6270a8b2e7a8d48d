import { type Command, Option } from 'commander'
import type { ResourceSources } from '../server/resource-sources.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import type { Mesh } from './mesh.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { clusters, clusterTable } from './proxy-config/clusters.ts'
import { type BootstrapSection, type ClusterStatuses, type ConfigDump, section } from './proxy-config/dump.ts'
import { endpoints, endpointTable } from './proxy-config/endpoints.ts'
import { grpcBootstrap } from './proxy-config/grpc-bootstrap.ts'
import { listeners, listenerTable } from './proxy-config/listeners.ts'
import { routes, routeTable } from './proxy-config/routes.ts'
import { secrets, secretTable } from './proxy-config/secrets.ts'
import { type Sources, sourcesByName } from './proxy-config/sources.ts'
import { proxyNamed } from './proxy-name.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'

const VIEWS = ['clusters', 'listeners', 'routes', 'endpoints', 'secrets', 'bootstrap', 'grpc-bootstrap', 'all'] as const
type View = (typeof VIEWS)[number]

interface Options extends MeshOptions {
  readonly namespace?: string
  readonly fqdn?: string
  readonly port?: string
  readonly subset?: string
  readonly direction?: string
  readonly address?: string
  readonly output?: OutputFormat
}

/** `weft proxy-config` */
export function define(command: Command): void {
  command
    .description(
      `Shows what an Envoy runs at this moment, asked of that Envoy itself: not what it should run (weft proxy-status compares the two).
  clusters    what it can send to
  listeners   what it takes connections on
  routes      where requests go, by host and path
  endpoints   the addresses behind clusters, and how they are
  secrets     its certificate and whom it trusts (never a key)
  bootstrap   what it was started with
  grpc-bootstrap  what the gRPC libraries in its pod find, to get their configuration without it
  all         all of these`,
    )
    .argument('<pod>', 'the pod, as POD, POD.NAMESPACE or the name of its Deployment')
    .argument('[what]', VIEWS.join(', '), 'all')
    .option('-n, --namespace <namespace>', 'namespace of the pod')
    .option('--fqdn <host>', 'only what is for this host: clusters, routes, endpoints')
    .option('--port <port>', 'only this port: clusters, listeners, endpoints')
    .option('--subset <name>', 'only this subset: clusters, endpoints')
    .addOption(
      new Option('--direction <direction>', 'only clusters of this direction').choices(['inbound', 'outbound']),
    )
    .option('--address <address>', 'only listeners at this address')
    .addOption(outputOption())
    .action(run)
  addMeshOptions(command)
  withExamples(command, [
    ['where requests to reviews go from productpage', 'weft proxy-config productpage-v1 routes --fqdn reviews'],
    ['which endpoints it has for them', 'weft proxy-config productpage-v1 endpoints --fqdn reviews'],
    ["a pod's certificate", 'weft proxy-config reviews-v1 secrets'],
    ['the whole configuration, as Envoy prints it', 'weft proxy-config reviews-v1 all -o json'],
  ])
}

async function run(first: string, second: string, options: Options): Promise<void> {
  // Also in istioctl's order: `proxy-config routes POD`.
  const [pod, what] = viewOf(first) && !viewOf(second) ? [second, first] : [first, second]
  const view = viewOf(what)
  if (!view) throw new Failure(`there is no "${what}" to show`, `name one of: ${VIEWS.join(', ')}`)
  const mesh = await runningMesh(options)
  const key = proxyNamed(pod, await mesh.envoys(options.namespace), options.namespace)
  const envoy = new EnvoyAdmin(mesh, key)
  if (view === 'grpc-bootstrap') {
    const { bootstrap } = section<BootstrapSection>(await envoy.dump(), 'BootstrapConfigDump')
    return print(await structured(options.output ?? 'json', grpcBootstrap(mesh, key, bootstrap)))
  }
  await print(
    options.output
      ? await forMachines(envoy, view, options, options.output)
      : await forPeople(envoy, view, options, await sourcesOf(mesh, key)),
  )
}

function viewOf(text: string): View | undefined {
  return VIEWS.find((view) => text === view || `${text}s` === view)
}

/** How long to wait for what only the server knows, in ms. */
const SOURCES_TIMEOUT_MS = 1000

/** Nice to know beside what the Envoy says, which is shown without it as well. */
async function sourcesOf(mesh: Mesh, key: string): Promise<Sources> {
  return sourcesByName(await mesh.get<ResourceSources[]>(`proxies/${key}/sources`, SOURCES_TIMEOUT_MS).catch(() => []))
}

/** The administration of one Envoy. */
class EnvoyAdmin {
  readonly #mesh: Mesh
  readonly #key: string

  constructor(mesh: Mesh, key: string) {
    this.#mesh = mesh
    this.#key = key
  }

  dump(): Promise<ConfigDump> {
    return this.#ask('/config_dump?include_eds')
  }

  statuses(): Promise<ClusterStatuses> {
    return this.#ask('/clusters?format=json')
  }

  async #ask<T>(path: string): Promise<T> {
    return JSON.parse(await this.#mesh.askEnvoy(this.#key, path)) as T
  }
}

type EnvoyView = Exclude<View, 'grpc-bootstrap'>

async function forPeople(envoy: EnvoyAdmin, view: EnvoyView, options: Options, sources: Sources): Promise<string> {
  const dump = await envoy.dump()
  switch (view) {
    case 'clusters':
      return clusterTable(clusters(dump, options), sources)
    case 'listeners':
      return listenerTable(listeners(dump, options))
    case 'routes':
      return routeTable(routes(dump, options), sources)
    case 'endpoints':
      return endpointTable(endpoints(await envoy.statuses(), options))
    case 'secrets':
      return secretTable(secrets(dump, new Date()))
    case 'bootstrap':
      return structured('yaml', section<BootstrapSection>(dump, 'BootstrapConfigDump').bootstrap)
    case 'all':
      return [
        clusterTable(clusters(dump, options), sources),
        listenerTable(listeners(dump, options)),
        routeTable(routes(dump, options), sources),
        endpointTable(endpoints(await envoy.statuses(), options)),
        secretTable(secrets(dump, new Date())),
      ].join('\n')
  }
}

async function forMachines(
  envoy: EnvoyAdmin,
  view: EnvoyView,
  options: Options,
  format: OutputFormat,
): Promise<string> {
  if (view === 'endpoints') return structured(format, endpoints(await envoy.statuses(), options))
  const dump = await envoy.dump()
  switch (view) {
    case 'clusters':
      return structured(format, clusters(dump, options))
    case 'listeners':
      return structured(format, listeners(dump, options))
    case 'routes':
      return structured(format, routes(dump, options))
    case 'secrets':
      return structured(format, secrets(dump, new Date()))
    case 'bootstrap':
      return structured(format, section<BootstrapSection>(dump, 'BootstrapConfigDump').bootstrap)
    case 'all':
      return structured(format, dump)
  }
}
