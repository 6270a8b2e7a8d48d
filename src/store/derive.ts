import type { KindId } from '../resources/kinds.ts'
import { PersistentMap } from './persistent-map.ts'
import { sameValue } from './same-value.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * The only caches in `mesh` and `translate`. A derived value is a pure function of its arguments, kept under the
 * identity of exactly these arguments and held weakly, so nothing can be stale and nothing needs invalidating.
 */

/** Calls of the functions behind derived values, by name: what a change cost, in counts. */
export const derivations = new Map<string, number>()

function count(name: string): void {
  derivations.set(name, (derivations.get(name) ?? 0) + 1)
}

/** One level of a cache for each argument: weak for objects, strong for primitives (keep those few). */
class Level<R> {
  // Most levels are the last of their tuple and hold a result only, so the maps are made when they are needed.
  #weak: WeakMap<object, Level<R>> | undefined
  #strong: Map<unknown, Level<R>> | undefined
  result: { readonly value: R } | undefined

  next(argument: unknown): Level<R> {
    if ((typeof argument === 'object' && argument !== null) || typeof argument === 'function') {
      this.#weak ??= new WeakMap()
      return this.#weak.get(argument) ?? added(this.#weak, argument)
    }
    this.#strong ??= new Map()
    return this.#strong.get(argument) ?? added(this.#strong, argument)
  }
}

function added<K, R>(levels: { set(key: K, level: Level<R>): unknown }, key: K): Level<R> {
  const level = new Level<R>()
  levels.set(key, level)
  return level
}

/**
 * `fn`, computed once for each distinct tuple of arguments (objects by identity). `fn` must be pure, and at least one argument
 * should be an object, as primitives are held for good.
 */
export function derive<A extends readonly unknown[], R>(name: string, fn: (...args: A) => R): (...args: A) => R {
  const root = new Level<R>()
  return (...args) => {
    let level = root
    for (const argument of args) level = level.next(argument)
    if (!level.result) {
      count(name)
      level.result = { value: fn(...args) }
    }
    return level.result.value
  }
}

/** Like derive, for functions that only put derived values together: not counted, as what it costs is counted where it is derived. */
export function joined<A extends readonly unknown[], R>(fn: (...args: A) => R): (...args: A) => R {
  const root = new Level<R>()
  return (...args) => {
    let level = root
    for (const argument of args) level = level.next(argument)
    level.result ??= { value: fn(...args) }
    return level.result.value
  }
}

/** The same for functions of a Snapshot: each is done once for each snapshot. */
export function perSnapshot<A extends readonly unknown[], R>(
  fn: (snapshot: Snapshot, ...args: A) => R,
): (snapshot: Snapshot, ...args: A) => R {
  return joined(fn as (...args: readonly unknown[]) => R)
}

/**
 * A function of a Snapshot that is computed anew only where a kind changed that it looked at the last time: it need not say beforehand which these are. Its result
 * for one Snapshot is kept, the last one.
 */
export function deriveFromReads<R>(name: string, fn: (snapshot: Snapshot) => R): (snapshot: Snapshot) => R {
  let last: { readonly reads: ReadonlyMap<KindId, PersistentMap<unknown>>; readonly value: R } | undefined
  return (snapshot) => {
    if (last && [...last.reads].every(([kind, objects]) => snapshot.all(kind) === objects)) return last.value
    count(name)
    const reads = new Map<KindId, PersistentMap<unknown>>()
    // A Snapshot of its own: what was put together for others would not be looked at again.
    const value = fn(snapshot.observed((kind) => reads.set(kind, snapshot.all(kind))))
    last = { reads, value }
    return value
  }
}

/**
 * Like perSnapshot, but what was made of one Snapshot counts for later ones, too, as long as no kind changed that the function ever looked at: so that
 * asking again for thousands costs a look into a table where what changed is nothing to them.
 */
