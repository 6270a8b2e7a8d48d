import { compareHosts, hostMatches, isWildcard, memberOfHost, resolveHost, serviceOfHost } from '../resources/host.ts'
import type { DestinationRule, Subset, TrafficPolicy } from '../resources/istio.ts'
import { matchesLabels } from '../resources/labels.ts'
import { isKind, keyOf } from '../resources/resource.ts'
import { derive, deriveFlatMap, deriveIndex, deriveMap, deriveOverlay, perReads } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type BackendTls, backendTlsByHost } from './backend-tls.ts'
import { membersByService } from './member-services.ts'
import { meshConfig } from './mesh-config.ts'
import type { Service, Workload } from './model.ts'
import { byAge } from './precedence.ts'
import { publicServices, restrictedServices, services } from './services.ts'
import { EVERYONE, exportedTo, ROOT_NAMESPACE } from './visibility.ts'

/** What DestinationRules say about one service to the clients of one namespace. */
export interface ClientPolicy {
  readonly trafficPolicy?: TrafficPolicy
  readonly subsets: readonly Subset[]
  /** The rules it is merged from, oldest first. */
  readonly sources: readonly DestinationRule[]
  /** What BackendTLSPolicies say; a rule's own `tls` wins over it. */
  readonly backendTls?: readonly BackendTls[]
}

/** What holds where no DestinationRule does. */
const NO_CLIENT_POLICY: ClientPolicy = { subsets: [], sources: [] }

/**
 * By host: what clients in general go by, which is what the namespace of the service or the root namespace says to everyone.
 * A host without an entry has no rule.
 */
export function publicClientPolicies(snapshot: Snapshot): PersistentMap<ClientPolicy> {
  const own = ownPublicPolicies(snapshot)
  const members = membersByService(services(snapshot))
  return members.size === 0 ? own : inherited(ofWhole([members, own]), own)
}

/** Without what members of headless Services have of these. */
function ownPublicPolicies(snapshot: Snapshot): PersistentMap<ClientPolicy> {
  const rules = rulesForAll(snapshot)
  return forEveryone([publicServices(snapshot), rulesByHost(rules), backendTlsByHost(snapshot)], wildcardRules(rules))
}

/** A member of a headless Service for which there is no rule has what the Service has. */
const ofWhole = deriveFlatMap<[PersistentMap<PersistentMap<Service>>, PersistentMap<ClientPolicy>], [], ClientPolicy>(
  'mesh/client-policies/members',
  (_, [members, policy]) => (policy ? [...(members?.keys() ?? [])].map((host) => [host, policy] as const) : []),
)

const inherited = deriveOverlay<ClientPolicy>('mesh/client-policies/inherited')

/**
 * By host: where clients in `namespace` go by something else than others do, and every service that only some namespaces
 * see, this one among them.
 */
export const namespaceClientPolicies = perReads((snapshot, namespace: string): PersistentMap<ClientPolicy> => {
  const rules = rulesForAll(snapshot)
  const restricted = restrictedServices(snapshot).get(namespace)
  if (!restricted && !specialRules(rules).has(namespace)) return PersistentMap.empty()
  const usual = ownPublicPolicies(snapshot)
  const own = forNamespace(
    [publicServices(snapshot), restricted ?? noServices, rulesByHost(rules), usual, backendTlsByHost(snapshot)],
    wildcardRules(rules),
    namespace,
  )
  const members = membersByService(services(snapshot))
  return members.size === 0 ? own : inheritedIn([ofWholeIn([members, own], namespace), own, usual], namespace)
})

const ofWholeIn = deriveFlatMap<
  [PersistentMap<PersistentMap<Service>>, PersistentMap<ClientPolicy>],
  [string],
  ClientPolicy
>('mesh/client-policies/namespace/members', (_, [members, policy]) =>
  policy ? [...(members?.keys() ?? [])].map((host) => [host, policy] as const) : [],
)

const inheritedIn = deriveMap<
  [PersistentMap<ClientPolicy>, PersistentMap<ClientPolicy>, PersistentMap<ClientPolicy>],
  [string],
  ClientPolicy
>('mesh/client-policies/namespace/inherited', (_, [whole, own, usual]) =>
  own?.sources.length || usual?.sources.length ? own : (whole ?? own),
)

/** What some clients alone go by, because the `workloadSelector` of DestinationRules of their namespace selects them. */
export interface SelectedPolicies {
  /** Those that select them; the same list for all whom the same rules select. */
  readonly rules: readonly DestinationRule[]
  /** By host: hosts that none of these is for are absent. */
  readonly policies: PersistentMap<ClientPolicy>
}

