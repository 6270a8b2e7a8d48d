/** What Envoy has confirmed of the secrets that one stream serves it. */
export class Confirmations {
  readonly #versions = new Map<string, string | undefined>()
  readonly #sent = new Map<string, ReadonlyMap<string, string>>()
  readonly #changed: () => void

  constructor(changed: () => void = () => {}) {
    this.#changed = changed
  }

  /** By name that it subscribes to: the version that it has; undefined while it has none. */
  get versions(): ReadonlyMap<string, string | undefined> {
    return this.#versions
  }

  /** @param version which it has from before */
  subscribed(name: string, version?: string): void {
    if (version === undefined && this.#versions.has(name)) return
    this.#versions.set(name, version)
    this.#changed()
  }

  unsubscribed(name: string): void {
    if (this.#versions.delete(name)) this.#changed()
  }

  /** @param versions by name, of what is in a response */
  sent(nonce: string, versions: ReadonlyMap<string, string>): void {
    this.#sent.set(nonce, versions)
  }

  /** @param taken whether it took the response with this nonce; else it keeps what it had */
  answered(nonce: string, taken: boolean): void {
    const versions = this.#sent.get(nonce)
    if (!this.#sent.delete(nonce) || !taken || !versions) return
    for (const [name, version] of versions) if (this.#versions.has(name)) this.#versions.set(name, version)
    this.#changed()
  }
}

/**
 * Whether an Envoy has confirmed a version of a secret, on each stream that subscribes to it.
 * @param streams of one Envoy, which may have several
 * @param asksForNone whether none of them is known to subscribe to it ever. What comes back after a while, stream by stream, may not have said so yet
 */
export function isTaken(
  streams: readonly Confirmations[],
  name: string,
  version: string,
  asksForNone = false,
): boolean {
  const asking = streams.filter(({ versions }) => versions.has(name))
  return asking.length === 0 ? asksForNone : asking.every(({ versions }) => versions.get(name) === version)
}
