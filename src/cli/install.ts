import type { Command } from 'commander'
import { definitions } from '../install/definitions.ts'
import { installation } from '../install/installation.ts'
import { withExamples } from './examples.ts'
import { addInstallOptions, chosenValues, type InstallOptions } from './install-settings.ts'
import { type OutputFormat, outputOption, print } from './output-format.ts'

interface Options extends InstallOptions {
  readonly dryRun?: boolean
  readonly output?: OutputFormat
}

/** `weft install` */
export function define(command: Command): void {
  addInstallOptions(
    command.description('Installs Weft to a Kubernetes cluster, or brings an installation to what the options say.'),
  )
    .option('--dry-run', 'print the objects and ask no cluster')
    .addOption(outputOption())
    .action(run)
  withExamples(command, [
    ['what would be installed, for git or kubectl apply --server-side', 'weft install --dry-run -o yaml'],
  ])
}

async function run(options: Options): Promise<void> {
  const values = chosenValues(options)
  const objects = [...(await definitions(values)), ...installation(values)]
  await print(await manifest(objects, options.output ?? 'yaml'))
}

/** Objects as kubectl takes them. */
async function manifest(objects: readonly object[], format: OutputFormat): Promise<string> {
  if (format === 'json') return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }, null, 2)}\n`
  const { stringify } = await import('yaml')
  return objects.map((object) => stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 })).join('---\n')
}
