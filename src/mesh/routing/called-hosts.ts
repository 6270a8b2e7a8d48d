import { compareHosts, hostMatches, isWildcard } from '../../resources/host.ts'
import type { HttpRetry } from '../../resources/istio.ts'
import { derive, deriveMap, perReads } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { ClientPolicy } from '../destination-rules.ts'
import { meshConfig } from '../mesh-config.ts'
import type { Service } from '../model.ts'
import { services } from '../services.ts'
import { type ApiRoute, type ApiRoutes, serviceConnectionRoutes, serviceRoutes } from './api-routes.ts'
import { ownHashingPolicies, routingPolicies, type Targets } from './targets.ts'
import { meshRules, ruleFor, type VirtualServiceRule, type VirtualServiceRules } from './virtual-service-rules.ts'
import { dependsOnClient, isVisible } from './virtual-services.ts'

/** A host that workloads call, with all that decides how calls to it are routed. */
export interface CalledHost {
  /** May be a wildcard. */
  readonly host: string
  /** Its own, or that of a wildcard that it matches; absent where only a VirtualService knows the host. */
  readonly service?: Service
  /** Its own client policy, if that concerns routes. */
  readonly policy?: ClientPolicy
  /** VirtualServices that claim it: first those that name it, then those of matching wildcards, from the most specific. */
  readonly claims: readonly VirtualServiceRules[]
  /** HTTPRoutes and GRPCRoutes that have it as their parent. */
  readonly routes: ApiRoutes
  /** TCPRoutes and TLSRoutes that have it as their parent. */
  readonly connectionRoutes: ApiRoutes
  /** How requests for which there is no route are tried again, where the mesh config says it. */
  readonly retries?: HttpRetry
}

/** Every host that workloads call, by host. */
export const calledHosts = perReads((snapshot): PersistentMap<CalledHost> => {
  const all = services(snapshot)
  const rules = meshRules(snapshot)
  const wildcards = [wildcardRules([rules]), wildcardServices([all])] as const
  const routes = [serviceRoutes(snapshot), serviceConnectionRoutes(snapshot)] as const
  return called([all, rules, ...routes, routingPolicies(snapshot)], ...wildcards, meshConfig(snapshot).retries)
})

/**
 * Hosts for which clients of a namespace have a policy of their own that asks for consistent hashing, with that policy. (Seldom any: what others
 * say of a service is said in its namespace.)
 */
export function ownHashedHosts(snapshot: Snapshot, namespace: string): PersistentMap<CalledHost> {
  const policies = ownHashingPolicies(snapshot, namespace)
  return policies.size === 0 ? NO_HOSTS : ownHashed([calledHosts(snapshot), policies], namespace)
}

/** The VirtualService by which calls from `namespace` go (calls of clients who see only what everybody sees, where none is given). */
export function claimFor({ claims }: CalledHost, namespace: string | undefined): VirtualServiceRule | undefined {
  for (const rules of claims) {
    const rule = ruleFor(rules, namespace)
    if (rule) return rule
  }
  return undefined
}

/**
 * Of the routes of a host (`routes` or `connectionRoutes`) those by which calls from `namespace` go. Routes of the service's own namespace are for everybody; those of another are for clients
 * there, who have no others then (producer and consumer routes, in Gateway API's GEP-1294).
 */
export function routesFor(routes: ApiRoutes, service: Service | undefined, namespace: string | undefined): ApiRoutes {
  const own = namespace === service?.namespace ? undefined : namespace
  const consumers = own === undefined ? NO_ROUTES : ofNamespace(routes, own)
  return consumers.size > 0 ? consumers : ofNamespace(routes, service?.namespace ?? '')
}

/** Whether calls to it may be routed otherwise for some clients than for others. */
export function differsByClient({ service, claims, routes }: CalledHost): boolean {
  if (service && !service.exportTo.includes('*')) return true
  if ([...routes.values()].some(({ resource }) => resource.metadata.namespace !== service?.namespace)) return true
  return claims.some((rules) =>
    [...rules.values()].some(
      ({ virtualService }) => !isVisible(virtualService, undefined) || dependsOnClient(virtualService),
    ),
  )
}

const NO_HOSTS = PersistentMap.empty<CalledHost>()
const NO_ROUTES = PersistentMap.empty<ApiRoute>()

const wildcardServices = deriveMap<[PersistentMap<Service>], [], Service>(
  'mesh/called-hosts/wildcard-services',
  (host, [service]) => (isWildcard(host) ? service : undefined),
)

const wildcardRules = deriveMap<[PersistentMap<VirtualServiceRules>], [], VirtualServiceRules>(
  'mesh/called-hosts/wildcard-rules',
  (host, [rules]) => (isWildcard(host) ? rules : undefined),
)

const called = deriveMap<
  [
    PersistentMap<Service>,
    PersistentMap<VirtualServiceRules>,
    PersistentMap<ApiRoutes>,
    PersistentMap<ApiRoutes>,
    PersistentMap<ClientPolicy>,
  ],
  [PersistentMap<VirtualServiceRules>, PersistentMap<Service>, HttpRetry | undefined],
  CalledHost
>(
  'mesh/called-hosts',
  (
    host,
    [own, rules, routes = NO_ROUTES, connectionRoutes = NO_ROUTES, policy],
    wildcardRules,
    wildcardServices,
    retries,
  ) => {
    // A policy alone is for a host that nobody calls.
    if (!own && !rules) return undefined
    const matches = ([wildcard]: readonly [string, unknown]) => wildcard !== host && hostMatches(wildcard, host)
    const inherited = sortedByHost(wildcardRules).filter(matches)
    const service = own ?? sortedByHost(wildcardServices).find(matches)?.[1]
    return {
      host,
      ...(service ? { service } : {}),
      ...(policy ? { policy } : {}),
      ...(retries ? { retries } : {}),
      claims: [...(rules ? [rules] : []), ...inherited.map(([, rules]) => rules)],
      routes,
      connectionRoutes,
    }
  },
)

const sortedByHost = derive('mesh/called-hosts/sorted', <V>(map: PersistentMap<V>): readonly (readonly [string, V])[] =>
  [...map].sort(([a], [b]) => compareHosts(a, b)),
) as <V>(map: PersistentMap<V>) => readonly (readonly [string, V])[]

const ofNamespace = derive(
  'mesh/called-hosts/routes-of-namespace',
  (routes: ApiRoutes, namespace: string): ApiRoutes => {
    let own = routes
    for (const [key, { resource }] of routes) if (resource.metadata.namespace !== namespace) own = own.delete(key)
    return own
  },
)

const ownHashed = deriveMap<[PersistentMap<CalledHost>, PersistentMap<ClientPolicy>], [string], CalledHost>(
  'mesh/called-hosts/own-hashed',
  (_, [called, policy]) => called && policy && withPolicy(called, policy),
)

function withPolicy(called: CalledHost, policy: ClientPolicy): CalledHost {
  const amended = <R extends { readonly targets: Targets }>(rules: PersistentMap<R>) => {
    let result = rules
    for (const [key, rule] of rules) {
      const targets = { ...rule.targets, policies: rule.targets.policies.set(called.host, policy) }
      result = result.set(key, { ...rule, targets })
    }
    return result
  }
  return { ...called, policy, claims: called.claims.map(amended), routes: amended(called.routes) }
}
