import { userInfo } from 'node:os'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { ROOT_NAMESPACE } from '../../mesh/visibility.ts'
import type { Silence } from '../../resources/observability.ts'
import { KIND } from '../../resources/resource.ts'
import { ALERT_SEVERITIES, type AlertSeverity } from '../../telemetry/questions/alerts.ts'
import { placeOf } from '../enforcement/change.ts'
import { withExamples } from '../examples.ts'
import { lengthOfTime } from '../length-of-time.ts'
import { print } from '../output-format.ts'
import { addMeshOptions, type MeshOptions, meshToChange } from '../running-mesh.ts'

interface Options extends MeshOptions {
  readonly for: number
  readonly reason: string
  readonly rule: readonly string[]
  readonly severity?: AlertSeverity
  readonly label: readonly string[]
  readonly namespace: string
}

/** `weft alerts silence` */
export function defineSilence(command: Command): void {
  command
    .description(
      'Writes a Silence: for some time nobody is told of alerts that begin. The end of what was told before is told all the same. To end it sooner, remove the object.',
    )
    .requiredOption('--for <duration>', 'for how long, such as 2h or 1d', lengthOfTime)
    .requiredOption('--reason <text>', 'why')
    .option('--rule <name>', 'only of this ServiceLevelObjective or AlertRule; as often as needed', collected, [])
    .addOption(new Option('--severity <severity>', 'only of this severity').choices([...ALERT_SEVERITIES]))
    .option('-l, --label <name=value>', 'only with this label; as often as needed', collected, [])
    .option('-n, --namespace <namespace>', 'of which namespace; of all in the root namespace', ROOT_NAMESPACE)
    .action(run)
  addMeshOptions(command)
  withExamples(command, [
    ['for the work of tonight', 'weft alerts silence --for 2h --reason "new database" -n shop'],
    ['one rule, everywhere', 'weft alerts silence --for 1d --rule cart-availability --reason "known, see OPS-12"'],
  ])
}

function collected(value: string, all: readonly string[]): readonly string[] {
  return [...all, value]
}

async function run({ for: length, reason, rule, severity, label, namespace, ...options }: Options): Promise<void> {
  const mesh = await meshToChange(options)
  const now = Date.now()
  const labels = Object.fromEntries(
    label.map((each) => {
      const [, name = '', value = ''] = /^([^=]+)=(.*)$/.exec(each) ?? []
      if (name === '') throw new InvalidArgumentError(`--label ${each} is not NAME=VALUE`)
      return [name, value]
    }),
  )
  const silence: Silence = {
    apiVersion: 'observability.weft.dev/v1alpha1',
    kind: 'Silence',
    metadata: { name: `silence-${now.toString(36)}`, namespace },
    spec: {
      ...(rule.length + label.length > 0 || severity
        ? {
            match: {
              ...(rule.length > 0 ? { rules: [...rule] } : {}),
              ...(severity ? { severities: [severity] } : {}),
              ...(label.length > 0 ? { labels } : {}),
            },
          }
        : {}),
      until: new Date(now + length).toISOString(),
      reason,
      by: userInfo().username,
    },
    [KIND]: 'observability.weft.dev/Silence',
  }
  const place = await placeOf(mesh, options)
  const written = await place.make(await place.changesFor([silence]))
  await print(`Silence ${namespace}/${silence.metadata.name} until ${silence.spec?.until}, in ${written.join(', ')}\n`)
}
