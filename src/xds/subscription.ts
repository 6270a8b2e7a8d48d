import type { EncodedResource, ResourceType } from '../translate/encoded-resource.ts'
import { absentNames, type FirstAnswer, firstAnswer, resourcesOf } from './first-answer.ts'
import { allResources, differences, type Layers, lookup } from './layers.ts'
import { Names } from './names.ts'

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
  /** Taken by others before they refused the target: to be sent instead of it, where the proxy holds nothing. */
  instead: EncodedResource | undefined
  /** Endpoints of a cluster that is being updated: those that are new go after the proxy took the others. */
  newcomersLast: boolean
  /** Since when nothing that the proxy holds needs it any more, in milliseconds; only for what it should let go. */
  unneededSince: number | undefined
}

interface InFlight {
  readonly nonce: string
  /** What is in it, or, of a first answer, only what differs since. */
  readonly names: readonly string[]
  /** Everything in it, without a difference for each: of what has none, the proxy holds nothing until it takes it. */
  readonly first?: FirstAnswer
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
  readonly names = new Names()
  readonly differences = new Map<string, Difference>()
  inFlight: InFlight | undefined
  /** The first answer to a wildcard is due even if it is empty: the proxy waits for it. */
  greeting = false
  /** After a refusal: names to be sent apart from each other, to find out which is at fault. */
  apart: (readonly string[])[] = []
  /** The proxy holds nothing yet and has asked for something, all of which is to be sent: there are no differences for it. */
  untold = false
  /** The first that it will ask for gets an answer, whatever it says it holds. */
  #allDueWhenAsked = false
  /** Names that get an answer as soon as they are asked for, whatever version the proxy says it holds. */
  readonly #dueWhenAsked = new Set<string>()
  readonly #recovered: (name: string) => void
  #layers: Layers = []
  /** What it asked for in its first words; undefined for everything. */
  #firstNames: ReadonlySet<string> | undefined
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
    if (difference) return difference.held
    return this.untold || this.inFlight?.first ? undefined : this.target(name)
  }

  /** Whether there may be something to send. */
  get isPending(): boolean {
    const { asked, inFlight, differences, untold, greeting } = this
    return asked && !inFlight && (differences.size > 0 || untold || greeting)
  }

  /** Whether a first answer is due, or on its way. */
  get beginning(): boolean {
    return this.untold || this.inFlight?.first !== undefined
  }

  /** From now on the proxy should hold what it wants of these. */
  retarget(layers: Layers): void {
    const before = this.#layers
    this.#layers = layers
    if (!this.wildcard && this.names.size === 0 && this.differences.size === 0) return
    if (this.untold) {
      this.#countFirst()
      return
    }
    for (const { name, was, is } of differences(before, layers)) if (this.wants(name)) this.#retarget(name, was, is)
  }

  #retarget(name: string, held: EncodedResource | undefined, target: EncodedResource | undefined): void {
    if (this.names.has(name)) this.#found += Number(target !== undefined) - Number(held !== undefined)
    const difference = this.differences.get(name)
    if (difference) {
      difference.target = target
      difference.instead = undefined
      this.#settle(difference)
    } else if (held?.version !== target?.version) {
      if (this.inFlight?.first) this.#differ(name, target, undefined).sent = held
      else this.#differ(name, target, held)
    }
  }

  /** It wants these, and holds nothing: its first words. `*` is not among the names; undefined stands for everything. */
  begin(names: ReadonlySet<string> | undefined): void {
    this.untold = true
    if (names) {
      this.names.begin(names)
      this.#firstNames = names
      this.#countFirst()
    } else {
      this.wildcard = true
      this.greeting = true
    }
  }

  #countFirst(): void {
    const names = this.#firstNames
    if (names) this.#found = names.size - absentNames(this.#layers, names).length
  }

  /** The answer that is due to its first words. */
  firstAnswer(): FirstAnswer {
    return firstAnswer(this.#layers, this.#firstNames)
  }

  /** The first answer was sent. Gives the names that it asked for in vain. */
  told(nonce: string, first: FirstAnswer): void {
    this.untold = false
    this.greeting = false
    this.inFlight = { nonce, names: [], first }
    if (this.#firstNames)
      for (const name of absentNames(this.#layers, this.#firstNames))
        this.#differ(name, undefined, undefined).owed = true
  }

  /** From now on what it has not been told of is looked at one by one. */
  tellEach(): void {
    if (!this.untold) return
    this.untold = false
    if (this.#firstNames) for (const name of this.#firstNames) this.#ask(name, this.existing(name), undefined)
    else for (const target of allResources(this.#layers)) this.#ask(target.name, target, undefined)
  }

  /** It wants these too; `versions` are those that it holds already. It gets an answer about each of the others. */
  subscribe(names: readonly string[], versions: Readonly<Record<string, string>>): void {
    if (names.length > 0) this.tellEach()
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
    this.tellEach()
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
    if (names.length > 0) this.tellEach()
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

  /** The response in flight was taken. Gives the names in it of which something was kept. */
  accepted(): readonly string[] {
    const names = this.#landed()
    for (const name of names) {
      const difference = this.differences.get(name)
      if (!difference || difference.sent === undefined) continue
      const { sent, instead } = difference
      difference.held = sent ?? undefined
      difference.sent = undefined
      difference.perhaps = undefined
      difference.instead = undefined
      if (difference.rejection && sent !== instead) this.#recover(difference)
      this.#settle(difference)
    }
    return names
  }

  /** The response in flight was refused. Gives what was in it and has not been asked for anew since, and whether it held one thing alone. */
  refused(): { readonly refused: readonly Difference[]; readonly alone: boolean } {
    const first = this.inFlight?.first && resourcesOf(this.inFlight.first)
    for (const sent of first ?? []) {
      const { name } = sent
      if (this.wants(name) && !this.differences.has(name))
        this.#differ(name, this.existing(name), undefined).sent = sent
    }
    const alone = (first ?? this.inFlight?.names)?.length === 1
    const refused: Difference[] = []
    for (const name of this.#landed()) {
      const difference = this.differences.get(name)
      if (!difference || difference.sent === undefined) continue
      refused.push(difference)
    }
    return { refused, alone }
  }

  /** Drops a difference if there is none left. */
  settle(name: string): void {
    const difference = this.differences.get(name)
    if (difference) this.#settle(difference)
  }

  /** An answer is due for everything that it will ask for first. */
  oweFirst(): void {
    this.#allDueWhenAsked = true
  }

  /** An answer is due for what it holds already (an updated cluster waits for its endpoints, though it has them). */
  owe(name: string, newcomersLast: boolean): void {
    this.tellEach()
    if (!this.wants(name)) this.#dueWhenAsked.add(name)
    else {
      const target = this.existing(name)
      const onItsWay = this.differences.has(name) ? undefined : this.inFlight?.first
      const difference = this.#differ(name, target, onItsWay ? undefined : target)
      if (onItsWay) difference.sent = lookup(onItsWay.layers, name)
      difference.owed = true
      difference.newcomersLast = newcomersLast
    }
  }

  #settle({ name, target, held, sent, perhaps, owed }: Difference): void {
    if (!owed && sent === undefined && !perhaps && versionOf(held) === target?.version) this.#forget(name)
  }

  #ask(name: string, target: EncodedResource | undefined, version: string | undefined): void {
    if (version !== undefined && !this.#allDueWhenAsked && !this.#dueWhenAsked.has(name)) {
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
        instead: undefined,
        newcomersLast: false,
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
    const { first, names = [] } = this.inFlight ?? {}
    this.inFlight = undefined
    return first ? [...this.differences.keys()] : names
  }
}

export function versionOf(held: Held): string | undefined {
  return typeof held === 'string' ? held : held?.version
}