export function perReads<A extends readonly unknown[], R>(
  fn: (snapshot: Snapshot, ...args: A) => R,
): (snapshot: Snapshot, ...args: A) => R {
  const reads = new Set<KindId>()
  let last: { readonly snapshot: Snapshot; readonly observed: Snapshot; readonly root: Level<R> } | undefined
  return (snapshot, ...args) => {
    if (last?.snapshot !== snapshot) {
      const before = last
      const isSame = before && [...reads].every((kind) => snapshot.all(kind) === before.snapshot.all(kind))
      // A Snapshot of its own: what was put together for others would not be looked at again.
      const observed = snapshot.observed((kind) => reads.add(kind))
      last = { snapshot, observed, root: isSame ? before.root : new Level<R>() }
    }
    let level = last.root
    for (const argument of args) level = level.next(argument)
    level.result ??= { value: fn(last.observed, ...args) }
    return level.result.value
  }
}

/** Like joined, but of what was put together for an object only the last is kept: it is rarely asked for the same again once something changed. */
export function latest<K extends object, A extends readonly unknown[], R>(
  fn: (key: K, ...args: A) => R,
): (key: K, ...args: A) => R {
  const results = new WeakMap<K, { readonly args: A; readonly value: R }>()
  return (key, ...args) => {
    const known = results.get(key)
    if (known?.args.every((argument, i) => argument === args[i])) return known.value
    const value = fn(key, ...args)
    results.set(key, { args, value })
    return value
  }
}

type Values<In extends readonly PersistentMap<unknown>[]> = {
  [I in keyof In]: In[I] extends PersistentMap<infer V> ? V | undefined : never
}

/**
 * Joins maps that share their keys: `out[key] = fn(key, [a[key], b[key], ...], ...shared)` for every key of any input; a key for
 * which `fn` gives `undefined` is left out. A new value that equals the old one structurally is dropped for the old one,
 * so that change stops spreading where it stops mattering.
 *
 * For the same `shared` arguments the last result is brought up to date by the difference of the inputs: a change
 * costs what changed. The result is the one that a computation from nothing would give.
 */
export function deriveMap<In extends readonly PersistentMap<unknown>[], Shared extends readonly unknown[], V>(
  name: string,
  fn: (key: string, values: Values<In>, ...shared: Shared) => V | undefined,
): (inputs: readonly [...In], ...shared: Shared) => PersistentMap<V> {
  return incremental(name, (inputs, last, shared) => {
    let out = last.out as PersistentMap<V>
    for (const key of changedKeys(last.inputs, inputs)) {
      count(name)
      const value = fn(key, inputs.map((input) => input.get(key)) as Values<In>, ...(shared as unknown as Shared))
      const old = out.get(key)
      if (value === undefined) out = out.delete(key)
      else if (old === undefined || !sameValue(old, value)) out = out.set(key, value)
    }
    return out
  }) as (inputs: readonly [...In], ...shared: Shared) => PersistentMap<V>
}

/**
 * Like deriveMap, with any number of named results for each key of the inputs. Where two keys give the same name, the one that sorts first
 * wins.
 */
export function deriveFlatMap<In extends readonly PersistentMap<unknown>[], Shared extends readonly unknown[], V>(
  name: string,
  fn: (key: string, values: Values<In>, ...shared: Shared) => Iterable<readonly [string, V]>,
): (inputs: readonly [...In], ...shared: Shared) => PersistentMap<V> {
  const groups = deriveMap<In, Shared, ReadonlyMap<string, V>>(name, (key, values, ...shared) => {
    const group = new Map(fn(key, values, ...shared))
    return group.size > 0 ? group : undefined
  })
  const flatten = flattenGroups<V>(`${name}/flatten`)
  return (inputs, ...shared) => flatten(groups(inputs, ...shared), shared)
}

/**
 * Re-keys the entries of the groups; `owners` remembers who gives which name, for the rare name that several give. The groups
 * of different `shared` arguments are kept up to date apart.
 */
