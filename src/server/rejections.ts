import type { Message } from '../resources/message.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { TYPE_URLS } from '../translate/encoded-resource.ts'
import { type Nack, nackMessage } from '../xds/nack-message.ts'

/** What proxies refuse at this moment. */
export class Rejections {
  /** By proxy, type and name of the resource. */
  readonly #nacks = new Map<string, Nack>()

  add(nack: Nack): void {
    this.#nacks.set(idOf(nack.proxy, TYPE_URLS[nack.resource.type], nack.resource.name), nack)
  }

  recovered(proxy: string, url: string, name: string): void {
    this.#nacks.delete(idOf(proxy, url, name))
  }

  /**
   * One message for each resource, however many of the proxies that still exist refuse it: of the first that did, so that it stays the same
   * while others do.
   */
  messages(snapshot: Snapshot): Message[] {
    const shown = new Map<string, Message>()
    for (const [id, nack] of this.#nacks) {
      const { type, name, version } = nack.resource
      const resource = `${type} ${name} ${version}`
      if (!snapshot.get('core/Pod', nack.proxy)) this.#nacks.delete(id)
      else if (!shown.has(resource)) shown.set(resource, nackMessage(nack))
    }
    return [...shown.values()]
  }
}

function idOf(proxy: string, url: string, name: string): string {
  return `${proxy} ${url} ${name}`
}
