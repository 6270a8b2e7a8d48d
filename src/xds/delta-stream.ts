import { type EncodedResource, type ProxyResources, RESOURCE_TYPES, TYPE_URLS } from '../translate/encoded-resource.ts'
import { nameSet, type Part, resourcesOf } from './first-answer.ts'
import { type Layers, sameLayers } from './layers.ts'
import { withoutNewcomers } from './newcomers.ts'
import type { Answers } from './protocol.ts'
import type { DeltaRequest } from './request.ts'
import { DEFAULT_WAITS, SendOrder, type Subscriptions, type Waits } from './send-order.ts'
import { type TypeStatus, typeStatus } from './status.ts'
import { type Difference, type Held, Subscription } from './subscription.ts'
import { groupsToTry } from './suspects.ts'

/** One DeltaDiscoveryResponse: either resources that were added or changed, or names that are gone. */
export interface Push {
  readonly url: string
  readonly nonce: string
  readonly resources: readonly EncodedResource[]
  /** The resources in pieces that other streams are sent, too; absent where there are none of that kind. */
  readonly parts?: readonly Part[]
  readonly removed: readonly string[]
}

/** What happens on a stream that others want to know. */
export interface StreamEvents {
  /** The proxy refuses this resource, sent by itself; it keeps what it had. Once for each version. */
  rejected(resource: EncodedResource, error: string, held: Held): void
  /** What a proxy is to have that refuses this one and holds nothing. */
  insteadOf?(resource: EncodedResource): EncodedResource | undefined
  /** A resource of this name had been refused, and no longer is: a newer one was taken, or it went, or what the proxy has is right again. */
  recovered(url: string, name: string): void
  /** A response was taken or refused as a whole. */
  answered?(url: string, taken: boolean): void
}

/**
 * One delta xDS stream as a state machine without I/O and clock. It is level-triggered: nothing is queued, and each call of `next`
 * gives the newest difference between what the proxy holds and what it should, in an order that never breaks traffic. Of each type
 * one response is in flight at a time. Times are milliseconds of any clock that only goes forward.
 */
export class DeltaStream {
  readonly #byUrl = new Map<string, Subscription>()
  /** The same, in the order in which they are looked at. */
  readonly #all: Subscription[] = []
  readonly #subscriptions: Subscriptions
  readonly #events: StreamEvents
  readonly #order: SendOrder
  /** The last target; undefined until there is one: a proxy that we do not know yet waits. */
  #resources: ProxyResources | undefined
  #nonce = 0

  constructor(events: StreamEvents, waits: Waits = DEFAULT_WAITS) {
    this.#events = events
    this.#subscriptions = Object.fromEntries(
      RESOURCE_TYPES.map((type) => [type, this.#subscription(TYPE_URLS[type])]),
    ) as unknown as Subscriptions
    this.#order = new SendOrder(this.#subscriptions, waits)
  }

  /** Every type that the proxy asked for. */
  get subscriptions(): readonly Subscription[] {
    return this.#all.filter((subscription) => subscription.asked)
  }

  types(answers: (url: string) => Answers): TypeStatus[] {
    return this.subscriptions.map((subscription) => {
      const { counts, lastAck } = answers(subscription.url)
      return typeStatus(subscription, counts, lastAck)
    })
  }

  /** When to call `next` again though nothing came, as a wait ends; infinite if none does. Of the last call of `next`. */
  get wakeAt(): number {
    return this.#order.wakeAt
  }

  /** From now on the proxy should hold what it asks for of these. */
  retarget(resources: ProxyResources): void {
    const before = this.#resources
    this.#resources = resources
    if (before === resources) return
    for (const type of RESOURCE_TYPES) {
      const layers = resources[type] ?? NO_LAYERS
      if (!before || !sameLayers(before[type] ?? NO_LAYERS, layers)) this.#subscriptions[type].retarget(layers)
    }
  }

  /** Takes in what the proxy says: its answer to a response, and what it wants. */
  request(request: DeltaRequest): void {
    const subscription = this.#byUrl.get(request.typeUrl) ?? this.#subscription(request.typeUrl)
    // An answer to anything but the response in flight is one that we stopped caring about.
    if (subscription.inFlight && request.responseNonce === subscription.inFlight.nonce) {
      this.#events.answered?.(subscription.url, !request.errorDetail)
      if (request.errorDetail) this.#refused(subscription, request.errorDetail.message)
      else this.#accepted(subscription)
    }
    const first = !subscription.asked
    subscription.asked = true
    if (first && this.#begin(subscription, request)) return
    const names = request.resourceNamesSubscribe
    const versions = first ? request.initialResourceVersions : {}
    // A first request without names asks for everything, of the types for which that makes sense.
    if (first && names.length === 0 && LISTED_WHOLE.has(subscription.url)) subscription.subscribeAll(versions)
    subscription.subscribe(names, versions)
    subscription.unsubscribe(request.resourceNamesUnsubscribe)
  }

  /** A proxy that holds nothing begins with what hundreds of others begin with. Whether this is one. */
  #begin(subscription: Subscription, request: DeltaRequest): boolean {
    const names = request.resourceNamesSubscribe
    if (request.resourceNamesUnsubscribe.length > 0 || subscription.differences.size > 0) return false
    for (const _ in request.initialResourceVersions) return false
    const everything = names.length === 0 ? LISTED_WHOLE.has(subscription.url) : names.length === 1 && names[0] === '*'
    if (!everything && (names.length === 0 || names.includes('*'))) return false
    subscription.begin(everything ? undefined : nameSet(names))
    return true
  }

  #accepted(subscription: Subscription): void {
    const first = subscription.inFlight?.first
    const names = subscription.accepted()
    if (first) this.#order.firstTaken(subscription, first)
    else for (const name of names) this.#order.answered(subscription, name)
  }

