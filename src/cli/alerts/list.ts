import type { Command } from 'commander'
import type { AlertSeverity, AlertsAnswer } from '../../telemetry/questions/alerts.ts'
import { withExamples } from '../examples.ts'
import { type OutputFormat, outputOption, print, structured } from '../output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from '../running-mesh.ts'
import { styled } from '../style.ts'
import { table } from '../table.ts'
import { clockTime } from '../telemetry/numbers.ts'
import { show } from '../telemetry/watching.ts'

interface Options extends MeshOptions {
  readonly namespace?: string
  readonly all: boolean
  readonly watch: boolean
  readonly output?: OutputFormat
}

type Shown = AlertsAnswer['alerts'][number]

/** `weft alerts list` */
export function defineList(command: Command): void {
  command
    .description('Lists alerts that fire or are about to, receivers that could not be told, and silences.')
    .option('-n, --namespace <namespace>', 'only those of rules of this namespace')
    .option('-a, --all', 'those that ended, too', false)
    .option('-w, --watch', 'again and again, until Ctrl-C', false)
    .addOption(outputOption())
    .action(run)
  addMeshOptions(command)
  withExamples(command, [['what fires now', 'weft alerts list']])
}

async function run({ namespace, all, watch, output, ...options }: Options): Promise<void> {
  const mesh = await runningMesh(options)
  const ask = async () => {
    const answer = await mesh.get<AlertsAnswer>('alerts')
    const alerts = answer.alerts.filter(
      ({ rule, state }) => (namespace === undefined || rule.namespace === namespace) && (all || state !== 'resolved'),
    )
    return { ...answer, alerts }
  }
  if (output) return print(await structured(output, await ask()))
  await show(watch, async () => {
    const { alerts, receivers, silences, problems } = await ask()
    const rows = alerts.map((alert) => [
      stateText(alert),
      styled(COLOURS[alert.severity], alert.severity),
      clockTime(alert.firedAt ?? alert.since),
      `${alert.rule.namespace}/${alert.rule.name}`,
      alert.summary,
    ])
    const active = silences.filter((each) => each.active)
    return [
      alerts.length === 0 ? 'nothing fires\n' : table(['STATE', 'SEVERITY', 'SINCE', 'RULE', 'WHAT'], rows),
      ...receivers
        .filter(({ problem }) => problem !== '')
        .map(
          ({ namespace, name, waiting, problem }) =>
            `\n${styled('red', 'not told')}: ${waiting} to ${namespace}/${name}: ${problem}`,
        ),
      ...problems.map(({ rule, problem }) => `\n${rule.kind} ${rule.namespace}/${rule.name}: ${problem}`),
      ...active.map(
        ({ namespace, name, until, reason }) =>
          `\nsilence ${namespace}/${name} until ${new Date(until).toISOString()}: ${reason}`,
      ),
    ]
      .join('')
      .replace(/\n?$/, '\n')
  })
}

const COLOURS: Readonly<Record<AlertSeverity, 'red' | 'yellow' | 'cyan'>> = {
  critical: 'red',
  warning: 'yellow',
  info: 'cyan',
}

function stateText({ state, silencedBy, noDataSince, severity }: Shown): string {
  const more = [...(silencedBy === '' ? [] : ['silenced']), ...(noDataSince === null ? [] : ['no data'])]
  const text = [state, ...more].join(', ')
  if (state === 'resolved') return styled('green', text)
  return state === 'pending' || silencedBy !== '' ? styled('dim', text) : styled(COLOURS[severity], text)
}
