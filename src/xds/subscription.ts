import type { EncodedResource, ResourceType } from '../translate/encoded-resource.ts'
import { allResources, differingNames, type Layers, lookup } from './layers.ts'

/** What a proxy holds of a resource: what we sent it, or only the version that it named when it came back, or nothing. */
export type Held = EncodedResource | string | undefined

/** A version of a resource that the proxy refused by itself: not sent again until it changes. */
export interface Rejection {
  readonly version: string
  /** The proxy's own words. */
  readonly error: string
}

/** A resource of which the proxy does not hold what it should, or of which we do not know yet that it does. */
export interface Difference {
  readonly name: string
  /** What the proxy should hold; undefined for nothing. */
  target: EncodedResource | undefined
  held: Held
  /** Sent and not answered: a resource, or null for its removal. */
  sent: EncodedResource | null | undefined
  /** Was in a response that was refused because of another resource: the proxy may or may not run it. */
  perhaps: EncodedResource | undefined
  /** The proxy asked for it anew: it gets an answer even if nothing differs. */
  owed: boolean
  rejection: Rejection | undefined
  /** Since when nothing that the proxy holds needs it any more, in milliseconds; only for what it should let go. */
  unneededSince: number | undefined
}

interface InFlight {
  readonly nonce: string
  readonly names: readonly string[]
}

/** The name that subscribes to everything of a type. */
const WILDCARD = '*'

/**
 * One type on one stream: what the proxy asked for, and how what it holds differs from what it should. Nothing is kept for
 * resources that do not differ, so a stream that is in sync costs only its names, and a change costs what changed.
 */
export class Subscription {
  readonly url: string
  /** Undefined for a type that we do not serve; then nothing ever exists. */
  readonly type: ResourceType | undefined
  wildcard = false
  readonly names = new Set<string>()
  readonly differences = new Map<string, Difference>()
  inFlight: InFlight | undefined
  /** The first answer to a wildcard is due even if it is empty: the proxy waits for it. */
  greeting = false
  /** After a refusal: names to be sent apart from each other, to find out which is at fault. */
  apart: (readonly string[])[] = []
  /** Names that get an answer as soon as they are asked for, whatever version the proxy says it holds. */
  readonly #dueWhenAsked = new Set<string>()
  readonly #recovered: (name: string) => void
  #layers: Layers = []
  /** How many of the names exist. */
  #found = 0

  /** `recovered` is told when a resource that had been refused no longer is: taken, gone or back to what it was. */
  constructor(url: string, type: ResourceType | undefined, recovered: (name: string) => void) {
    this.url = url
    this.type = type
    this.#recovered = recovered
  }

  get layers(): Layers {
    return this.#layers
  }

  /** Whether the proxy asked for this type on this stream. */
  asked = false

  /** How many resources the proxy should hold. */
  get size(): number {
    return this.wildcard ? this.#layers.reduce((sum, layer) => sum + layer.size, 0) : this.#found
  }

  wants(name: string): boolean {
    return this.wildcard || this.names.has(name)
  }

  /** What the proxy should hold. */
  target(name: string): EncodedResource | undefined {
    return this.wants(name) ? this.existing(name) : undefined
  }

