import { hostname } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { type Command, Option } from 'commander'
import { DEFAULT_SETTINGS } from '../injection/settings.ts'
import { DEFAULT_TRUST_DOMAIN } from '../mesh/trust-domains.ts'
import { PORTS, SYSTEM_NAMESPACE } from '../resources/cluster-names.ts'
import { namesIn } from '../resources/names-in.ts'
import type { RunningServer } from '../server/server.ts'
import { HEADERS_VARIABLE, receiverAt } from '../telemetry/export/receiver.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'

interface ServerOptions {
  readonly runFolder?: string
  readonly kubeconfig?: string
  readonly context?: string
  readonly httpAddress?: string
  readonly namespace?: string
  readonly trustDomain: string
  readonly trustDomainAliases: readonly string[]
  readonly revision: string
  readonly proxyImage: string
  readonly selfMadeRoot: 'info' | 'warning'
  readonly fips: boolean
  readonly capture: 'agent' | 'init-container'
  readonly captureImage: string
  readonly insecureXdsAddress?: string
  readonly telemetryFolder?: string
  readonly telemetryStays?: 'pod' | 'volume'
  readonly prometheus?: string
  readonly otlpExport?: string
}

/** `weft server`: the control plane of a cluster, or, as a child of `weft up`, of a local mesh. */
export function define(command: Command): void {
  command
    .description(
      'Runs the control plane: reads services, endpoints and configuration from a Kubernetes API server and serves proxies. ' +
        'With --run-folder it is that of a local mesh, started by `weft up`.',
    )
    .option(
      '--kubeconfig <file>',
      'the cluster (default: KUBECONFIG, else ~/.kube/config, else the pod that this runs in)',
    )
    .option('--context <name>', 'which context of the kubeconfig')
    .option(
      '--http-address <host:port>',
      `where to tell readiness (/ready) and status (default: :${PORTS.serverHealth} with --namespace, else 127.0.0.1:15080)`,
    )
    .addOption(
      new Option(
        '--namespace <name>',
        'serve the agents of the cluster and its API server, as installed in this namespace: its Secrets hold the certificate authority',
      ).env('POD_NAMESPACE'),
    )
    .addOption(
      new Option('--trust-domain <name>', 'first part of all identities')
        .env('WEFT_TRUST_DOMAIN')
        .default(DEFAULT_TRUST_DOMAIN),
    )
    .addOption(
      new Option('--trust-domain-aliases <names>', 'other names of the trust domain, separated by commas')
        .env('WEFT_TRUST_DOMAIN_ALIASES')
        .argParser(namesIn)
        .default([]),
    )
    .addOption(
      new Option('--revision <name>', 'what namespaces and pods call it in istio.io/rev')
        .env('WEFT_REVISION')
        .default('default'),
    )
    .addOption(
      new Option('--self-made-root <severity>', 'how to speak of a root that Weft made by itself')
        .env('WEFT_SELF_MADE_ROOT')
        .choices(['info', 'warning'])
        .default('info'),
    )
    .addOption(
      new Option('--fips', 'use cryptography that FIPS 140 approves alone, and serve only proxies whose build does')
        .env('WEFT_FIPS')
        .default(false),
    )
    .addOption(
      new Option('--proxy-image <image>', 'of the proxies in pods and gateways')
        .env('WEFT_PROXY_IMAGE')
        .default(DEFAULT_SETTINGS.image),
    )
    .addOption(
      new Option('--capture <by>', "who redirects pods' traffic to their proxies")
        .env('WEFT_CAPTURE')
        .choices(['agent', 'init-container'])
        .default(DEFAULT_SETTINGS.capture),
    )
    .addOption(
      new Option('--capture-image <image>', 'of the init container that redirects it: Weft')
        .env('WEFT_CAPTURE_IMAGE')
        .default(DEFAULT_SETTINGS.captureImage),
    )
    .addOption(
      new Option('--telemetry-folder <folder>', 'where telemetry is kept (default: in memory)').env(
        'WEFT_TELEMETRY_FOLDER',
      ),
    )
    .addOption(
      new Option('--telemetry-stays <how>', 'as long as what that folder stays: that of a pod goes with it')
        .env('WEFT_TELEMETRY_STAYS')
        .choices(['pod', 'volume']),
    )
    .addOption(
      new Option('--prometheus <url>', 'ask this Prometheus for numbers rather than what is kept here').env(
        'WEFT_PROMETHEUS',
      ),
    )
    .addOption(
      new Option(
        '--otlp-export <url>',
        `send all telemetry that comes in to this receiver of OTLP/HTTP, too, such as http://collector:4318; headers by the variable ${HEADERS_VARIABLE}`,
      ).env('WEFT_OTLP_EXPORT'),
    )
    .option(
      '--insecure-xds-address <host:port>',
      'serve xDS without TLS and without asking who calls; at loopback addresses only, for measurements and trials',
    )
    .option('--run-folder <folder>', "of a local mesh: the mesh's run folder")
    .action(async (options: ServerOptions) => {
      const server = await (options.runFolder === undefined ? cluster(options) : local(options.runFolder))
      const end = server.handOver ?? server.close
      process.on('SIGTERM', () => void end().finally(() => process.exit(0)))
    })
  withExamples(command, [
    ['in a cluster, from a pod', 'weft server --namespace weft-system'],
    ['on this machine, for the cluster that kubectl talks to', 'weft server --insecure-xds-address 127.0.0.1:15010'],
  ])
}

