import { derive } from '../store/derive.ts'
import type { EncodedResource, ResourceType } from '../translate/encoded-resource.ts'
import type { FirstAnswer, Part } from './first-answer.ts'
import { type Layers, lookup } from './layers.ts'
import { clustersOf, routesOf } from './references.ts'
import { type Difference, type Subscription, versionOf } from './subscription.ts'

/** How long a stream waits for what it cannot see, in milliseconds. */
export interface Waits {
  /** For a new cluster's endpoints to be asked for and taken, before routes may use it all the same. */
  readonly warmMs: number
  /** After the last route to a cluster went, before the cluster does: requests on their way still retry on it. */
  readonly drainMs: number
}

export const DEFAULT_WAITS: Waits = { warmMs: 5_000, drainMs: 10_000 }

/**
 * `send`: now. `wait`: something that comes before it is on its way. `hold`: not before a configuration changes, as this or what
 * it needs was refused.
 */
export type Verdict = 'send' | 'wait' | 'hold'

/** Every type of one stream, whether the proxy asked for it or not. */
export type Subscriptions = Readonly<Record<ResourceType, Subscription>>

/**
 * Which resources may go now, so that a proxy never has a route to a cluster that it does not have: make before break. What is added goes
 * clusters, endpoints, listeners and scopes, routes; what goes, goes when nothing that the proxy runs needs it any more.
 */
export class SendOrder {
  readonly #subscriptions: Subscriptions
  readonly #waits: Waits
  /** New clusters whose endpoints the proxy does not have yet, and since when they wait. */
  readonly #warming = new Map<string, number>()
  /** The same, for all clusters of a first answer together. */
  #warmingFirst: { readonly clusters: FirstAnswer; readonly since: number } | undefined
  #now = 0
  #wakeAt = Number.POSITIVE_INFINITY
  #making: boolean | undefined
  #inUse: ReadonlySet<string> | 'unknown' | undefined

  constructor(subscriptions: Subscriptions, waits: Waits) {
    this.#subscriptions = subscriptions
    this.#waits = waits
  }

  /** Begins a round of questions at this time. */
  at(now: number): void {
    this.#now = now
    this.#wakeAt = Number.POSITIVE_INFINITY
    this.#making = undefined
    this.#inUse = undefined
  }

  /** When, judging by this round's answers, a wait ends by itself; infinite if none does. */
  get wakeAt(): number {
    return this.#wakeAt
  }

  /** Whether a resource may be added or updated. */
  addition(subscription: Subscription, difference: Difference, target: EncodedResource): Verdict {
    if (difference.rejection?.version === target.version && !difference.owed && !difference.perhaps) return 'hold'
    switch (subscription.type) {
      case 'endpoints':
        return this.#clusterGoesFirst(target.name) ? 'wait' : 'send'
      case 'extension':
      case 'listener':
      case 'routes':
        return this.#clustersReady(target, difference)
      case 'scopedRoutes':
        return this.#scopeReady(target, difference)
      default:
        return 'send'
    }
  }

  /** Whether something that the proxy holds, and should not, may be removed. */
  removal(subscription: Subscription, difference: Difference): Verdict {
    switch (subscription.type) {
      case 'listener':
      case 'scopedRoutes':
        return this.#somethingComes() ? 'wait' : 'send'
      case 'routes':
        return this.#unneeded(difference, !this.#somethingComes() && !this.#entranceGoes())
      case 'cluster':
        return this.#unneeded(difference, !this.#somethingComes() && !this.#usesCluster(difference.name))
      case 'endpoints':
        return this.#unneeded(difference, !this.#subscriptions.cluster.differences.has(difference.name))
      default:
        return 'send'
    }
  }

  /** To be told of everything sent: a new cluster is not ready before its endpoints are there. */
  sent(subscription: Subscription, { name, held, sent }: Difference): void {
    const { cluster, endpoints } = this.#subscriptions
    if (subscription !== cluster || !sent || !endpoints.existing(name)) return
    if (held === undefined) this.#warming.set(name, this.#now)
    // Envoy waits for endpoints after each update of a cluster, and does not ask for those that its last version has.
    endpoints.owe(name, held !== undefined)
  }

