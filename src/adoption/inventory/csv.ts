import type { ApplicationSpec } from '../../resources/adoption.ts'
import { closest } from '../../resources/did-you-mean.ts'
import type { Message } from '../../resources/message.ts'
import { type CsvRow, readRows } from './csv-rows.ts'
import { type Draft, type Drafts, draftProblem, objectName, tell, type Workload } from './inventory.ts'

/** What a column means: what it adds to a spec. Throws Error on a text that it cannot take. */
type Column = (text: string) => Spec

/** A spec in the making. */
type Spec = { -readonly [Field in keyof ApplicationSpec]?: ApplicationSpec[Field] }

const COLUMNS: Readonly<Record<string, Column>> = {
  displayname: (displayName) => ({ displayName }),
  description: (description) => ({ description }),
  workloads: (text) => ({ workloads: list(text).map(workload) }),
  team: (team) => ({ owner: { team } }),
  contact: (contact) => ({ owner: { contact } as ApplicationSpec['owner'] & object }),
  criticality: (text) => ({ criticality: oneOf(text.toLowerCase(), ['low', 'medium', 'high', 'critical']) }),
  compliance: (text) => ({ requirements: { compliance: list(text) } }),
  pci: (text) => (isYes(text) ? { requirements: { compliance: ['PCI-DSS'] } } : {}),
  zones: (text) => ({ requirements: { zones: list(text) } }),
  platform: (text) => ({ requirements: { platform: oneOf(text, ['Kubernetes', 'VirtualMachine', 'Both']) } }),
  architectures: (text) => ({
    requirements: {
      architectures: list(text).map((each) => oneOf(each, ['amd64', 'arm64', 'ppc64le', 's390x', 'arm'])),
    },
  }),
  latencyp50: (p50) => ({ requirements: { latency: { p50 } } }),
  latencyp99: (p99) => ({ requirements: { latency: { p99 } } }),
  languages: (text) => ({ technology: { languages: list(text) } }),
  frameworks: (text) => ({ technology: { frameworks: list(text) } }),
  ports: (text) => ({ ports: list(text).map(port) }),
  dependson: (text) => ({ dependencies: { applications: list(text).map(reference) } }),
  external: (text) => ({ dependencies: { external: list(text).map(outside) } }),
  disasterrecovery: (text) => ({
    disasterRecovery: { strategy: oneOf(text, ['None', 'Backup', 'PilotLight', 'WarmStandby', 'ActiveActive']) },
  }),
  recoverytime: (recoveryTime) => ({ disasterRecovery: { recoveryTime } }),
  recoverypoint: (recoveryPoint) => ({ disasterRecovery: { recoveryPoint } }),
  exempt: (reason) => ({ exempt: { reason } }),
}

/** Other names that spreadsheets have for them. */
const ALIASES: Readonly<Record<string, string>> = {
  application: 'name',
  app: 'name',
  owner: 'team',
  ownerteam: 'team',
  tier: 'criticality',
  dependencies: 'dependson',
  calls: 'dependson',
  rto: 'recoverytime',
  rpo: 'recoverypoint',
  dr: 'disasterrecovery',
  language: 'languages',
  framework: 'frameworks',
  latency: 'latencyp99',
  p99: 'latencyp99',
}

/** Columns of a CSV of applications, for people; several values in a cell are separated by `;`. */
const CSV_COLUMNS = ['name', 'namespace', ...Object.keys(COLUMNS)]

/**
 * Applications of a CSV file with a heading (separated by commas, semicolons or tabs). Rows that cannot be taken are told of with their line; the others
 * are kept, also those after a quote that is never closed.
 */
export function draftsOfCsv(text: string, file: string): Drafts {
  const messages: Message[] = []
  const { rows: all, unreadable } = readRows(text)
  const [heading, ...rows] = all
  for (const line of unreadable)
    messages.push(
      broken(
        file,
        line,
        'a quote is not closed, or stands in the middle of a cell',
        'put quotes around the whole cell, and write a quote in it twice',
      ),
    )
  if (!heading) {
    if (messages.length === 0)
      messages.push(broken(file, 1, 'the file is empty', 'write a heading: name, namespace, team, criticality, ...'))
    return { drafts: [], messages }
  }
  const columns = heading.cells.map((cell) => columnNamed(cell))
  for (const [i, cell] of heading.cells.entries())
    if (columns[i] === undefined) messages.push(unknownColumn(file, heading.line, cell))
  if (!columns.includes('name')) {
    messages.push(broken(file, heading.line, 'there is no column "name"', 'give the heading a column called name'))
    return { drafts: [], messages }
  }
  const drafts = rows.flatMap((row): Draft[] => {
    try {
      return [draftOf(row, columns)]
    } catch (error) {
      messages.push(broken(file, row.line, (error as Error).message, 'mend the row; the others are taken'))
      return []
    }
  })
  return { drafts, messages: messages.sort((a, b) => (a.position?.line ?? 0) - (b.position?.line ?? 0)) }
}

