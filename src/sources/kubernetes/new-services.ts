import type { EndpointSlice, Service } from '../../resources/core.ts'
import { isKind, keyOf } from '../../resources/resource.ts'
import type { Change, Snapshot } from '../../store/snapshot.ts'

/** How long a Service waits to be told of, in ms. Kubernetes writes the first EndpointSlice of one that selects pods in less, an empty one if need be. */
const LONGEST_MS = 100

/** Of how many Services it is remembered that their endpoints came first. */
const MOST_EARLY = 1000

const SERVICE = 'core/Service'
const SLICE = 'discovery.k8s.io/EndpointSlice'

interface Held {
  readonly change: Change
  readonly timer: NodeJS.Timeout
}

/**
 * Holds back Services that are new for the moment until their first EndpointSlice comes. Every proxy is told of both: what it is told of a Service depends on who
 * serves it, so that telling of the one before the other would be to tell it twice.
 */
export class NewServices {
  readonly #apply: (changes: readonly Change[]) => void
  readonly #held = new Map<string, Held>()
  /** Services, by key, whose EndpointSlices came before them. */
  readonly #early = new Set<string>()

  /** @param apply takes a Service that has waited long enough */
  constructor(apply: (changes: readonly Change[]) => void) {
    this.#apply = apply
  }

  /** What of these changes is to be known now, with what they end the wait of. */
  ready(changes: readonly Change[], snapshot: Snapshot): readonly Change[] {
    return changes.flatMap((change) => {
      if ('remove' in change) {
        if (change.remove === SERVICE) this.#release(change.key)
        return [change]
      }
      const { put } = change
      if (isKind(put, SERVICE)) return this.#service(put, change, snapshot)
      const key = isKind(put, SLICE) ? serviceOf(put) : undefined
      if (key === undefined) return [change]
      const held = this.#release(key)
      if (held) return [held, change]
      if (!snapshot.get(SERVICE, key)) this.#cameEarly(key)
      return [change]
    })
  }

  close(): void {
    for (const key of [...this.#held.keys()]) this.#release(key)
  }

  #service(service: Service, change: Change, snapshot: Snapshot): readonly Change[] {
    const key = keyOf(service)
    const held = this.#held.get(key)
    if (held) {
      this.#held.set(key, { ...held, change })
      return []
    }
    const isServed = this.#early.delete(key)
    if (isServed || snapshot.get(SERVICE, key) || Object.keys(service.spec?.selector ?? {}).length === 0)
      return [change]
    const timer = setTimeout(() => {
      const late = this.#release(key)
      if (late) this.#apply([late])
    }, LONGEST_MS).unref()
    this.#held.set(key, { change, timer })
    return []
  }

  #cameEarly(key: string): void {
    if (this.#early.size >= MOST_EARLY) this.#early.clear()
    this.#early.add(key)
  }

  #release(key: string): Change | undefined {
    const held = this.#held.get(key)
    clearTimeout(held?.timer)
    this.#held.delete(key)
    return held?.change
  }
}

function serviceOf({ metadata: { namespace, labels } }: EndpointSlice): string | undefined {
  const name = labels?.['kubernetes.io/service-name']
  return name === undefined ? undefined : `${namespace}/${name}`
}