  /** Whether all of a first answer may go now, without a look at each. */
  allAtOnce(subscription: Subscription, first: FirstAnswer): boolean {
    const { cluster, endpoints, routes } = this.#subscriptions
    switch (subscription.type) {
      case 'cluster':
        return !endpoints.asked
      case 'endpoints':
        return !cluster.untold && cluster.differences.size === 0
      case 'extension':
      case 'listener':
      case 'routes':
        return this.#allReady()
      case 'scopedRoutes':
        return this.#allReady() && first.parts.every((part) => allRouted(part, ...routes.layers))
      default:
        return true
    }
  }

  /** To be told of a first answer sent: see `sent`. */
  firstSent(subscription: Subscription, first: FirstAnswer): void {
    const { cluster, endpoints } = this.#subscriptions
    if (subscription !== cluster) return
    this.#warmingFirst = { clusters: first, since: this.#now }
    endpoints.oweFirst()
  }

  /** To be told of a first answer that the proxy took. */
  firstTaken(subscription: Subscription, first: FirstAnswer): void {
    const { endpoints } = this.#subscriptions
    if (subscription !== endpoints) return
    for (const name of [...this.#warming.keys()]) if (!this.#lacksEndpoints(name)) this.#warming.delete(name)
    const { clusters, since = 0 } = this.#warmingFirst ?? {}
    this.#warmingFirst = undefined
    if (!clusters) return
    const unasked = clusters.parts.flatMap((part) => notAmong(part, ...first.parts))
    const askedAnew = [...endpoints.differences.keys()].filter(
      (name) => lookup(clusters.layers, name) && this.#lacksEndpoints(name),
    )
    for (const name of [...unasked, ...askedAnew]) if (endpoints.existing(name)) this.#warming.set(name, since)
  }

  /** To be told of a first answer that was refused. */
  firstRefused(): void {
    this.#countEach()
  }

  /** From now on clusters of a first answer warm one by one. */
  #countEach(): void {
    const { clusters, since = 0 } = this.#warmingFirst ?? {}
    this.#warmingFirst = undefined
    for (const { resources } of clusters?.parts ?? [])
      for (const { name } of resources) if (this.#subscriptions.endpoints.existing(name)) this.#warming.set(name, since)
  }

  /** To be told of what the proxy took or finally refused. */
  answered(subscription: Subscription, name: string): void {
    const { cluster, endpoints } = this.#subscriptions
    const warm = subscription === endpoints && !this.#lacksEndpoints(name)
    if (!warm && (subscription !== cluster || cluster.held(name))) return
    this.#countEach()
    this.#warming.delete(name)
  }

  /** Whether a cluster waits for endpoints: an answer about them is due, or the proxy has yet to ask for them. */
  #lacksEndpoints(name: string): boolean {
    const { endpoints } = this.#subscriptions
    return endpoints.differences.get(name)?.owed === true || !endpoints.wants(name)
  }

  #clusterGoesFirst(name: string): boolean {
    const { cluster } = this.#subscriptions
    if (cluster.untold) return cluster.target(name) !== undefined
    const difference = cluster.differences.get(name)
    if (!difference?.target || difference.sent !== undefined) return false
    const { target, held, rejection } = difference
    return versionOf(held) !== target.version && rejection?.version !== target.version
  }

  #clustersReady(resource: EncodedResource, difference: Difference): Verdict {
    if (this.#allReady()) return 'send'
    let refused = false
    let waiting = false
    for (const name of clustersOf(resource)) {
      const state = this.#cluster(name)
      refused ||= state === 'refused'
      waiting ||= state === 'coming'
    }
    if (waiting) return 'wait'
    // What works stays as it is; where nothing works yet, the rest of the routes is better than none.
    return refused && difference.held !== undefined ? 'hold' : 'send'
  }

