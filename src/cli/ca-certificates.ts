import type { Command } from 'commander'
import { type InventoryRecord, violations } from '../identity/inventory.ts'
import type { CertificateView } from '../server/certificate-view.ts'
import { addCaOptions, type CaOptions, caPlace } from './ca-place.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { lengthOfTime } from './length-of-time.ts'
import type { Mesh } from './mesh.ts'
import { outputOption, print, structured } from './output-format.ts'
import { styled } from './style.ts'
import { table } from './table.ts'

interface Options extends CaOptions {
  readonly all: boolean
  readonly others: boolean
  /** In ms. */
  readonly expiring?: number
  readonly violating: boolean
  /** In ms. */
  readonly maxLife: number
  readonly output?: 'json' | 'yaml' | 'csv'
}

/** A line of the inventory. */
interface Listed {
  readonly identity: string
  readonly serial: string
  /** Absent of certificates that the mesh did not sign. */
  readonly issuer?: string
  readonly key?: string
  readonly notBefore: string
  readonly notAfter: string
  readonly node?: string
  readonly usedBy: readonly string[]
  readonly lastSeen?: string
  readonly blocked: boolean
  readonly violations: readonly string[]
}

const DAY_MS = 86_400_000

/** `weft ca certificates` */
export function defineCertificates(command: Command): void {
  command
    .description(
      'Lists the certificates of the mesh: whose, which, by whom signed, for how long, who holds it, and when that was last seen. Who holds what is told by the agents at this moment; what was given ' +
        'out before is remembered for 30 days after its end on this machine, and by servers in a cluster since they started.',
    )
    .option('-A, --all', 'those that nobody holds any more, too', false)
    .option(
      '--others',
      'those that the mesh did not sign, too: asked of every Envoy (credentials of gateways, of servers outside)',
      false,
    )
    .option('--expiring <time>', 'only those that end within this time, such as 30d or 12h', lengthOfTime)
    .option('--violating', 'only those that violate the policy: life, root, key, ended', false)
    .option('--max-life <time>', 'the longest life that the policy allows', lengthOfTime, DAY_MS)
    .addOption(outputOption('csv'))
    .action(run)
  addCaOptions(command)
  withExamples(command, [
    ['what is in use', 'weft ca certificates'],
    ['what ends within a month, credentials of gateways among it', 'weft ca certificates --others --expiring 30d'],
    ['all of it, for a spreadsheet', 'weft ca certificates -A --others -o csv > certificates.csv'],
  ])
}

async function run({ all, others, expiring, violating, maxLife, output, ...which }: Options): Promise<void> {
  const { mesh } = await caPlace(which)
  if (!mesh) throw new Failure('the mesh does not run', 'start it: who holds which certificate is known only then')
  const now = Date.now()
  const [servers, ...records] = await Promise.all([
    mesh.getAll<CertificateView>('ca'),
    mesh.getAll<readonly InventoryRecord[]>('certificates'),
  ]).then(([views, inventories]) => [views, ...inventories] as const)
  const policy = { longestLifeMs: maxLife, root: servers[0]?.signing.root ?? '' }
  const blocked = new Set(servers.flatMap((server) => server.blocked.map(({ spiffeId }) => spiffeId)))
  const ours = merged(records.flat()).map(
    ({ spiffeId, root: _, ...record }): Listed => ({
      identity: spiffeId,
      ...record,
      blocked: blocked.has(spiffeId),
      violations: violations({ spiffeId, root: _, ...record }, policy, now),
    }),
  )
  const known = new Set(ours.map(({ serial }) => plain(serial)))
  const foreign = others ? (await inEnvoys(mesh, now)).filter(({ serial }) => !known.has(plain(serial))) : []
  const listed = [...ours, ...foreign].filter(
    (each) =>
      (all || each.usedBy.length > 0) &&
      (expiring === undefined || Date.parse(each.notAfter) - now <= expiring) &&
      (!violating || each.violations.length > 0 || each.blocked),
  )
  if (output === 'csv') return print(csv(listed))
  if (output) return print(await structured(output, listed))
  if (listed.length === 0) return void process.stderr.write('No such certificates.\n')
  return print(
    table(
      ['IDENTITY', 'SERIAL', 'KEY', 'ENDS', 'USED BY', 'REMARKS'],
      listed.map((each) => row(each, now)),
      ['REMARKS'],
    ),
  )
}

