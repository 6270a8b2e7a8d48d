import type { Command } from 'commander'
import type { ServiceLevelObjective } from '../resources/observability.ts'
import type { BurnRate, SloStatus } from '../telemetry/questions/slos.ts'
import { lengthText } from '../telemetry/slo/length-of-days.ts'
import { objectiveOf } from '../telemetry/slo/objective.ts'
import { prometheusRules } from '../telemetry/slo/prometheus-rules.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'
import { styled } from './style.ts'
import { table } from './table.ts'
import { show } from './telemetry/watching.ts'

interface Options extends MeshOptions {
  readonly namespace?: string
  readonly watch: boolean
  readonly output?: OutputFormat
}

/** `weft slo` */
export function define(command: Command): void {
  command
    .description(
      'Tells of each ServiceLevelObjective what was promised, what came of it, how much of the error budget is left, and how fast it is used up: 1x is so that it is gone at the end of the window.',
    )
    .option('-n, --namespace <namespace>', 'only those of this namespace')
    .option('-w, --watch', 'again and again, until Ctrl-C', false)
    .addOption(outputOption())
    .action(run)
  addMeshOptions(command)
  withExamples(command, [
    ['how all promises stand, live', 'weft slo -w'],
    ['the same as rules of Prometheus', 'weft slo rules -o yaml'],
  ])
  const rules = command
    .command('rules')
    .summary('write rules of Prometheus that come to the same')
    .description(
      'Writes, for each ServiceLevelObjective, what Prometheus has to record and alert on for the same objective: a file for rule_files. Those of routes and hosts are left out, and told: Prometheus has no such numbers.',
    )
    .option('-n, --namespace <namespace>', 'only those of this namespace')
    .addOption(outputOption().default('yaml'))
    .action(writeRules)
  addMeshOptions(rules)
}

async function run({ namespace, watch, output, ...options }: Options): Promise<void> {
  const mesh = await runningMesh(options)
  const ask = async () =>
    (await mesh.get<SloStatus[]>('slos')).filter((slo) => namespace === undefined || slo.namespace === namespace)
  if (output) return print(await structured(output, await ask()))
  await show(watch, async () => {
    const slos = await ask()
    if (slos.length === 0) return 'nothing is promised: write a ServiceLevelObjective (docs/concepts/slos.md)\n'
    const rows = slos.map((slo) => [
      `${slo.namespace}/${slo.name}`,
      STATES[slo.state](slo.state),
      slo.target,
      `${percent(slo.objective)} ${slo.indicator}`,
      slo.window.name,
      slo.achieved === null ? '-' : percent(slo.achieved),
      budget(slo.budgetLeft),
      slo.burn
        .filter(({ severity }) => severity === 'critical')
        .map(burn)
        .join(' '),
      slo.burn
        .filter(({ severity }) => severity === 'warning')
        .map(burn)
        .join(' '),
    ])
    const headings = ['OBJECTIVE', 'STATE', 'OF', 'PROMISED', 'WINDOW', 'KEPT', 'BUDGET LEFT', 'BURNS', 'SLOWLY']
    const told = slos.flatMap(({ namespace, name, problems }) =>
      problems.map((each) => `${namespace}/${name}: ${each}\n`),
    )
    return table(headings, rows) + (told.length > 0 ? `\n${told.join('')}` : '')
  })
}

const STATES: Readonly<Record<SloStatus['state'], (text: string) => string>> = {
  met: (text) => styled('green', text),
  'at risk': (text) => styled('yellow', text),
  missed: (text) => styled('red', text),
  'no data': (text) => styled('dim', text),
}

function budget(left: number | null): string {
  if (left === null) return '-'
  return styled(left <= 0 ? 'red' : left < 0.25 ? 'yellow' : 'green', percent(left, 1))
}

/** `14.4x/1h`: how fast over the long window; in red where both windows are above what alerts. */
function burn({ long, short, longWindow, above }: BurnRate): string {
  const text = `${long === null ? '-' : `${long.toFixed(1)}x`}/${lengthText(longWindow)}`
  return long !== null && short !== null && long > above && short > above ? styled('red', text) : text
}

function percent(share: number, digits = 3): string {
  return `${Number((share * 100).toFixed(digits))} %`
}

async function writeRules({ namespace, output = 'yaml', ...options }: Omit<Options, 'watch'>): Promise<void> {
  const mesh = await runningMesh(options)
  const objects = await mesh.get<ServiceLevelObjective[]>('resources/ServiceLevelObjective')
  const wanted = objects.filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
  if (wanted.length === 0)
    throw new Failure('nothing is promised', 'write a ServiceLevelObjective (docs/concepts/slos.md)')
  const now = Date.now()
  const groups = wanted.flatMap((resource) => {
    const objective = objectiveOf(resource)
    const group = objective && prometheusRules(objective, now)
    if (!group)
      process.stderr.write(
        `ServiceLevelObjective ${resource.metadata.namespace}/${resource.metadata.name} is left out: ${objective?.errors[0] ?? 'Prometheus has no numbers by route or host'}\n`,
      )
    return group ?? []
  })
  await print(await structured(output, { groups }))
}