  /** Whether there is no cluster to wait for: most of the time, and then nobody needs to look at thousands of routes. */
  #allReady(): boolean {
    const { cluster, endpoints } = this.#subscriptions
    const settled = cluster.differences.size === 0 && endpoints.differences.size === 0 && this.#warming.size === 0
    return settled && !cluster.beginning && !endpoints.beginning && !this.#warmingFirst
  }

  #cluster(name: string): 'ready' | 'coming' | 'refused' {
    const { cluster, endpoints } = this.#subscriptions
    const target = cluster.target(name)
    // Not ours to wait for: a cluster of the bootstrap, or one that does not exist, which analysis tells.
    if (!target) return 'ready'
    const difference = cluster.differences.get(name)
    if (difference?.sent === null) return 'coming'
    if (!difference && cluster.beginning) return 'coming'
    if (difference && difference.held === undefined)
      return difference.rejection?.version === target.version ? 'refused' : 'coming'
    if (!endpoints.existing(name)) return 'ready'
    const asked = endpoints.differences.get(name)
    // A proxy that came back in the middle of it.
    const lacks = asked
      ? asked.held === undefined && asked.rejection === undefined
      : endpoints.beginning && endpoints.wants(name)
    if (lacks && this.#warmingSince(name) === undefined) this.#warming.set(name, this.#now)
    const since = this.#warmingSince(name)
    return since === undefined || this.#elapsed(since, this.#waits.warmMs) ? 'ready' : 'coming'
  }

  #warmingSince(name: string): number | undefined {
    const { clusters, since } = this.#warmingFirst ?? {}
    return this.#warming.get(name) ?? (clusters && lookup(clusters.layers, name) ? since : undefined)
  }

  /** A scope without its routes answers 404, so they have to be ready to follow it at once. */
  #scopeReady(scope: EncodedResource, difference: Difference): Verdict {
    const name = routesOf(scope)
    if (name === undefined) return 'send'
    const routes = this.#subscriptions.routes.existing(name)
    return routes ? this.#clustersReady(routes, difference) : 'hold'
  }

  /** Whether anything about listeners, scopes and routes is going to be added, or is on its way. */
  #somethingComes(): boolean {
    const { extension, listener, scopedRoutes, routes } = this.#subscriptions
    const beginning = [extension, listener, scopedRoutes, routes].some((subscription) => subscription.beginning)
    this.#making ??=
      beginning ||
      this.#entrances().some(({ subscription, difference }) => {
        if (difference.sent !== undefined) return true
        const { target } = difference
        return target !== undefined && this.addition(subscription, difference, target) !== 'hold'
      })
    return this.#making
  }

  /** Whether a listener or scope that may refer to a route configuration is still to be removed. */
  #entranceGoes(): boolean {
    return this.#entrances().some(
      ({ subscription: { type }, difference }) =>
        (type === 'listener' || type === 'scopedRoutes') && !difference.target,
    )
  }

  #entrances(): { readonly subscription: Subscription; readonly difference: Difference }[] {
    const { extension, listener, scopedRoutes, routes } = this.#subscriptions
    return [extension, listener, scopedRoutes, routes].flatMap((subscription) =>
      Array.from(subscription.differences.values(), (difference) => ({ subscription, difference })),
    )
  }

  /** Whether a route or listener that the proxy holds, or may hold, sends to this cluster, though it should not any more. */
  #usesCluster(name: string): boolean {
    this.#inUse ??= this.#clustersInUse()
    return this.#inUse === 'unknown' || this.#inUse.has(name)
  }

  #clustersInUse(): ReadonlySet<string> | 'unknown' {
    const inUse = new Set<string>()
    for (const { subscription, difference } of this.#entrances()) {
      if (subscription.type === 'scopedRoutes') continue
      for (const version of [difference.held, difference.sent, difference.perhaps]) {
        if (typeof version === 'string') return 'unknown'
        if (version) for (const cluster of clustersOf(version)) inUse.add(cluster)
      }
    }
    return inUse
  }

  #unneeded(difference: Difference, unneeded: boolean): Verdict {
    if (!unneeded) {
      difference.unneededSince = undefined
      return 'wait'
    }
    difference.unneededSince ??= this.#now
    return this.#elapsed(difference.unneededSince, this.#waits.drainMs) ? 'send' : 'wait'
  }

  #elapsed(since: number, waitMs: number): boolean {
    const end = since + waitMs
    if (this.#now >= end) return true
    this.#wakeAt = Math.min(this.#wakeAt, end)
    return false
  }
}

/** Whether every scope of a part has its routes. */
const allRouted = derive('xds/routed', (part: Part, ...routes: Layers): boolean =>
  part.resources.every((scope) => {
    const name = routesOf(scope)
    return name === undefined || lookup(routes, name) !== undefined
  }),
)

/** Which names of a part are in none of the others. */
const notAmong = derive('xds/not-among', (part: Part, ...others: Part[]): readonly string[] =>
  part.resources
    .map(({ name }) => name)
    .filter((name) => !others.some(({ layer, names }) => layer.has(name) && (!names || names.has(name)))),
)
