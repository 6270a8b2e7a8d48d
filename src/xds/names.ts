/**
 * The names that one stream asks for. Proxies of one scope ask for the same thousands, so what a stream asked for first is one set for all of
 * them, and only what it asked for or gave up since is its own.
 */
export class Names {
  #shared: ReadonlySet<string> = NONE
  #added: Set<string> | undefined
  #removed: Set<string> | undefined

  get size(): number {
    return this.#shared.size + (this.#added?.size ?? 0) - (this.#removed?.size ?? 0)
  }

  has(name: string): boolean {
    if (this.#shared.has(name)) return this.#removed === undefined || !this.#removed.has(name)
    return this.#added?.has(name) ?? false
  }

  /** Takes these for the first that are asked for. Only for one that has none. */
  begin(shared: ReadonlySet<string>): void {
    this.#shared = shared
  }

  add(name: string): void {
    if (this.#shared.has(name)) this.#removed?.delete(name)
    else {
      this.#added ??= new Set()
      this.#added.add(name)
    }
  }

  /** Whether it was there. */
  delete(name: string): boolean {
    if (!this.has(name)) return false
    if (!this.#shared.has(name)) return this.#added?.delete(name) ?? false
    this.#removed ??= new Set()
    this.#removed.add(name)
    return true
  }
}

const NONE: ReadonlySet<string> = new Set()