/** Undefined where none selects it. */
export function selectedClientPolicies(
  snapshot: Snapshot,
  { namespace, labels }: Pick<Workload, 'namespace' | 'labels'>,
): SelectedPolicies | undefined {
  const selecting = selectingRules(snapshot.all('networking.istio.io/DestinationRule')).get(namespace)
  if (!selecting) return undefined
  const matching = [...selecting].filter(([, { spec }]) => matchesLabels(spec?.workloadSelector?.matchLabels, labels))
  if (matching.length === 0) return undefined
  const rules = selection(...matching.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rule]) => rule))
  return { rules, policies: forSelected([services(snapshot)], rules, namespace) }
}

const selection = derive(
  'mesh/destination-rules/selection',
  (...rules: DestinationRule[]): readonly DestinationRule[] => rules,
)

const forSelected = deriveMap<[PersistentMap<Service>], [readonly DestinationRule[], string], ClientPolicy>(
  'mesh/client-policies/selected',
  (host, [service], rules, namespace) => {
    if (!service?.exportTo.some((to) => to === '*' || to === namespace)) return undefined
    const matching = rules.filter((rule) => hostMatches(ruleHost(rule), host))
    const [closest] = matching.map(ruleHost).sort(compareHosts)
    return closest === undefined ? undefined : merge(matching.filter((rule) => ruleHost(rule) === closest))
  },
)

const selectingRules = deriveIndex<DestinationRule>('mesh/destination-rules/selecting', (_, rule) =>
  isSelecting(rule) ? [rule.metadata.namespace ?? ''] : [],
)

/** Those without a `workloadSelector`. */
function rulesForAll(snapshot: Snapshot): Rules {
  const all = snapshot.all('networking.istio.io/DestinationRule')
  const forAll = selectingRules(all).size === 0 ? all : withoutSelecting([all])
  const byDefault = meshConfig(snapshot).exportTo.destinationRules
  return byDefault === EVERYONE ? forAll : exported([forAll], byDefault)
}

const exported = deriveMap<[Rules], [readonly string[]], DestinationRule>(
  'mesh/destination-rules/exported',
  (_, [rule], byDefault) =>
    rule?.spec && !rule.spec.exportTo?.length ? { ...rule, spec: { ...rule.spec, exportTo: byDefault } } : rule,
)

const withoutSelecting = deriveMap<[Rules], [], DestinationRule>('mesh/destination-rules/for-all', (_, [rule]) =>
  rule && !isSelecting(rule) ? rule : undefined,
)

function isSelecting({ spec }: DestinationRule): boolean {
  return Object.keys(spec?.workloadSelector?.matchLabels ?? {}).length > 0
}

type Rules = PersistentMap<DestinationRule>
const noServices = PersistentMap.empty<Service>()

const rulesByHost = deriveIndex<DestinationRule>('mesh/destination-rules/by-host', (_, rule) => [ruleHost(rule)])

/** Only wildcards: any change of these is a new table, and new policies for every service. */
const wildcardRules = (rules: Rules) => wildcardTable(onlyWildcards([rules]))

const onlyWildcards = deriveMap<[Rules], [], DestinationRule>('mesh/destination-rules/wildcards', (_, [rule]) =>
  rule && isWildcard(ruleHost(rule)) ? rule : undefined,
)

/** The longest host first, as the most specific one wins. */
type WildcardTable = readonly { readonly host: string; readonly rules: readonly DestinationRule[] }[]

const wildcardTable = derive(
  'mesh/destination-rules/wildcard-table',
  (rules: Rules): WildcardTable =>
    [...Map.groupBy(rules.values(), ruleHost)]
      .map(([host, rules]) => ({ host, rules }))
      .sort((a, b) => b.host.length - a.host.length || (a.host < b.host ? -1 : 1)),
)

/** By namespace whose clients may go by other rules than everyone: those it has for others' services, and those exported to it by name. */
const specialRules = deriveIndex<DestinationRule>('mesh/destination-rules/special', (_, rule) => {
  const { namespace = '' } = rule.metadata
  const to = exportedTo(rule.spec?.exportTo, namespace)
  if (!to.includes('*')) return new Set([namespace, ...to])
  const ordinary = serviceOfHost(ruleHost(rule))?.namespace === namespace || namespace === ROOT_NAMESPACE
  return ordinary ? [] : [namespace]
})

const forEveryone = deriveMap<
  [PersistentMap<Service>, PersistentMap<Rules>, PersistentMap<readonly BackendTls[]>],
  [WildcardTable],
  ClientPolicy
>(
  'mesh/client-policies',
  (_, [service, exact, tls], wildcards) =>
    service && withAffinity(service, withTls(resolve(service, exact, wildcards, undefined), tls)),
)