  /** The next response to send, if one is due now. Counts as sent. */
  next(now: number): Push | undefined {
    this.#order.at(now)
    if (!this.#resources) return undefined
    let pending: Subscription[] | undefined
    for (const subscription of this.#all)
      if (subscription.isPending) {
        pending ??= []
        pending.push(subscription)
      }
    return pending && this.#nextOf(pending)
  }

  #nextOf(ready: Subscription[]): Push | undefined {
    for (const subscription of ready) {
      const push = this.#additions(subscription)
      if (push) return push
    }
    for (const subscription of ready) {
      const push = this.#absences(subscription)
      if (push) return push
    }
    // The routes let go first.
    for (const subscription of ready.reverse()) {
      const push = this.#removals(subscription)
      if (push) return push
    }
    return undefined
  }

  #subscription(url: string): Subscription {
    const type = RESOURCE_TYPES.find((known) => TYPE_URLS[known] === url)
    const subscription = new Subscription(url, type, (name) => this.#events.recovered(url, name))
    this.#byUrl.set(url, subscription)
    this.#all.push(subscription)
    return subscription
  }

  #additions(subscription: Subscription): Push | undefined {
    if (subscription.untold) {
      const push = this.#first(subscription)
      if (push) return push
      subscription.tellEach()
    }
    for (let group = subscription.apart.shift(); group; group = subscription.apart.shift()) {
      const differences = group.flatMap((name) => subscription.differences.get(name) ?? [])
      const { sendable } = this.#addable(subscription, differences)
      if (sendable.length > 0) return this.#send(subscription, sendable)
    }
    if (subscription.differences.size === 0 && !subscription.greeting) return undefined
    const { sendable, waiting } = this.#addable(subscription, subscription.differences.values())
    // The first answer to a wildcard is taken for everything there is.
    if (subscription.greeting ? waiting : sendable.length === 0) return undefined
    return this.#send(subscription, sendable)
  }

  /** The first answer, where all of it may go now. */
  #first(subscription: Subscription): Push | undefined {
    const first = subscription.firstAnswer()
    const { parts } = first
    if (parts.length === 0 && !subscription.greeting) return undefined
    if (!parts.every(({ sound }) => sound) || !this.#order.allAtOnce(subscription, first)) return undefined
    this.#nonce += 1
    const nonce = this.#nonce.toString(36)
    subscription.told(nonce, first)
    this.#order.firstSent(subscription, first)
    return {
      url: subscription.url,
      nonce,
      parts,
      removed: [],
      get resources() {
        return resourcesOf(first)
      },
    }
  }

