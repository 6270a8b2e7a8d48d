import { isDeepStrictEqual } from 'node:util'
import { type Document, isMap, parseDocument } from 'yaml'
import type { Application, ApplicationSpec } from '../../resources/adoption.ts'
import { isFields } from '../../resources/fields.ts'
import { apiVersionOf, KINDS } from '../../resources/kinds.ts'
import { keyOf } from '../../resources/resource.ts'
import type { ApplicationTraffic } from '../evidence/application-traffic.ts'
import { type Draft, type Workload, workloadText } from './inventory.ts'

/** An application as it is to be written. */
export interface MergedApplication {
  readonly name: string
  readonly namespace: string
  readonly spec: ApplicationSpec
  readonly change: 'new' | 'completed' | 'unchanged'
  /** What its traffic showed. */
  readonly observed?: ApplicationTraffic
}

/**
 * What the inventory becomes when drafts are brought in, earlier ones first. What people wrote stays as it is: only what is absent is filled in, and workloads
 * that no application has yet are added to the one that they seem to be of.
 */
export function mergeDrafts(
  existing: readonly Application[],
  drafts: readonly Draft[],
  home: string,
): readonly MergedApplication[] {
  const known = new Map(existing.map((application) => [keyOf(application), application.spec]))
  const claimed = new Map<string, string>()
  for (const [key, spec] of known) claim(claimed, key, spec?.workloads ?? [])
  const specs = new Map<string, Partial<ApplicationSpec>>([...known].map(([key, spec]) => [key, spec ?? {}]))
  for (const draft of drafts) {
    const key = `${namespaceOf(draft, [...specs.keys()], drafts, home)}/${draft.name}`
    const [namespace = ''] = key.split('/')
    const own = (draft.spec.workloads ?? []).filter((workload) => {
      const owner = claimed.get(`${namespace}/${workloadText(workload)}`)
      return owner === undefined || owner === key
    })
    // All that it would be of is others' already: they know it by another name.
    if (draft.spec.workloads && own.length === 0 && !specs.has(key)) continue
    claim(claimed, key, own)
    const { workloads: _, ...rest } = draft.spec
    specs.set(key, filled(specs.get(key) ?? {}, { ...rest, ...(own.length > 0 ? { workloads: own } : {}) }))
  }
  return [...specs].map(([key, spec]) => {
    const [namespace = '', name = ''] = key.split('/')
    // Who named no workload most likely calls it as the application.
    const whole: ApplicationSpec = { ...spec, workloads: spec.workloads ?? [{ name }] }
    const before = known.get(key)
    const change = !known.has(key) ? 'new' : isDeepStrictEqual(before, whole) ? 'unchanged' : 'completed'
    return { name, namespace, spec: whole, change }
  })
}

function claim(claimed: Map<string, string>, key: string, workloads: readonly Workload[]): void {
  const [namespace] = key.split('/')
  for (const workload of workloads) claimed.set(`${namespace}/${workloadText(workload)}`, key)
}

/** Where a draft does not say: that of the only application of its name. */
function namespaceOf(draft: Draft, known: readonly string[], drafts: readonly Draft[], home: string): string {
  if (draft.namespace !== undefined) return draft.namespace
  const named = [
    ...known.filter((key) => key.endsWith(`/${draft.name}`)).map((key) => key.split('/')[0] ?? ''),
    ...drafts.flatMap(({ name, namespace }) => (name === draft.name && namespace !== undefined ? [namespace] : [])),
  ]
  const all = new Set(named)
  return all.size === 1 ? ([...all][0] ?? home) : home
}

/** Fields of `from` where `into` has none; within maps too. Workloads are put together. */
function filled<T extends object>(into: T, from: T): T {
  const result = { ...into } as Record<string, unknown>
  for (const [key, value] of Object.entries(from)) {
    const before = result[key]
    if (before === undefined) result[key] = value
    else if (key === 'workloads') result[key] = union(before as readonly Workload[], value as readonly Workload[])
    else if (isFields(before) && isFields(value)) result[key] = filled(before, value)
  }
  return result as T
}

function union(one: readonly Workload[], other: readonly Workload[]): readonly Workload[] {
  const has = new Set(one.map(workloadText))
  return [...one, ...other.filter((workload) => !has.has(workloadText(workload)))]
}

/** An Application as text: with `before`, the file as it was, its comments and order are kept. */
export function applicationText({ name, namespace, spec, observed }: MergedApplication, before?: string): string {
  const document: Document = parseDocument(before ?? '')
  if (!isMap(document.contents)) {
    const kind = KINDS['adoption.weft.dev/Application']
    document.contents = document.createNode({
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      metadata: { name, namespace },
    }) as typeof document.contents
  }
  write(document, ['spec'], spec)
  if (observed) document.setIn(['status', 'observed'], document.createNode(observed))
  return document.toString({ lineWidth: 0 })
}

/** Sets what is not there yet, or is another; leaves the rest alone. */
function write(document: Document, path: readonly string[], value: unknown): void {
  const before = document.getIn(path)
  if (isFields(value) && isMap(before)) {
    for (const [key, field] of Object.entries(value)) write(document, [...path, key], field)
    return
  }
  const plain = (before as { toJSON?: () => unknown } | undefined)?.toJSON?.() ?? before
  if (!isDeepStrictEqual(plain, value)) document.setIn(path, document.createNode(value))
}
