import { isPathTemplate, pathTemplate } from '../../mesh/authorization/path-template.ts'
import { meshConfig, type PathNormalization } from '../../mesh/mesh-config.ts'
import type { Workload } from '../../mesh/model.ts'
import type { AuthorizationPolicySpec } from '../../resources/istio.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { SeenCalls } from '../../telemetry/questions/calls.ts'
import { normalizedPath } from '../../translate/prediction/request.ts'
import { podsByWorkload } from './callees.ts'

/** How narrow the rules are: who may call at all, with which methods, at which paths. */
export type Grain = 'principals' | 'methods' | 'paths'

/** What traffic says about who has to be allowed to call a workload. Plain data. */
export interface LearnedPolicy {
  readonly namespace: string
  readonly workload: string
  /** Absent where nothing can be proposed: `reason` says why. */
  readonly policy?: WrittenPolicy
  readonly reason?: string
  /** Calls that the policy is made from, and when the first and the last of them came. */
  readonly calls: number
  readonly firstSeen: number
  readonly lastSeen: number
  /** Callers without a certificate, whom no rule can name. */
  readonly plaintext: readonly SeenCalls[]
  /** What policies in force refused: it stays refused. */
  readonly refused: readonly SeenCalls[]
  /** Callers that used too many paths to list: all of them are allowed. */
  readonly folded: readonly SeenCalls[]
}

export interface WrittenPolicy {
  readonly apiVersion: 'security.istio.io/v1'
  readonly kind: 'AuthorizationPolicy'
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec: AuthorizationPolicySpec
}

type Rule = NonNullable<AuthorizationPolicySpec['rules']>[number]
type Operation = NonNullable<NonNullable<Rule['to']>[number]['operation']>

/**
 * For each workload that was called an AuthorizationPolicy that allows the calls that were seen and no others: by principal, port, method and path.
 * @param calls as telemetry keeps them; those of one workload may come in any order
 */
export function learnPolicies(snapshot: Snapshot, calls: readonly SeenCalls[], grain: Grain): readonly LearnedPolicy[] {
  const pods = podsByWorkload(snapshot)
  const normalization = meshConfig(snapshot).pathNormalization
  const callees = Map.groupBy(calls, ({ destination }) => `${destination.namespace}/${destination.workload}`)
  return [...callees]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, seen]) => learned(name, seen, pods, grain, normalization))
}

function learned(
  name: string,
  seen: readonly SeenCalls[],
  pods: ReadonlyMap<string, readonly Workload[]>,
  grain: Grain,
  normalization: PathNormalization,
): LearnedPolicy {
  const [namespace = '', workload = ''] = name.split('/')
  const known = seen.filter(({ principal, refused }) => principal !== null && !refused)
  const about = {
    namespace,
    workload,
    calls: known.reduce((sum, { count }) => sum + count, 0),
    firstSeen: known.reduce((first, { firstSeen }) => Math.min(first, firstSeen), Number.POSITIVE_INFINITY),
    lastSeen: known.reduce((last, { lastSeen }) => Math.max(last, lastSeen), 0),
    plaintext: seen.filter(({ principal, refused }) => principal === null && !refused),
    refused: seen.filter(({ refused }) => refused),
    folded: known.filter(({ kind, path }) => kind === 'request' && path === null),
  }
  const there = pods.get(name)
  if (!there) return { ...about, reason: 'no pod of it has a proxy now' }
  if (known.length === 0) return { ...about, reason: 'nobody called it with a certificate of the mesh' }
  const matchLabels = labelsOf(there, pods)
  if (!matchLabels) return { ...about, reason: 'no label tells its pods from those of other workloads' }
  return {
    ...about,
    policy: {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: `${workload}-callers`, namespace },
      spec: { selector: { matchLabels }, action: 'ALLOW', rules: rulesOf(known, grain, normalization) },
    },
  }
}

