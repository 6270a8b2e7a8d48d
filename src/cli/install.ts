import type { Command } from 'commander'
import { install, type Written } from '../install/apply.ts'
import { definitions } from '../install/definitions.ts'
import { installation } from '../install/installation.ts'
import type { Values } from '../install/template.ts'
import { changesTrustDomain } from '../install/trust-domain.ts'
import type { ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { apiServer } from './cluster-access.ts'
import { ClusterMesh } from './cluster-mesh.ts'
import { addClusterOptions } from './cluster-options.ts'
import { everyProxyConfirms } from './every-proxy.ts'
import { withExamples } from './examples.ts'
import { addInstallOptions, chosenValues, type InstallOptions, timeoutOption } from './install-settings.ts'
import { counted } from './message-text.ts'
import { type OutputFormat, outputOption, print } from './output-format.ts'
import { Steps } from './steps.ts'

interface Options extends InstallOptions, ClusterAccess {
  readonly dryRun?: boolean
  readonly timeout: number
  readonly output?: OutputFormat
}

/** `weft install` */
export function define(command: Command): void {
  const described = command.description(
    [
      'Installs Weft to a Kubernetes cluster, or brings what is installed to what the options say: they are not remembered, so name them all each time. With the same options again it changes nothing.',
      'Definitions of kinds that the cluster has already, such as those of an Istio, are used as they are. docs/operations/install.md tells of all settings.',
    ].join('\n\n'),
  )
  addClusterOptions(addInstallOptions(described))
    .option('--dry-run', 'only print the objects; no cluster is asked')
    .addOption(timeoutOption())
    .addOption(outputOption())
    .action(run)
  withExamples(command, [
    ['to the cluster that kubectl talks to', 'weft install'],
    ['for production: several servers, on different nodes', 'weft install --profile production'],
    ['what would be installed, for git or kubectl apply', 'weft install --dry-run -o yaml'],
    ['another image', 'weft install --set image=registry.example.com/weft:1'],
  ])
}

async function run(options: Options): Promise<void> {
  const values = chosenValues(options)
  if (options.dryRun) {
    const [namespace, ...others] = installation(values)
    const objects = [...(namespace ? [namespace] : []), ...(await definitions(values)), ...others]
    return print(await manifest(objects, options.output ?? 'yaml'))
  }
  const server = apiServer(options)
  const steps = new Steps()
  process.stderr.write(`Installing Weft to ${server.url}, profile ${options.profile}\n`)
  try {
    const hasSteps = await changesTrustDomain(server, values)
    const written = await install(server, {
      values,
      timeoutMs: options.timeout * 1000,
      progress: {
        begin: (what) => steps.begin(what),
        state: (text) => steps.state(text),
        end: (text) => steps.end(text),
      },
    })
    if (hasSteps) {
      steps.begin('trust domain')
      const timeoutMs = options.timeout * 1000
      const proxies = await everyProxyConfirms(new ClusterMesh(server), timeoutMs, (text) => steps.state(text))
      steps.end(`every proxy has confirmed its names (${proxies})`)
    }
    await print(summary(written, values))
  } catch (error) {
    steps.failed()
    throw error
  }
}

function summary({ created, changed, unchanged, removed }: Written, values: Values): string {
  if (created + changed + removed === 0)
    return `Nothing to change: ${counted(unchanged, 'object')} as they should be.\n`
  const counts = [
    [created, 'created'],
    [changed, 'changed'],
    [removed, 'removed'],
    [unchanged, 'left as they were'],
  ] as const
  const told = counts.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : [])).join(', ')
  const label = values['revision'] === 'default' ? 'istio-injection=enabled' : `istio.io/rev=${values['revision']}`
  return [
    `Weft is installed: ${told}.`,
    '',
    'Pods that are made from now on get a proxy in namespaces that ask for it:',
    `  kubectl label namespace default ${label}`,
    '  kubectl rollout restart deployment',
    'See how proxies do:',
    '  weft proxy-status',
    '',
  ].join('\n')
}

/** Objects as kubectl takes them. */
async function manifest(objects: readonly object[], format: OutputFormat): Promise<string> {
  if (format === 'json') return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }, null, 2)}\n`
  const { stringify } = await import('yaml')
  return objects.map((object) => stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 })).join('---\n')
}
