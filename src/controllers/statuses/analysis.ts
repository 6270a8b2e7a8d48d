import { findings } from '../../analysis/analyze.ts'
import { KINDS, type KindId } from '../../resources/kinds.ts'
import { fieldText, type Severity } from '../../resources/message.ts'
import { type FieldPath, KIND, keyOf, type Resource } from '../../resources/resource.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { condition, type WantedConditions } from './wanted-status.ts'

/** The condition of Istio's kinds that says what analysis found. A name of our own: another mesh may write conditions of its own beside it. */
export const ANALYSIS_CONDITION = 'weft.dev/PassedAnalysis'

/** What an object's condition says in full at most; `weft analyze` says the rest. */
const MOST_FINDINGS = 10

/**
 * By kind and key: what analysis, and proxies that refused what was made of them, say of Istio's objects. Only of those of which there is something to say: an object that never was wrong has no
 * status, so that a mesh with ten thousand of them takes no ten thousand writes.
 */
export function analysisStatuses(
  snapshot: Snapshot,
  refused: readonly (readonly [Resource, Told])[] = [],
): ReadonlyMap<KindId, ReadonlyMap<string, WantedConditions>> {
  const told = new Map<Resource, Told[]>()
  for (const [resource, found] of findings(snapshot)) told.set(resource, [...found])
  for (const [source, refusal] of refused) {
    // The object may have been changed since the proxy refused it.
    const resource = (snapshot.all(source[KIND]) as PersistentMap<Resource>).get(keyOf(source))
    if (resource) told.set(resource, [...(told.get(resource) ?? []), refusal])
  }
  const byKind = new Map<KindId, Map<string, WantedConditions>>()
  for (const [resource, found] of told) {
    const kind = resource[KIND]
    const grave = found.filter(({ severity }) => severity !== 'info')
    if (!KINDS[kind].group.endsWith('.istio.io') || grave.length === 0) continue
    const ofKind = byKind.get(kind) ?? new Map<string, WantedConditions>()
    byKind.set(kind, ofKind.set(keyOf(resource), analysisStatus(resource, grave)))
  }
  return byKind
}

/** Something to say of an object. */
export interface Told {
  readonly severity: Severity
  readonly rule: string
  /** Absent where the whole object is meant. */
  readonly path?: FieldPath
  readonly problem: string
  readonly remedy: string
}

function analysisStatus({ metadata }: Resource, told: readonly Told[]): WantedConditions {
  const sorted = [...told].sort((a, b) => rank(a) - rank(b))
  const lines = sorted.slice(0, MOST_FINDINGS).map(({ severity, path, problem, remedy, rule }) => {
    const field = fieldText(path ?? [])
    return `${severity}: ${field ? `${field}: ` : ''}${problem}; ${remedy} [${rule}]`
  })
  const more = sorted.length - lines.length
  const message = [...lines, ...(more > 0 ? [`and ${more} more: see weft analyze`] : [])].join('\n')
  const bad = sorted.some(({ severity }) => severity === 'error')
  return {
    form: 'conditions',
    generation: metadata.generation ?? 0,
    conditions: [condition(ANALYSIS_CONDITION, !bad, bad ? 'ErrorsFound' : 'WarningsFound', message)],
  }
}

function rank({ severity }: Told): number {
  return severity === 'error' ? 0 : 1
}

/** What to say of an object of which something was said before, and nothing is now. */
export function mendedStatus(generation: number): WantedConditions {
  return { form: 'conditions', generation, conditions: [condition(ANALYSIS_CONDITION, true, 'NothingFound')] }
}
