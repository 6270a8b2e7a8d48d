import { type Command, Option } from 'commander'
import { NoShift, parseShares, type Shares } from '../management/releases/shift.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { objectsOf, Release, sharesText } from './releases/release.ts'
import { addMeshOptions, type MeshOptions } from './running-mesh.ts'

interface Options extends MeshOptions {
  readonly namespace?: string
  readonly route?: string
  readonly dryRun?: boolean
  readonly output?: OutputFormat
}

/** `weft shift` */
export function define(command: Command): void {
  command
    .description(
      'Spreads the requests to a service over its versions, by an ordinary VirtualService: the one that routes the service is changed, or one is made, with a DestinationRule where there is none. On a laptop it is written to the file that it stands in, on a cluster to the API server.',
    )
    .argument('<service>', 'NAME, NAME.NAMESPACE or its full host name')
    .argument('<share...>', 'SUBSET=PERCENT for each version; they add up to 100')
    .option('--route <name>', 'the rule of the VirtualService to change (default: the last one for the service)')
    .option('-n, --namespace <namespace>', 'namespace of a service named without one (default: "default")')
    .addOption(new Option('--dry-run', 'print what would be written, and write nothing'))
    .addOption(outputOption())
    .action(run)
  addMeshOptions(command)
  withExamples(command, [
    ['a tenth of the requests to the new version', 'weft shift reviews v1=90 v2=10'],
    ['all of them', 'weft shift reviews v2=100'],
    ['the same, for a commit', 'weft shift reviews v1=90 v2=10 --dry-run -o yaml'],
  ])
}

async function run(service: string, words: readonly string[], options: Options): Promise<void> {
  const shares = sharesOf(words)
  const release = await Release.of(service, options)
  const shift = await release.plan(shares)
  if (options.dryRun || options.output) {
    const objects = objectsOf(shift)
    const texts = await Promise.all(objects.map((object) => structured(options.output ?? 'yaml', object)))
    await print(texts.join(options.output === 'json' ? '' : '---\n'))
    if (options.dryRun) return
  }
  const written = await release.write(shift)
  if (options.output) return
  await print(
    [
      `${release.host}: ${sharesText(shift.before)} → ${sharesText(shares)}\n`,
      ...written.map((where) => `  wrote ${where}\n`),
    ].join(''),
  )
}

/** @throws Failure */
export function sharesOf(words: readonly string[]): Shares {
  try {
    return parseShares(words)
  } catch (error) {
    if (error instanceof NoShift) throw new Failure(error.message, error.remedy)
    throw error
  }
}
