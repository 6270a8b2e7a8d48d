import { type Command, InvalidArgumentError, Option } from 'commander'
import { closest } from '../../resources/did-you-mean.ts'
import { parseDuration } from '../../resources/duration.ts'
import type { GraphAnswer, GraphNode } from '../../telemetry/questions/graph.ts'
import type { Party } from '../../telemetry/questions/span-of-time.ts'
import { Failure } from '../failure.ts'
import type { Mesh } from '../mesh.ts'

export interface WindowOptions {
  readonly last: string
}

/** `--last 15m` */
export function addWindowOption(command: Command, usual = '15m'): Command {
  return command.addOption(
    new Option('--last <duration>', 'how far back to look, such as 5m or 2h').default(usual).argParser(duration),
  )
}

function duration(text: string): string {
  const parsed = parseDuration(text)
  if (!parsed.ok || parsed.milliseconds <= 0)
    throw new InvalidArgumentError('Write a number with its unit: 30s, 15m, 2h.')
  return text
}

type Values = Readonly<Record<string, string | readonly string[] | boolean | undefined>>

/** What telemetry answers to a question. @param path below `telemetry/` */
export async function askTelemetry<T>(mesh: Mesh, path: string, values: Values): Promise<T> {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === false) continue
    for (const each of Array.isArray(value) ? value : [String(value)]) query.append(name, each)
  }
  const answer = await mesh.get<T & { readonly missing?: readonly string[] }>(`telemetry/${path}?${query}`)
  for (const server of answer.missing ?? []) {
    if (told.has(server)) continue
    told.add(server)
    process.stderr.write(`server ${server} does not answer: what it knows is missing here\n`)
  }
  return answer
}

/** Servers that are known not to answer: said once. */
const told = new Set<string>()

/** A party as fields of a question: `source.workload=...`. */
export function partyValues(name: string, party: Party | undefined): Values {
  return Object.fromEntries(Object.entries(party ?? {}).map(([field, value]) => [`${name}.${field}`, value]))
}

/** How far back to look for somebody who is named. */
const KNOWN_SINCE = '24h'

/**
 * Who is meant by `NAME` or `NAME.NAMESPACE` as the one that is called. A service counts before an application of the same name: calls that came to none of its workloads are calls of the service all the same.
 * @throws Failure where there is no such, or several
 */
export function calleeNamed(mesh: Mesh, name: string, namespace?: string): Promise<Party> {
  return found(mesh, name, namespace, ['workload', 'service', 'application'])
}

/**
 * Whom a person means by `NAME` or `NAME.NAMESPACE`: a workload, an application (label app) or a service, among those that took part in traffic.
 * @throws Failure where there is no such, or several
 */
export function partyNamed(mesh: Mesh, name: string, namespace?: string): Promise<Party> {
  return found(mesh, name, namespace, ['workload', 'application', 'service'])
}

type Kind = 'workload' | 'application' | 'service'

/** @param order of what has the same name, the first is meant */
async function found(mesh: Mesh, name: string, namespace: string | undefined, order: readonly Kind[]): Promise<Party> {
  const { nodes, edges } = await askTelemetry<GraphAnswer>(mesh, 'graph', { last: KNOWN_SINCE })
  const candidates = [
    ...nodes.flatMap(partiesOf),
    ...[...new Set(edges.map(({ service }) => service))].flatMap(partyOfHost),
  ]
  const [short, inNamespace] = splitName(name)
  const asked = namespace ?? inNamespace
  const named = candidates.filter(
    (each) =>
      each.names.includes(name) || (each.names.includes(short) && (asked === undefined || each.namespace === asked)),
  )
  const first = order.find((kind) => named.some((each) => each.kind === kind))
  const best = named.filter(({ kind }) => kind === first)
  const different = [...new Map(best.map(({ party }) => [JSON.stringify(party), party])).values()]
  const [only, ...others] = different
  if (only && others.length === 0) return only
  if (only)
    throw new Failure(
      `${name} is in several namespaces: ${different.map((party) => party.namespace).join(', ')}`,
      'write NAME.NAMESPACE',
    )
  const near = closest(
    short,
    candidates.flatMap(({ names }) => names),
  )
  throw new Failure(
    `nothing called ${name} took part in traffic in the last ${KNOWN_SINCE}`,
    near ? `write ${near} if that was meant` : 'see weft graph for who did',
  )
}

interface Candidate {
  readonly names: readonly string[]
  readonly namespace: string
  readonly party: Party
  readonly kind: Kind
}

function partiesOf({ kind, name, namespace, app }: GraphNode): Candidate[] {
  if (kind !== 'workload') return []
  return [
    { names: [name], namespace, party: { namespace, workload: name }, kind: 'workload' },
    ...(app === '' ? [] : [{ names: [app], namespace, party: { namespace, app }, kind: 'application' as const }]),
  ]
}

function partyOfHost(host: string): Candidate[] {
  const [, name = '', namespace = ''] = /^([^.]+)\.([^.]+)\.svc\./.exec(host) ?? []
  const names = [host, ...(name ? [name, `${name}.${namespace}`] : [])]
  return [{ names, namespace, party: { service: host }, kind: 'service' }]
}

function splitName(name: string): readonly [string, string | undefined] {
  const dot = name.lastIndexOf('.')
  return dot < 0 ? [name, undefined] : [name.slice(0, dot), name.slice(dot + 1)]
}