/** One rule for all that the same callers do. */
function rulesOf(calls: readonly SeenCalls[], grain: Grain, normalization: PathNormalization): Rule[] {
  const callers = new Map<string, Set<string>>()
  for (const call of calls) {
    const operation = JSON.stringify(operationOf(call, grain, normalization))
    const principals = callers.get(operation) ?? new Set()
    callers.set(operation, principals.add(call.principal ?? ''))
  }
  const byCallers = Map.groupBy(callers, ([, principals]) => JSON.stringify([...principals].sort()))
  return [...byCallers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([principals, operations]) => ({
      from: [{ source: { principals: JSON.parse(principals) as string[] } }],
      to: joined(operations.map(([operation]) => JSON.parse(operation) as Operation)).map((operation) => ({
        operation,
      })),
    }))
}

function operationOf({ destination, kind, method, path }: SeenCalls, grain: Grain, normalization: PathNormalization) {
  const ports = [String(destination.port)]
  if (kind === 'connection' || grain === 'principals') return { ports }
  if (grain === 'methods' || path === null) return { ports, methods: [method] }
  const written = writable(path, normalization)
  return written === undefined ? { ports, methods: [method] } : { ports, methods: [method], paths: [written] }
}

/** A path as policies name it; undefined for one that they would take for more than itself. */
function writable(path: string, normalization: PathNormalization): string | undefined {
  const seen = normalizedPath(path.replaceAll('{*}', PLACE), normalization).replaceAll(PLACE, '{*}')
  if (isPathTemplate(seen)) return pathTemplate(seen) === undefined ? undefined : seen
  return seen === '' || /[*{}]/.test(seen) ? undefined : seen
}

/** Stands for an id while a path is made a normal one, which knows no `{*}`. */
const PLACE = '0weft-id0'

/** One operation for all paths of a method, and one for all methods with the same paths. */
function joined(operations: readonly Operation[]): Operation[] {
  const byMethod = Map.groupBy(operations, ({ ports, methods }) => JSON.stringify([ports, methods]))
  const ofMethods = [...byMethod.values()].map((same): Operation => {
    const { ports = [], methods } = same[0] ?? {}
    // One without paths allows them all.
    const all = same.some(({ paths }) => paths === undefined)
    const paths = [...new Set(same.flatMap((each) => each.paths ?? []))].sort()
    return { ports, ...(methods ? { methods } : {}), ...(all ? {} : { paths }) }
  })
  const byPaths = Map.groupBy(ofMethods, ({ ports, methods, paths }) =>
    JSON.stringify([ports, methods === undefined, paths ?? null]),
  )
  return [...byPaths.values()]
    .map((same): Operation => {
      const { ports = [], methods, paths } = same[0] ?? {}
      const all = same.flatMap((each) => each.methods ?? []).sort()
      return { ports, ...(methods ? { methods: all } : {}), ...(paths ? { paths } : {}) }
    })
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

/** Labels that the pods change with each rollout. */
const PASSING: ReadonlySet<string> = new Set([
  'pod-template-hash',
  'controller-revision-hash',
  'pod-template-generation',
])
/** Those that people know their workloads by, the best first. */
const USUAL = ['app', 'app.kubernetes.io/name', 'k8s-app', 'version', 'app.kubernetes.io/instance']

/** The fewest labels that all pods of a workload have, and no pod of another one of its namespace; undefined where there are none. */
function labelsOf(
  pods: readonly Workload[],
  all: ReadonlyMap<string, readonly Workload[]>,
): Readonly<Record<string, string>> | undefined {
  const [first] = pods
  const others = [...all.values()].flat().filter((pod) => pod.namespace === first?.namespace && !pods.includes(pod))
  const common = Object.entries(first?.labels ?? {})
    .filter(([name, value]) => !PASSING.has(name) && pods.every(({ labels }) => labels[name] === value))
    .sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1))
  const chosen: [string, string][] = []
  const left = () => others.filter(({ labels }) => chosen.every(([name, value]) => labels[name] === value))
  for (const label of common) {
    if (chosen.length > 0 && left().length === 0) break
    const before = left().length
    chosen.push(label)
    if (chosen.length > 1 && left().length === before) chosen.pop()
  }
  return chosen.length > 0 && left().length === 0 ? Object.fromEntries(chosen) : undefined
}

function rank(name: string): number {
  const place = USUAL.indexOf(name)
  return place < 0 ? USUAL.length : place
}
