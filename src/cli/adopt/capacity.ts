import { type Command, InvalidArgumentError } from 'commander'
import { type Load, type ProxyCost, proxyCost } from '../../adoption/preparation/capacity.ts'
import { withExamples } from '../examples.ts'
import { type OutputFormat, outputOption, print, structured } from '../output-format.ts'
import { table } from '../table.ts'

interface Options extends Load {
  readonly applicationCores?: number
  readonly output?: OutputFormat
}

/** `weft adopt capacity` */
export function defineCapacity(command: Command): void {
  command
    .description(
      'Tells what proxies will take of your nodes, from what they take here (docs/performance.md): measured, with policies and metrics on, on one kind of machine. Take it for a first figure, and measure your own.',
    )
    .requiredOption(
      '--requests-per-second <count>',
      'requests between services, all together, at the busiest',
      positive,
    )
    .requiredOption('--services <count>', 'services in the mesh', positive)
    .requiredOption('--pods <count>', 'pods that get a proxy', positive)
    .option('--application-cores <count>', 'what the applications themselves use at that time, for the share', positive)
    .option('--http2', 'proxies speak HTTP/2 with each other (h2UpgradePolicy: UPGRADE)', false)
    .option('--access-log', 'every request is logged at both ends', false)
    .addOption(outputOption())
    .action(run)
  withExamples(command, [
    ['a small estate', 'weft adopt capacity --requests-per-second 2000 --services 60 --pods 180'],
    [
      'with its share of all',
      'weft adopt capacity --requests-per-second 2000 --services 60 --pods 180 --application-cores 40',
    ],
  ])
}

function positive(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('write a number, 0 or more')
  return value
}

async function run({ output, applicationCores, ...load }: Options): Promise<void> {
  const cost = proxyCost(load)
  await print(output ? await structured(output, cost) : text(load, cost, applicationCores))
}

function text(load: Load, cost: ProxyCost, applicationCores: number | undefined): string {
  const { cores, memoryGiB, each, addedMs, logLinesPerSecond, controlPlaneCores } = cost
  const rows = [
    ['all proxies', `${cores} cores, ${memoryGiB} GiB`],
    ['one proxy, to request', `${each.cpuMillicores}m CPU, ${each.memoryMiB}Mi memory`],
    ['added to a request', `${addedMs} ms or more: the work of two proxies; waiting comes on top where nodes are busy`],
    ['control plane', `${controlPlaneCores} cores at one change a second`],
    ...(load.accessLog ? [['access logs', `${logLinesPerSecond} lines a second`]] : []),
    ...(applicationCores
      ? [
          [
            'share',
            `${Math.round((cores / applicationCores) * 100)} % on top of what applications use (10 to 30 % is usual)`,
          ],
        ]
      : []),
  ]
  const notes = [
    ...(load.http2 ? [] : ['With --http2 (h2UpgradePolicy: UPGRADE) proxies would take a quarter less CPU.']),
    ...(load.services > 200
      ? ['Sidecar objects that name what a namespace calls keep memory low: a proxy holds what it is told of.']
      : []),
  ]
  return `${table(['WHAT', 'TAKES'], rows)}${notes.length > 0 ? `\n${notes.join('\n')}\n` : ''}`
}