  /** What it could have if it asked. */
  existing(name: string): EncodedResource | undefined {
    return lookup(this.#layers, name)
  }

  /** What it does hold, as far as it told us. */
  held(name: string): Held {
    const difference = this.differences.get(name)
    return difference ? difference.held : this.target(name)
  }

  /** From now on the proxy should hold what it wants of these. */
  retarget(layers: Layers): void {
    const before = this.#layers
    this.#layers = layers
    for (const name of differingNames(before, layers)) {
      if (!this.wants(name)) continue
      const target = lookup(layers, name)
      const held = lookup(before, name)
      if (this.names.has(name)) this.#found += Number(target !== undefined) - Number(held !== undefined)
      const difference = this.differences.get(name)
      if (difference) {
        difference.target = target
        this.#settle(difference)
      } else if (held?.version !== target?.version) this.#differ(name, target, held)
    }
  }

  /** It wants these too; `versions` are those that it holds already. It gets an answer about each of the others. */
  subscribe(names: readonly string[], versions: Readonly<Record<string, string>>): void {
    for (const asked of names) {
      if (asked === WILDCARD) {
        this.subscribeAll(versions)
        continue
      }
      const target = this.existing(asked)
      // The resource's own string, as thousands of streams hold the same names.
      const name = target?.name ?? asked
      if (target && !this.names.has(name)) this.#found++
      this.names.add(name)
      this.#ask(name, target, Object.hasOwn(versions, asked) ? versions[asked] : undefined)
    }
  }

  /** It wants everything, and holds these versions already. */
  subscribeAll(versions: Readonly<Record<string, string>>): void {
    this.wildcard = true
    const known = Object.keys(versions)
    this.greeting = known.length === 0
    for (const target of allResources(this.#layers)) {
      const { name } = target
      this.#ask(name, target, !this.greeting && Object.hasOwn(versions, name) ? versions[name] : undefined)
    }
    for (const name of known)
      if (!this.differences.has(name) && !this.existing(name)) this.#differ(name, undefined, versions[name])
  }

  unsubscribe(names: readonly string[]): void {
    for (const name of names) {
      if (name === WILDCARD) {
        this.wildcard = false
        this.greeting = false
        for (const other of [...this.differences.keys()]) if (!this.names.has(other)) this.#forget(other)
        continue
      }
      if (!this.names.delete(name)) continue
      if (this.existing(name)) this.#found--
      // The wildcard may still cover it, which the proxy does not know: it waits for word.
      if (this.wildcard) this.#ask(name, this.existing(name), undefined)
      else this.#forget(name)
    }
  }

  /** The response in flight was taken. Gives the names in it. */
  accepted(): readonly string[] {
    const names = this.#landed()
    for (const name of names) {
      const difference = this.differences.get(name)
      if (!difference || difference.sent === undefined) continue
      difference.held = difference.sent ?? undefined
      difference.sent = undefined
      difference.perhaps = undefined
      if (difference.rejection) this.#recover(difference)
      this.#settle(difference)
    }
    return names
  }

  /** The response in flight was refused. Gives what was in it and has not been asked for anew since. */
  refused(): readonly Difference[] {
    const refused: Difference[] = []
    for (const name of this.#landed()) {
      const difference = this.differences.get(name)
      if (!difference || difference.sent === undefined) continue
      refused.push(difference)
    }
    return refused
  }

  /** Drops a difference if there is none left. */
  settle(name: string): void {
    const difference = this.differences.get(name)
    if (difference) this.#settle(difference)
  }

  /** An answer is due for what it holds already (an updated cluster waits for its endpoints, though it has them). */
  owe(name: string): void {
    if (!this.wants(name)) this.#dueWhenAsked.add(name)
    else {
      const target = this.existing(name)
      this.#differ(name, target, target).owed = true
    }
  }

  #settle({ name, target, held, sent, perhaps, owed }: Difference): void {
    if (!owed && sent === undefined && !perhaps && versionOf(held) === target?.version) this.#forget(name)
  }

  #ask(name: string, target: EncodedResource | undefined, version: string | undefined): void {
    if (version !== undefined && !this.#dueWhenAsked.has(name)) {
      if (version !== target?.version) this.#differ(name, target, version)
      return
    }
    this.#dueWhenAsked.delete(name)
    const difference = this.#differ(name, target, undefined)
    difference.held = undefined
    difference.sent = undefined
    difference.owed = true
  }

  /** The difference of this name, new if there was none. */
  #differ(name: string, target: EncodedResource | undefined, held: Held): Difference {
    let difference = this.differences.get(name)
    if (!difference) {
      difference = {
        name,
        target,
        held,
        sent: undefined,
        perhaps: undefined,
        owed: false,
        rejection: undefined,
        unneededSince: undefined,
      }
      this.differences.set(name, difference)
    }
    return difference
  }

  #forget(name: string): void {
    const difference = this.differences.get(name)
    if (!difference) return
    this.differences.delete(name)
    if (difference.rejection) this.#recover(difference)
  }

  #recover(difference: Difference): void {
    difference.rejection = undefined
    this.#recovered(difference.name)
  }

  #landed(): readonly string[] {
    const names = this.inFlight?.names ?? []
    this.inFlight = undefined
    return names
  }
}

export function versionOf(held: Held): string | undefined {
  return typeof held === 'string' ? held : held?.version
}
