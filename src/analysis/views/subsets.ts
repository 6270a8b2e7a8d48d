import { byAge } from '../../mesh/precedence.ts'
import { hostMatches, resolveHost } from '../../resources/host.ts'
import type { DestinationRule, Subset } from '../../resources/istio.ts'
import { deriveFromReads } from '../../store/derive.ts'
import type { Snapshot } from '../../store/snapshot.ts'

/** A DestinationRule with its host fully qualified. */
export interface HostRule {
  readonly resource: DestinationRule
  readonly host: string
}

/** A subset and the rule that defines it, at `spec.subsets[index]`. */
export interface SubsetDefinition {
  readonly rule: HostRule
  readonly index: number
  readonly subset: Subset
}

interface RulesByHost {
  readonly exact: ReadonlyMap<string, readonly HostRule[]>
  readonly wildcard: readonly HostRule[]
}

const rules = deriveFromReads('analysis/destination-rules', (snapshot: Snapshot): RulesByHost => {
  const exact = new Map<string, HostRule[]>()
  const wildcard: HostRule[] = []
  for (const resource of [...snapshot.all('networking.istio.io/DestinationRule').values()].sort(byAge)) {
    if (!resource.spec) continue
    const host = resolveHost(resource.spec.host, resource.metadata.namespace ?? '')
    if (host.startsWith('*')) wildcard.push({ resource, host })
    else exact.set(host, [...(exact.get(host) ?? []), { resource, host }])
  }
  return { exact, wildcard }
})

/** The DestinationRules that name exactly this host, oldest first. */
export function rulesOf(snapshot: Snapshot, host: string): readonly HostRule[] {
  return rules(snapshot).exact.get(host) ?? []
}

/** The DestinationRules of each host, oldest first; those for wildcard hosts under their pattern. */
export function* rulesByHost(snapshot: Snapshot): Iterable<readonly [host: string, rules: readonly HostRule[]]> {
  const { exact, wildcard } = rules(snapshot)
  yield* exact
  yield* Map.groupBy(wildcard, (rule) => rule.host)
}

/** The subsets that clients of a host may name, with rules for wildcards that cover the host, whoever sees them. */
export function subsetsOf(snapshot: Snapshot, host: string): readonly SubsetDefinition[] {
  const { exact, wildcard } = rules(snapshot)
  const applying = [...(exact.get(host) ?? []), ...wildcard.filter((rule) => hostMatches(rule.host, host))]
  return applying.flatMap((rule) =>
    (rule.resource.spec?.subsets ?? []).map((subset, index) => ({ rule, index, subset })),
  )
}