const forNamespace = deriveMap<
  [
    PersistentMap<Service>,
    PersistentMap<Service>,
    PersistentMap<Rules>,
    PersistentMap<ClientPolicy>,
    PersistentMap<readonly BackendTls[]>,
  ],
  [WildcardTable, string],
  ClientPolicy
>('mesh/client-policies/namespace', (_, [everyones, restricted, exact, usual, tls], wildcards, namespace) => {
  if (restricted)
    return withAffinity(restricted, withTls(resolve(restricted, exact, wildcards, namespace), tls)) ?? NO_CLIENT_POLICY
  if (!everyones) return undefined
  const policy = resolve(everyones, exact, wildcards, namespace)
  return policy && !haveSameRules(policy, usual) ? withAffinity(everyones, withTls(policy, tls)) : undefined
})

/** `sessionAffinity: ClientIP` of a Service, unless a rule says how its load is balanced: what comes from one address goes to one endpoint. */
function withAffinity({ host, resource }: Service, policy: ClientPolicy | undefined): ClientPolicy | undefined {
  const isAsked = isKind(resource, 'core/Service') && resource.spec?.sessionAffinity === 'ClientIP'
  if (!isAsked || memberOfHost(host) || policy?.trafficPolicy?.loadBalancer) return policy
  const trafficPolicy = { ...policy?.trafficPolicy, loadBalancer: BY_SOURCE_ADDRESS }
  return { ...(policy ?? NO_CLIENT_POLICY), trafficPolicy }
}

const BY_SOURCE_ADDRESS = { consistentHash: { useSourceIp: true, maglev: {} } }

function withTls(policy: ClientPolicy | undefined, backendTls: readonly BackendTls[] | undefined) {
  return backendTls ? { ...(policy ?? NO_CLIENT_POLICY), backendTls } : policy
}

/** By name: `usual` may have kept an object that was since replaced by an equal one. */
function haveSameRules(policy: ClientPolicy, usual: ClientPolicy | undefined): boolean {
  if (policy.sources.length !== usual?.sources.length) return false
  return policy.sources.every((rule, i) => keyOf(rule) === keyOf(usual.sources[i] ?? rule))
}

/**
 * The rule that clients in a namespace go by, `undefined` for clients anywhere: looked up in the client's namespace, the
 * service's, the root namespace; in each the most specific host wins. See "DestinationRule" and "Configuration scoping" in
 * Istio's documentation.
 */
function resolve(
  service: Service,
  exact: Rules | undefined,
  wildcards: WildcardTable,
  client: string | undefined,
): ClientPolicy | undefined {
  const candidates: readonly (readonly DestinationRule[])[] = [
    [...(exact?.values() ?? [])],
    ...wildcards.filter(({ host }) => hostMatches(host, service.host)).map(({ rules }) => rules),
  ]
  const isVisible = (rule: DestinationRule) => {
    const to = exportedTo(rule.spec?.exportTo, rule.metadata.namespace ?? '')
    return to.includes('*') || (client !== undefined && to.includes(client))
  }
  // Rules of the root namespace that are for everyone come last even for its own clients; only its private ones come first.
  const isOwn = (rule: DestinationRule) =>
    rule.metadata.namespace === client &&
    (client !== ROOT_NAMESPACE || !exportedTo(rule.spec?.exportTo, client).includes('*'))
  const stages: ((rule: DestinationRule) => boolean)[] = [
    isOwn,
    (rule) => rule.metadata.namespace === service.namespace && isVisible(rule),
    (rule) => rule.metadata.namespace === ROOT_NAMESPACE && isVisible(rule),
  ]
  for (const stage of client === undefined ? stages.slice(1) : stages) {
    for (const sameHost of candidates) {
      const rules = sameHost.filter(stage)
      if (rules.length > 0) return merge(rules)
    }
  }
  return undefined
}

/** Several rules of one namespace for one host: the oldest traffic policy counts, subsets add up, the oldest of one name counts. */
function merge(rules: readonly DestinationRule[]): ClientPolicy {
  const sources = [...rules].sort(byAge)
  const trafficPolicy = sources.find(({ spec }) => spec?.trafficPolicy)?.spec?.trafficPolicy
  const subsets = new Map<string, Subset>()
  for (const { spec } of sources)
    for (const subset of spec?.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset)
  return { ...(trafficPolicy ? { trafficPolicy } : {}), subsets: [...subsets.values()], sources }
}

function ruleHost(rule: DestinationRule): string {
  return resolveHost(rule.spec?.host ?? '', rule.metadata.namespace ?? '')
}
