import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { SYSTEM_NAMESPACE } from '../resources/cluster-names.ts'
import type { ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { archive } from './bug-report/archive.ts'
import { collect } from './bug-report/collect.ts'
import { apiServer } from './cluster-access.ts'
import { addClusterOptions } from './cluster-options.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { print } from './output-format.ts'

interface Options extends ClusterAccess {
  readonly namespace: string
  readonly proxies: string
  readonly file: string
}

/** `weft bug-report` */
export function define(command: Command): void {
  const described = command.description(
    [
      'Packs what others need to find out what is wrong: versions, what Weft is made of and its logs, configuration, what the servers say, and what some proxies run.',
      'Secrets are never read. Keys in what proxies show are cut out by Envoy, and values of environment variables by this command; look through the file all the same before you give it to others.',
    ].join('\n\n'),
  )
  addClusterOptions(described)
    .option('-n, --namespace <namespace>', 'where Weft lives', SYSTEM_NAMESPACE)
    .option('--proxies <count>', 'how many proxies to ask: first those that are not well', '10')
    .option('-o, --file <file>', 'where to write', 'weft-bug-report.tar.gz')
    .action(run)
  withExamples(command, [['of the cluster that kubectl talks to', 'weft bug-report']])
}

async function run({ namespace, proxies, file, ...access }: Options): Promise<void> {
  const count = Number(proxies)
  if (!(Number.isInteger(count) && count >= 0))
    throw new Failure(`--proxies ${proxies} is no count`, 'write a number, such as 10')
  const server = apiServer(access)
  process.stderr.write(`Asking ${server.url} ...\n`)
  const entries = await collect(server, namespace, count)
  writeFileSync(file, archive('weft-bug-report', entries))
  const failed = entries.find(({ name }) => name === 'not-collected.txt')
  await print(`${file}: ${entries.length} files${failed ? `; not all could be had, see ${failed.name} in it` : ''}\n`)
}