async function local(runFolder: string): Promise<RunningServer> {
  const { endWithParent } = await import('../agent/supervise/leftovers.ts')
  const { startServer } = await import('../server/server.ts')
  const { givenMesh } = await import('./given-mesh.ts')
  const { folders, settings } = givenMesh(runFolder)
  endWithParent(folders, settings.run)
  return startServer(folders, settings)
}

async function cluster(options: ServerOptions): Promise<RunningServer> {
  const {
    kubeconfig,
    context,
    namespace,
    trustDomain,
    trustDomainAliases,
    revision,
    selfMadeRoot,
    insecureXdsAddress,
  } = options
  const { telemetryFolder, telemetryStays, prometheus, otlpExport } = options
  const injection = {
    ...DEFAULT_SETTINGS,
    revisions: [revision],
    systemNamespace: namespace ?? SYSTEM_NAMESPACE,
    image: options.proxyImage,
    capture: options.capture,
    captureImage: options.captureImage,
  }
  const httpAddress = options.httpAddress ?? (namespace === undefined ? '127.0.0.1:15080' : `:${PORTS.serverHealth}`)
  // Garbage is collected when it is half of what lives: memory is dearer here than the little time that this takes.
  setFlagsFromString('--heap-growing-percent=50')
  const { startClusterServer } = await import('../server/cluster-server.ts')
  const { anyAddress } = await import('../server/listen-address.ts')
  try {
    const server = await startClusterServer({
      cluster: { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) },
      httpAddress,
      fips: options.fips,
      ...(insecureXdsAddress === undefined ? {} : { insecureXdsAddress }),
      ...(namespace === undefined
        ? {}
        : {
            installation: {
              namespace,
              trustDomain,
              trustDomainAliases,
              replica: process.env['POD_NAME'] ?? hostname(),
              host: anyAddress(),
              selfMadeRoot,
              ...(telemetryFolder === undefined ? {} : { telemetryFolder }),
              telemetryStays: telemetryFolder === undefined ? 'process' : (telemetryStays ?? 'volume'),
              ...(prometheus === undefined ? {} : { prometheus }),
              ...(otlpExport === undefined ? {} : { receiver: receiverAt(otlpExport, process.env[HEADERS_VARIABLE]) }),
              injection,
            },
          }),
    })
    process.on('SIGINT', () => void server.close().finally(() => process.exit(0)))
    return server
  } catch (error) {
    throw new Failure((error as Error).message, 'see weft server --help')
  }
}