  #addable(subscription: Subscription, differences: Iterable<Difference>) {
    const sendable: Sendable[] = []
    let waiting = false
    for (const difference of differences) {
      const wanted = difference.target
      if (!wanted || difference.sent !== undefined) continue
      if (wanted.problem !== undefined && !difference.instead) {
        if (difference.rejection?.version !== wanted.version)
          this.#rejected(subscription, difference, wanted, wanted.problem)
        // There will be no answer, so nothing waits for it either.
        difference.owed = false
      }
      const target = difference.instead ?? forNow(difference, wanted)
      if (target.problem !== undefined) continue
      const verdict = this.#order.addition(subscription, difference, target)
      if (verdict === 'send') sendable.push([difference, target])
      else if (verdict === 'wait') waiting = true
    }
    return { sendable, waiting }
  }

  /** Names that the proxy asked for and that do not exist: told at once, so that it does not wait for them. */
  #absences(subscription: Subscription): Push | undefined {
    const absent: Sendable[] = []
    for (const difference of subscription.differences.values()) {
      const { target, owed, held, perhaps } = difference
      if (owed && held === undefined && !perhaps && !target) absent.push([difference, null])
    }
    return absent.length > 0 ? this.#send(subscription, absent) : undefined
  }

  #removals(subscription: Subscription): Push | undefined {
    const removable: Sendable[] = []
    for (const difference of subscription.differences.values()) {
      if (difference.sent !== undefined || difference.target) difference.unneededSince = undefined
      else if (this.#order.removal(subscription, difference) === 'send') removable.push([difference, null])
    }
    return removable.length > 0 ? this.#send(subscription, removable) : undefined
  }

  #send(subscription: Subscription, sendable: readonly Sendable[]): Push {
    const resources: EncodedResource[] = []
    const removed: string[] = []
    for (const [difference, resource] of sendable) {
      difference.sent = resource
      difference.owed = false
      difference.newcomersLast = false
      this.#order.sent(subscription, difference)
      if (resource) resources.push(resource)
      else removed.push(difference.name)
    }
    this.#nonce += 1
    const nonce = this.#nonce.toString(36)
    subscription.greeting = false
    subscription.inFlight = { nonce, names: sendable.map(([difference]) => difference.name) }
    return { url: subscription.url, nonce, resources, removed }
  }

  #refused(subscription: Subscription, error: string): void {
    if (subscription.inFlight?.first) this.#order.firstRefused()
    const { refused, alone } = subscription.refused()
    const additions = refused.filter((difference) => difference.sent !== null)
    const [only] = additions
    if (only?.sent && alone) this.#rejected(subscription, only, only.sent, error)
    else if (only) {
      for (const difference of additions) {
        difference.perhaps = difference.sent ?? undefined
        difference.sent = undefined
      }
      const names = additions.map((difference) => difference.name)
      subscription.apart.unshift(...groupsToTry(names, error))
    }
    // A removal can't be refused in any way that we could act upon.
    for (const difference of refused) {
      if (difference.sent !== null) continue
      difference.sent = undefined
      difference.held = undefined
      this.#order.answered(subscription, difference.name)
      subscription.settle(difference.name)
    }
  }

  #rejected(subscription: Subscription, difference: Difference, resource: EncodedResource, error: string): void {
    const { held, instead, rejection } = difference
    difference.sent = undefined
    difference.perhaps = undefined
    difference.instead = undefined
    this.#order.answered(subscription, difference.name)
    if (resource === instead) return
    difference.rejection = { version: resource.version, error }
    if (rejection?.version !== resource.version) this.#events.rejected(resource, error, held)
    if (held === undefined) difference.instead = this.#events.insteadOf?.(resource)
    subscription.settle(difference.name)
  }
}

/** What goes first on the way to what is wanted. */
function forNow({ held, newcomersLast }: Difference, wanted: EncodedResource): EncodedResource {
  return (newcomersLast && typeof held === 'object' && withoutNewcomers(held, wanted)) || wanted
}

const NO_LAYERS: Layers = []

type Sendable = readonly [Difference, EncodedResource | null]

/** Types whose subscription by a first request without names means all of them; the others are asked for by name only. */
const LISTED_WHOLE: ReadonlySet<string> = new Set([TYPE_URLS.cluster, TYPE_URLS.listener, TYPE_URLS.scopedRoutes])