function flattenGroups<V>(
  name: string,
): (groups: PersistentMap<ReadonlyMap<string, V>>, shared: readonly unknown[]) => PersistentMap<V> {
  const owned = incremental(name, ([groups], last) => {
    let out = last.out as PersistentMap<PersistentMap<V>>
    PersistentMap.diff(last.inputs[0] ?? nothing, groups ?? nothing, (key, before, after) => {
      const old = before as ReadonlyMap<string, V> | undefined
      const now = after as ReadonlyMap<string, V> | undefined
      for (const member of old?.keys() ?? []) {
        if (now?.has(member)) continue
        const owners = (out.get(member) as PersistentMap<V>).delete(key)
        out = owners.size > 0 ? out.set(member, owners) : out.delete(member)
      }
      for (const [member, value] of now ?? []) {
        const kept = old?.get(member)
        const same = kept !== undefined && sameValue(kept, value)
        if (!same) out = out.set(member, (out.get(member) ?? PersistentMap.empty<V>()).set(key, value))
      }
    })
    return out
  }) as unknown as (
    inputs: readonly PersistentMap<unknown>[],
    ...shared: readonly unknown[]
  ) => PersistentMap<PersistentMap<V>>
  const first = deriveMap<[PersistentMap<PersistentMap<V>>], unknown[], V>(`${name}/first`, (_, [owners]) => {
    if (!owners) return undefined
    let winner: [string, V] | undefined
    for (const entry of owners) if (!winner || entry[0] < winner[0]) winner = entry
    return winner?.[1]
  })
  return (groups, shared) => first([owned([groups], ...shared)], ...shared)
}

/** Groups the entries of a map: `out[group][key] = value` for every group that `groupsOf` names. */
export function deriveIndex<V, Shared extends readonly unknown[] = []>(
  name: string,
  groupsOf: (key: string, value: V, ...shared: Shared) => Iterable<string>,
): (input: PersistentMap<V>, ...shared: Shared) => PersistentMap<PersistentMap<V>> {
  const update = incremental(name, ([input], last, shared) => {
    let out = last.out as PersistentMap<PersistentMap<V>>
    PersistentMap.diff(last.inputs[0] as PersistentMap<V>, input as PersistentMap<V>, (key, before, after) => {
      count(name)
      const then = new Set(before === undefined ? [] : groupsOf(key, before, ...(shared as unknown as Shared)))
      const now = new Set(after === undefined ? [] : groupsOf(key, after, ...(shared as unknown as Shared)))
      for (const group of then) {
        if (now.has(group)) continue
        const members = (out.get(group) as PersistentMap<V>).delete(key)
        out = members.size > 0 ? out.set(group, members) : out.delete(group)
      }
      for (const group of now) out = out.set(group, (out.get(group) ?? PersistentMap.empty<V>()).set(key, after as V))
    })
    return out
  }) as unknown as (inputs: readonly PersistentMap<unknown>[], ...shared: Shared) => PersistentMap<PersistentMap<V>>
  return (input, ...shared) => update([input], ...shared)
}

/** A map in which the entries of later maps hide those of earlier ones with the same key. */
export function deriveOverlay<V>(name: string): (...layers: readonly PersistentMap<V>[]) => PersistentMap<V> {
  const overlay = deriveMap<PersistentMap<V>[], [], V>(name, (_, values) =>
    values.findLast((value) => value !== undefined),
  )
  return (...layers) => overlay(layers)
}

interface Evaluation {
  readonly inputs: readonly PersistentMap<unknown>[]
  readonly out: PersistentMap<unknown>
}

const nothing: PersistentMap<unknown> = PersistentMap.empty<unknown>()

/** Keeps the last evaluation for each tuple of shared arguments, and has `step` bring it up to date. */
function incremental(
  name: string,
  step: (
    inputs: readonly PersistentMap<unknown>[],
    last: Evaluation,
    shared: readonly unknown[],
  ) => PersistentMap<unknown>,
): (inputs: readonly PersistentMap<unknown>[], ...shared: readonly unknown[]) => PersistentMap<unknown> {
  const root = new Level<never>()
  const evaluations = new WeakMap<Level<never>, Evaluation>()
  return (inputs, ...shared) => {
    let level = root
    for (const argument of shared) level = level.next(argument)
    const last = evaluations.get(level) ?? { inputs: inputs.map(() => nothing), out: nothing }
    if (last.inputs.length !== inputs.length)
      throw new Error(`${name}: called with another number of inputs than before`)
    if (last.inputs.every((input, i) => input === inputs[i])) return last.out
    const out = step(inputs, last, shared)
    evaluations.set(level, { inputs, out })
    return out
  }
}

function changedKeys(before: readonly PersistentMap<unknown>[], after: readonly PersistentMap<unknown>[]): Set<string> {
  const keys = new Set<string>()
  after.forEach((input, i) => {
    PersistentMap.diff(before[i] ?? nothing, input, (key) => keys.add(key))
  })
  return keys
}