function draftOf({ cells }: CsvRow, columns: readonly (string | undefined)[]): Draft {
  if (cells.length !== columns.length)
    throw new Error(
      `the row has ${cells.length} cells, the heading ${columns.length}: is a separator missing, or a quote?`,
    )
  const at = (column: string) => cells[columns.indexOf(column)]?.trim() ?? ''
  const name = objectName(at('name'))
  if (name === undefined) throw new Error('the row has no name')
  const namespace = objectName(at('namespace'))
  let spec: Spec = {}
  for (const [i, column] of columns.entries()) {
    const text = cells[i]?.trim() ?? ''
    const read = column === undefined ? undefined : COLUMNS[column]
    if (!read || text === '') continue
    try {
      spec = merged(spec, read(text))
    } catch (error) {
      throw new Error(`${column}: ${(error as Error).message}`)
    }
  }
  if (spec.owner && spec.owner.team === undefined) throw new Error('contact: there is a contact and no team')
  const draft = { name, ...(namespace === undefined ? {} : { namespace }), spec }
  const problem = draftProblem(draft)
  if (problem !== undefined) throw new Error(problem)
  return draft
}

/** Fields of both, maps within maps included; lists one after the other. */
function merged<T extends object>(one: T, other: T): T {
  const result = { ...one } as Record<string, unknown>
  for (const [key, value] of Object.entries(other)) {
    const before = result[key]
    if (Array.isArray(before) && Array.isArray(value)) result[key] = [...new Set([...before, ...value])]
    else if (typeof before === 'object' && typeof value === 'object')
      result[key] = merged(before as object, value as object)
    else result[key] = value
  }
  return result as T
}

function columnNamed(text: string): string | undefined {
  const name = text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const column = ALIASES[name] ?? name
  return column === 'name' || column === 'namespace' || Object.hasOwn(COLUMNS, column) ? column : undefined
}

function unknownColumn(file: string, line: number, cell: string): Message {
  const near = closest(cell.toLowerCase(), CSV_COLUMNS)
  return tell('unknown-column', 'warning', {
    position: { file, line, column: 1 },
    problem: `the column "${cell}" means nothing here`,
    remedy: near
      ? `did you mean "${near}"? Else it is left out`
      : `it is left out; columns are ${CSV_COLUMNS.join(', ')}`,
  })
}

function broken(file: string, line: number, problem: string, remedy: string): Message {
  return tell('broken-row', 'error', { position: { file, line, column: 1 }, problem, remedy })
}

function list(text: string): string[] {
  return text.split(/[;|\n]/).flatMap((part) => part.trim() || [])
}

function isYes(text: string): boolean {
  return /^(y|yes|true|x|1)$/i.test(text)
}

function oneOf<const T extends string>(text: string, values: readonly T[]): T {
  const found = values.find((value) => value.toLowerCase() === text.toLowerCase())
  if (found === undefined) throw new Error(`"${text}" is none of ${values.join(', ')}`)
  return found
}

const WORKLOAD_KINDS = [
  'Deployment',
  'StatefulSet',
  'DaemonSet',
  'ReplicaSet',
  'Job',
  'CronJob',
  'Pod',
  'WorkloadEntry',
  'WorkloadGroup',
] as const

/** `cart`, or `StatefulSet/cart`. */
function workload(text: string): Workload {
  const [first = '', second] = text.split('/')
  if (second === undefined) return { name: first }
  return { kind: oneOf(first, WORKLOAD_KINDS), name: second }
}

/** `8080/HTTP`. */
function port(text: string): NonNullable<ApplicationSpec['ports']>[number] {
  const [number, protocol = 'TCP'] = text.split('/')
  if (!/^\d+$/.test(number ?? '') || Number(number) < 1 || Number(number) > 65535)
    throw new Error(`"${text}" is no port; write one such as 8080/HTTP`)
  return { port: Number(number), protocol: oneOf(protocol, ['HTTP', 'HTTP2', 'GRPC', 'HTTPS', 'TLS', 'TCP', 'UDP']) }
}

/** `cart`, or `shop/cart`. */
function reference(text: string): { name: string; namespace?: string } {
  const [first = '', second] = text.split('/')
  return second === undefined ? { name: first } : { namespace: first, name: second }
}

/** `api.example.com`, or `api.example.com:443`. */
function outside(text: string): { host: string; port?: number } {
  const [host = '', number] = text.split(':')
  if (number === undefined) return { host }
  if (!/^\d+$/.test(number)) throw new Error(`"${text}" is no host; write one such as api.example.com:443`)
  return { host, port: Number(number) }
}
