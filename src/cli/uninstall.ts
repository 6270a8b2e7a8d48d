import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { type Removal, removal, uninstall } from '../install/uninstall.ts'
import { SYSTEM_NAMESPACE } from '../resources/cluster-names.ts'
import type { ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { apiServer } from './cluster-access.ts'
import { addClusterOptions } from './cluster-options.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { timeoutOption } from './install-settings.ts'
import { counted } from './message-text.ts'
import { print } from './output-format.ts'

interface Options extends ClusterAccess {
  readonly namespace: string
  readonly purge?: boolean
  readonly yes?: boolean
  readonly timeout: number
}

/** `weft uninstall` */
export function define(command: Command): void {
  const described = command.description(
    [
      'Removes Weft from a Kubernetes cluster. Pods that have a proxy go on with it, as it is configured then, until they are restarted; so do the pods of Gateways.',
      'Configuration (VirtualServices, HTTPRoutes, ...) and the definitions of its kinds stay; --purge removes them too.',
    ].join('\n\n'),
  )
  addClusterOptions(described)
    .option('-n, --namespace <namespace>', 'where Weft lives', SYSTEM_NAMESPACE)
    .option(
      '--purge',
      'also remove definitions of kinds that weft install made, with all objects of these kinds, and the pods of Gateways',
    )
    .option('-y, --yes', 'do not ask')
    .addOption(timeoutOption())
    .action(run)
  withExamples(command, [
    ['all but configuration', 'weft uninstall'],
    ['everything, in a script', 'weft uninstall --purge --yes'],
  ])
}

async function run({ namespace, purge = false, yes = false, timeout, ...access }: Options): Promise<void> {
  const server = apiServer(access)
  const found = await removal(server, namespace)
  const { objects, rootCertificates, definitions, gateways } = found
  if (objects.length + rootCertificates.length === 0 && (!purge || definitions.length + gateways.length === 0)) {
    await print(`Weft is not in the cluster at ${server.url}.\n`)
    return
  }
  process.stderr.write(plan(found, purge, server.url))
  if (!yes) await confirm()
  await uninstall(server, found, {
    purge,
    timeoutMs: timeout * 1000,
    progress: { step: (what, removed) => process.stderr.write(`✓ ${what}: ${removed} removed\n`) },
  })
  await print(outcome(found, purge))
}

function plan(
  { namespace, home, objects, rootCertificates, definitions, gateways }: Removal,
  purge: boolean,
  url: string,
): string {
  const lines = [
    `${counted(objects.length + rootCertificates.length, 'object')}${home ? `, and namespace ${namespace} with all that is in it` : ''}`,
    ...(purge && definitions.length > 0
      ? [
          `${counted(definitions.length, 'definition')} of kinds, WITH ALL OBJECTS OF THESE KINDS (${kindList(definitions)})`,
        ]
      : []),
    ...(purge && gateways.length > 0 ? [`${counted(gateways.length, 'object')} that Gateways were given`] : []),
  ]
  return `From the cluster at ${url} will be removed:\n${lines.map((line) => `  ${line}\n`).join('')}`
}

function kindList(definitions: Removal['definitions']): string {
  const [first, second, ...others] = definitions.map(({ metadata }) => metadata.name)
  return [first, second, ...(others.length > 0 ? [`and ${others.length} more`] : [])].filter(Boolean).join(', ')
}

async function confirm(): Promise<void> {
  if (!process.stdin.isTTY) throw new Failure('nobody is there to be asked', 'add --yes if that is meant')
  const question = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await question.question('Go on? [y/N] ')
  question.close()
  if (!/^y(es)?$/i.test(answer.trim())) throw new Failure('nothing was removed', 'answer y to go on')
}

function outcome({ proxies, gateways, definitions }: Removal, purge: boolean): string {
  const namespaces = [...new Set(proxies.map((key) => key.split('/')[0]))].join(', ')
  return [
    'Weft is removed.',
    ...(proxies.length > 0
      ? [
          '',
          `Pods that still have a proxy: ${proxies.length} (in ${namespaces}). They go on with the configuration and the certificates that they have;`,
          'certificates end within an hour, so restart these pods soon: kubectl rollout restart deployment -n NAMESPACE',
        ]
      : []),
    ...(!purge && gateways.length > 0
      ? [
          '',
          `Gateways keep their pods and addresses: ${counted(gateways.length, 'object')}, which go with their Gateway, or with --purge.`,
        ]
      : []),
    ...(!purge && definitions.length > 0
      ? [
          '',
          `${counted(definitions.length, 'definition')} of kinds, and all configuration, are still there: weft uninstall --purge removes them.`,
        ]
      : []),
    '',
  ].join('\n')
}
