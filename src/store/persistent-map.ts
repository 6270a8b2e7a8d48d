/**
 * An immutable map from strings, as a hash array mapped trie: an update copies one path and shares the rest,
 * and the difference of two versions is found without looking at what they share. The shape depends only on the
 * keys, not on the order in which they came, so two maps that were built apart compare quickly too.
 */
export class PersistentMap<V> {
  readonly #root: Node<V> | undefined
  readonly size: number

  private constructor(root: Node<V> | undefined, size: number) {
    this.#root = root
    this.size = size
  }

  static readonly #empty = new PersistentMap<never>(undefined, 0)

  static empty<V>(): PersistentMap<V> {
    return PersistentMap.#empty as unknown as PersistentMap<V>
  }

  static from<V>(entries: Iterable<readonly [string, V]>): PersistentMap<V> {
    let map = PersistentMap.empty<V>()
    for (const [key, value] of entries) map = map.set(key, value)
    return map
  }

  get(key: string): V | undefined {
    let node = this.#root
    if (!node) return undefined
    const hash = hashOf(key)
    for (let shift = 0; ; shift += BITS) {
      if (node instanceof Leaf) {
        if (node.hash !== hash) return undefined
        for (let i = 0; i < node.keys.length; i++) if (node.keys[i] === key) return node.values[i]
        return undefined
      }
      const bit = 1 << ((hash >>> shift) & MASK)
      if ((node.bitmap & bit) === 0) return undefined
      node = node.children[popCount(node.bitmap & (bit - 1))] as Node<V>
    }
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  /** This map when `value` is what it has already (by identity). `undefined` is not a value: see delete. */
  set(key: string, value: V): PersistentMap<V> {
    const hash = hashOf(key)
    if (!this.#root) return new PersistentMap<V>(new Leaf(hash, [key], [value]), 1)
    const change = { added: 0 }
    const root = insert(this.#root, 0, hash, key, value, change)
    return root === this.#root ? this : new PersistentMap(root, this.size + change.added)
  }

  delete(key: string): PersistentMap<V> {
    if (!this.#root) return this
    const root = remove(this.#root, 0, hashOf(key), key)
    if (root === this.#root) return this
    return root === undefined ? PersistentMap.empty<V>() : new PersistentMap(root, this.size - 1)
  }

  /** In the order of hashes: arbitrary, but the same for the same keys. */
  *entries(): IterableIterator<[string, V]> {
    if (this.#root) yield* entriesOf(this.#root)
  }

  *keys(): IterableIterator<string> {
    for (const [key] of this.entries()) yield key
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): IterableIterator<[string, V]> {
    return this.entries()
  }

  /**
   * Calls `visit(key, before, after)` for every key whose value differs by identity between `before` and `after`;
   * `undefined` stands for an absent key. Takes time in the number of differences, not in the size of the maps, when one was
   * made from the other.
   */
  static diff<V>(
    before: PersistentMap<V>,
    after: PersistentMap<V>,
    visit: (key: string, before: V | undefined, after: V | undefined) => void,
  ): void {
    diffNodes(before.#root, after.#root, 0, visit)
  }
}

const BITS = 5
const MASK = 31

type Node<V> = Leaf<V> | Branch<V>

/** Keys of one hash: nearly always one. */
class Leaf<V> {
  readonly hash: number
  readonly keys: readonly string[]
  readonly values: readonly V[]
  constructor(hash: number, keys: readonly string[], values: readonly V[]) {
    this.hash = hash
    this.keys = keys
    this.values = values
  }
}

/** Never holds a single leaf: that leaf then stands in its place, which keeps the shape canonical. */
class Branch<V> {
  readonly bitmap: number
  readonly children: readonly Node<V>[]
  constructor(bitmap: number, children: readonly Node<V>[]) {
    this.bitmap = bitmap
    this.children = children
  }
}

/** FNV-1a with a final mix, 32 bits. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}

function popCount(bits: number): number {
  let n = bits - ((bits >>> 1) & 0x55555555)
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333)
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

function insert<V>(
  node: Node<V>,
  shift: number,
  hash: number,
  key: string,
  value: V,
  change: { added: number },
): Node<V> {
  if (node instanceof Leaf) {
    if (node.hash !== hash) {
      change.added = 1
      return join(shift, node, new Leaf(hash, [key], [value]))
    }
    const at = node.keys.indexOf(key)
    if (at >= 0) return node.values[at] === value ? node : new Leaf(hash, node.keys, node.values.with(at, value))
    change.added = 1
    // Sorted, so that the shape does not depend on the order of insertion.
    const to = node.keys.findIndex((other) => other > key)
    const place = to < 0 ? node.keys.length : to
    return new Leaf(hash, node.keys.toSpliced(place, 0, key), node.values.toSpliced(place, 0, value))
  }
  const bit = 1 << ((hash >>> shift) & MASK)
  const at = popCount(node.bitmap & (bit - 1))
  if ((node.bitmap & bit) === 0) {
    change.added = 1
    return new Branch(node.bitmap | bit, node.children.toSpliced(at, 0, new Leaf(hash, [key], [value])))
  }
  const child = node.children[at] as Node<V>
  const next = insert(child, shift + BITS, hash, key, value, change)
  return next === child ? node : new Branch(node.bitmap, node.children.with(at, next))
}

function join<V>(shift: number, a: Leaf<V>, b: Leaf<V>): Branch<V> {
  const left = (a.hash >>> shift) & MASK
  const right = (b.hash >>> shift) & MASK
  if (left === right) return new Branch(1 << left, [join(shift + BITS, a, b)])
  return new Branch((1 << left) | (1 << right), left < right ? [a, b] : [b, a])
}

function remove<V>(node: Node<V>, shift: number, hash: number, key: string): Node<V> | undefined {
  if (node instanceof Leaf) {
    const at = node.hash === hash ? node.keys.indexOf(key) : -1
    if (at < 0) return node
    return node.keys.length === 1 ? undefined : new Leaf(hash, node.keys.toSpliced(at, 1), node.values.toSpliced(at, 1))
  }
  const bit = 1 << ((hash >>> shift) & MASK)
  if ((node.bitmap & bit) === 0) return node
  const at = popCount(node.bitmap & (bit - 1))
  const child = node.children[at] as Node<V>
  const next = remove(child, shift + BITS, hash, key)
  if (next === child) return node
  if (next === undefined) {
    const children = node.children.toSpliced(at, 1)
    const [only] = children
    return children.length === 1 && only instanceof Leaf ? only : new Branch(node.bitmap & ~bit, children)
  }
  return node.children.length === 1 && next instanceof Leaf
    ? next
    : new Branch(node.bitmap, node.children.with(at, next))
}

function* entriesOf<V>(node: Node<V>): IterableIterator<[string, V]> {
  if (node instanceof Leaf)
    for (let i = 0; i < node.keys.length; i++) yield [node.keys[i] as string, node.values[i] as V]
  else for (const child of node.children) yield* entriesOf(child)
}

type Visit<V> = (key: string, before: V | undefined, after: V | undefined) => void

function diffNodes<V>(a: Node<V> | undefined, b: Node<V> | undefined, shift: number, visit: Visit<V>): void {
  if (a === b) return
  if (a === undefined || b === undefined) {
    if (a) for (const [key, value] of entriesOf(a)) visit(key, value, undefined)
    if (b) for (const [key, value] of entriesOf(b)) visit(key, undefined, value)
    return
  }
  if (a instanceof Leaf && b instanceof Leaf) {
    if (a.hash === b.hash) {
      for (let i = 0; i < a.keys.length; i++) {
        const key = a.keys[i] as string
        const at = b.keys.indexOf(key)
        const after = at < 0 ? undefined : b.values[at]
        if (after !== a.values[i]) visit(key, a.values[i], after)
      }
      for (let i = 0; i < b.keys.length; i++) {
        const key = b.keys[i] as string
        if (!a.keys.includes(key)) visit(key, undefined, b.values[i])
      }
      return
    }
    diffNodes(a, undefined, shift, visit)
    diffNodes(undefined, b, shift, visit)
    return
  }
  for (let slot = 0; slot <= MASK; slot++)
    diffNodes(childAt(a, shift, slot), childAt(b, shift, slot), shift + BITS, visit)
}

/** The child of a branch in a slot; a leaf counts as a branch that holds only itself. */
function childAt<V>(node: Node<V>, shift: number, slot: number): Node<V> | undefined {
  if (node instanceof Leaf) return ((node.hash >>> shift) & MASK) === slot ? node : undefined
  const bit = 1 << slot
  return (node.bitmap & bit) === 0 ? undefined : node.children[popCount(node.bitmap & (bit - 1))]
}