/** The same certificate, as several servers know it. */
function merged(records: readonly InventoryRecord[]): InventoryRecord[] {
  const bySerial = new Map<string, InventoryRecord>()
  for (const record of records) {
    const before = bySerial.get(record.serial)
    const lastSeen = [before?.lastSeen, record.lastSeen]
      .filter((at) => at !== undefined)
      .sort()
      .at(-1)
    bySerial.set(record.serial, {
      ...before,
      ...record,
      usedBy: [...new Set([...(before?.usedBy ?? []), ...record.usedBy])],
      ...(lastSeen === undefined ? {} : { lastSeen }),
    })
  }
  return [...bySerial.values()]
}

interface EnvoyCertificate {
  readonly serial_number: string
  readonly subject_alt_names: readonly Readonly<Record<string, string>>[]
  readonly valid_from: string
  readonly expiration_time: string
}

/** What Envoys say that they show to others. */
async function inEnvoys(mesh: Mesh, now: number): Promise<Listed[]> {
  const bySerial = new Map<string, Listed>()
  for (const pod of await mesh.envoys()) {
    const text = await mesh.askEnvoy(pod, '/certs').catch((error: Error) => {
      process.stderr.write(`${error.message}\n`)
      return '{"certificates":[]}'
    })
    const { certificates } = JSON.parse(text) as { certificates: { cert_chain: EnvoyCertificate[] }[] }
    for (const {
      cert_chain: [leaf],
    } of certificates) {
      if (!leaf) continue
      const before = bySerial.get(leaf.serial_number)
      bySerial.set(leaf.serial_number, {
        identity: leaf.subject_alt_names.flatMap((name) => Object.values(name)).join(' ') || '-',
        serial: leaf.serial_number,
        notBefore: leaf.valid_from,
        notAfter: leaf.expiration_time,
        usedBy: [...new Set([...(before?.usedBy ?? []), pod])],
        lastSeen: new Date(now).toISOString(),
        blocked: false,
        violations: Date.parse(leaf.expiration_time) <= now ? ['has ended'] : [],
      })
    }
  }
  return [...bySerial.values()]
}

/** Serial numbers are written with leading zeros or without. */
function plain(serial: string): string {
  return serial.toLowerCase().replace(/^0+/, '')
}

function row({ identity, serial, key = '-', notAfter, usedBy, blocked, violations }: Listed, now: number): string[] {
  const left = Date.parse(notAfter) - now
  const remarks = [...(blocked ? ['blocked'] : []), ...violations].join(', ')
  return [
    identity,
    serial.slice(0, 16),
    key,
    left <= 0 ? 'ended' : `in ${lifeText(left)}`,
    users(usedBy),
    styled('red', remarks),
  ]
}

function users(usedBy: readonly string[]): string {
  const [first = '-', ...others] = usedBy
  return others.length > 0 ? `${first} and ${others.length} more` : first
}

function lifeText(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} days`
  if (ms >= 7_200_000) return `${Math.floor(ms / 3_600_000)} hours`
  return `${Math.floor(ms / 60_000)} min`
}

const COLUMNS = [
  'identity',
  'serial',
  'issuer',
  'key',
  'notBefore',
  'notAfter',
  'node',
  'usedBy',
  'lastSeen',
  'blocked',
  'violations',
] as const

/** RFC 4180. */
function csv(listed: readonly Listed[]): string {
  const cell = (value: Listed[(typeof COLUMNS)[number]]) => {
    const text = Array.isArray(value) ? value.join(' ') : String(value ?? '')
    // A cell that begins like this is a formula to a spreadsheet.
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  }
  return [COLUMNS.join(','), ...listed.map((each) => COLUMNS.map((column) => cell(each[column])).join(','))]
    .map((line) => `${line}\r\n`)
    .join('')
}
