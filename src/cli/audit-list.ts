import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { type AuditRecord, recordsIn } from '../identity/audit-log.ts'
import { operationsIn } from '../identity/ca-operations.ts'
import { refusedCalls } from '../server/refused-calls.ts'
import { keptRefusals } from '../telemetry/store/refusal-store.ts'
import { addCaOptions, type CaOptions, type CaPlace, caPlace } from './ca-place.ts'
import { withExamples } from './examples.ts'
import { lengthOfTime } from './length-of-time.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { styled } from './style.ts'
import { table } from './table.ts'

interface Options extends CaOptions {
  readonly output?: OutputFormat
  /** In ms. */
  readonly since?: number
  readonly action?: string
}

/** `weft audit list` */
export function defineAuditList(command: Command): void {
  command
    .description(
      'Lists, the oldest first, requests for certificates, configuration and secrets that were refused, requests and connections that proxies refused, and what was done to the certificate authority. Of a mesh on this machine also when it does ' +
        'not run. On a cluster each server keeps its part on the disk of its pod for as long as that is there; all are in the logs of servers and agents, too, as lines with "audit". What proxies refuse is kept for 90 days, the same within an hour once; what is more than can be kept is counted.',
    )
    .option('--since <time>', 'only what is younger, such as 24h or 7d', lengthOfTime)
    .option('--action <prefix>', 'only what begins so, such as ca or certificate.request')
    .addOption(outputOption())
    .action(async ({ output, since, action = '', ...which }: Options) => {
      const place = await caPlace(which)
      const records = sorted([...operationsIn(await place.store.read()), ...(await refusals(place))]).filter(
        (record) =>
          record.action.startsWith(action) &&
          (since === undefined || Date.parse(record.until ?? record.time) >= Date.now() - since),
      )
      await print(output ? await structured(output, records) : textOf(records))
    })
  addCaOptions(command)
  withExamples(command, [
    ['of the mesh that runs here', 'weft audit list'],
    ['of the last day on a cluster, for a script', 'weft audit list --context prod --since 24h -o json'],
    ['what proxies refused', 'weft audit list --action traffic'],
    ['who changed the certificate authority', 'weft audit list --action ca'],
  ])
}

async function refusals({ mesh, store, cluster }: CaPlace): Promise<readonly AuditRecord[]> {
  if (mesh) return (await mesh.getAll<readonly AuditRecord[]>('audit')).flat()
  if (cluster) return []
  const state = dirname(store.place)
  const kept = keptRefusals(join(state, 'telemetry'), { from: 0, to: Date.now() + 1 })
  return [...recordsIn(join(state, 'audit.jsonl')), ...(kept ? refusedCalls(kept) : [])]
}

/** By time, each once: an agent tells every server that it speaks with. */
function sorted(records: readonly AuditRecord[]): AuditRecord[] {
  const unique = new Map(records.map((record) => [JSON.stringify(record), record]))
  return [...unique.values()].sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
}

function textOf(records: readonly AuditRecord[]): string {
  if (records.length === 0) return 'Nothing is recorded.\n'
  const rows = records.map(({ time, outcome, action, who, from, about, reason, repeats, until }) => [
    time.slice(0, 19),
    outcome === 'refused' ? styled('red', outcome) : outcome,
    action,
    who,
    from ?? '',
    about ?? '',
    `${reason ?? ''}${repeats === undefined ? '' : ` (and ${repeats} times more${until === undefined ? '' : `, until ${until.slice(0, 19)}`})`}`,
  ])
  return table(['TIME', 'OUTCOME', 'ACTION', 'WHO', 'FROM', 'ABOUT', 'REASON'], rows, ['FROM', 'ABOUT', 'REASON'])
}
