import type { KindId } from '../resources/kinds.ts'
import type { Message } from '../resources/message.ts'
import { KIND, keyOf, type Resource } from '../resources/resource.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { TYPE_URLS } from '../translate/encoded-resource.ts'
import { type Nack, nackMessage } from '../xds/nack-message.ts'

/** Something that proxies refuse, as replicas tell each other. */
export interface SharedRefusal {
  /** Of what is refused: two replicas may say the same. */
  readonly id: string
  /** The object that it is most about. */
  readonly kind: KindId
  readonly key: string
  readonly message: Message
}

/** What proxies refuse at this moment. */
export class Rejections {
  /** By proxy, type and name of the resource. */
  readonly #nacks = new Map<string, Nack>()
  readonly #listeners = new Set<() => void>()

  add(nack: Nack): void {
    this.#nacks.set(idOf(nack.proxy, TYPE_URLS[nack.resource.type], nack.resource.name), nack)
    for (const listener of this.#listeners) listener()
  }

  recovered(proxy: string, url: string, name: string): void {
    this.#nacks.delete(idOf(proxy, url, name))
    for (const listener of this.#listeners) listener()
  }

  /** Has it told when something is refused, or no more. Returns the call that ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * One message for each resource, however many of the proxies that still exist refuse it: of the first that did, so that it stays the same
   * while others do.
   */
  messages(snapshot: Snapshot): Message[] {
    return this.#shown(snapshot).map(nackMessage)
  }

  /** The same, with the object that each is most about. */
  byObject(snapshot: Snapshot): readonly (readonly [Resource, Message])[] {
    return this.#shown(snapshot).flatMap((nack) => {
      const [source] = nack.resource.sources
      return source ? [[source, nackMessage(nack)] as const] : []
    })
  }

  /** The same, for other replicas to be told. */
  shared(snapshot: Snapshot): readonly SharedRefusal[] {
    return this.#shown(snapshot).flatMap((nack) => {
      const [source] = nack.resource.sources
      return source
        ? [{ id: resourceOf(nack), kind: source[KIND], key: keyOf(source), message: nackMessage(nack) }]
        : []
    })
  }

  #shown(snapshot: Snapshot): readonly Nack[] {
    const shown = new Map<string, Nack>()
    for (const [id, nack] of this.#nacks) {
      const resource = resourceOf(nack)
      if (!isThere(snapshot, nack.proxy)) this.#nacks.delete(id)
      else if (!shown.has(resource)) shown.set(resource, nack)
    }
    return [...shown.values()]
  }
}

function isThere(snapshot: Snapshot, proxy: string): boolean {
  return (snapshot.get('core/Pod', proxy) ?? snapshot.get('networking.istio.io/WorkloadEntry', proxy)) !== undefined
}

/** The same for all proxies that refuse it, of any replica. */
function resourceOf({ resource: { type, name, version } }: Nack): string {
  return `${type} ${name} ${version}`
}

function idOf(proxy: string, url: string, name: string): string {
  return `${proxy} ${url} ${name}`
}
