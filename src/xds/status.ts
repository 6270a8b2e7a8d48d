import { type ResourceType, TYPE_URLS } from '../translate/encoded-resource.ts'
import { type Subscription, versionOf } from './subscription.ts'

/** Counts of one type, on one stream or over all there ever were. */
export interface TypeCounts {
  /** Responses sent. */
  responses: number
  /** Resources in them. */
  resources: number
  /** Names in them that were told to be gone. */
  removed: number
  /** Bytes of the responses' messages, without HTTP/2 and TLS. */
  bytes: number
  acks: number
  nacks: number
}

/** Counts by type URL. */
export class Counts {
  readonly #types = new Map<string, TypeCounts>()

  of(url: string): TypeCounts {
    let counts = this.#types.get(url)
    if (!counts) {
      counts = { responses: 0, resources: 0, removed: 0, bytes: 0, acks: 0, nacks: 0 }
      this.#types.set(url, counts)
    }
    return counts
  }

  /** Counts one response in: how many resources it holds and names it tells to be gone, and its bytes. */
  sent(url: string, resources: number, removed: number, bytes: number): void {
    const counts = this.of(url)
    counts.responses++
    counts.resources += resources
    counts.removed += removed
    counts.bytes += bytes
  }

  /** All types together. */
  total(): TypeCounts {
    const total: TypeCounts = { responses: 0, resources: 0, removed: 0, bytes: 0, acks: 0, nacks: 0 }
    for (const counts of this.#types.values())
      for (const field of Object.keys(total) as (keyof TypeCounts)[]) total[field] += counts[field]
    return total
  }
}

/** What a person sees of one type in `weft proxy-status`. */
export interface TypeStatus {
  /** The type URL for a type that Weft does not serve. */
  readonly type: ResourceType | string
  /**
   * `synced`: it holds the newest of everything. `rejected`: it refused something, see `rejected`, and holds the newest of the rest or is
   * about to. `stale`: something newer is on its way or waits for its turn. `not sent`: it asked, and we have said nothing yet.
   */
  readonly state: 'synced' | 'stale' | 'rejected' | 'not sent'
  /** How many resources it should hold. */
  readonly resources: number
  /** How many of them it does not hold yet. What it should let go of is not counted: that waits until nothing needs it. */
  readonly pending: number
  readonly rejected: readonly { readonly name: string; readonly version: string; readonly error: string }[]
  /** Milliseconds since the epoch of the last answer that took a response; absent if none did. */
  readonly lastAck?: number
  readonly counts: Readonly<TypeCounts>
}

export interface ProxyStatus {
  readonly proxy: string
  /** Address and port that its connection comes from. */
  readonly address: string
  readonly node: { readonly id: string; readonly cluster: string; readonly version: string }
  /** Milliseconds since the epoch. */
  readonly connectedSince: number
  /** The types that it asked for. */
  readonly types: readonly TypeStatus[]
}

export function typeStatus(
  subscription: Subscription,
  counts: Readonly<TypeCounts>,
  lastAck: number | undefined,
): TypeStatus {
  const differences = [...subscription.differences.values()]
  const rejected = differences.flatMap(({ name, rejection }) => (rejection ? [{ name, ...rejection }] : []))
  const isEntrance = subscription.type === 'listener' || subscription.type === 'scopedRoutes'
  const differing = differences.filter(({ target, held, sent }) => {
    // What the proxy has on top, and no traffic gets to any more, stays for a while on purpose: see Waits.drainMs.
    return sent !== undefined || (target ? versionOf(held) !== target.version : isEntrance)
  }).length
  const pending = subscription.beginning ? subscription.size : differing
  return {
    type: subscription.type ?? subscription.url,
    state: stateOf(subscription, counts, pending, rejected.length),
    resources: subscription.size,
    pending,
    rejected,
    ...(lastAck === undefined ? {} : { lastAck }),
    counts: { ...counts },
  }
}

function stateOf(
  { differences, wildcard, names, beginning }: Subscription,
  { responses }: Readonly<TypeCounts>,
  pending: number,
  rejected: number,
): TypeStatus['state'] {
  if (rejected > 0) return 'rejected'
  // A proxy that came back may hold everything without having been sent anything.
  if (responses === 0 && (wildcard || names.size > 0) && (differences.size > 0 || beginning)) return 'not sent'
  return pending > 0 ? 'stale' : 'synced'
}

/** For people: the type by its short name. */
export function typeName(url: string): string {
  for (const [type, known] of Object.entries(TYPE_URLS)) if (known === url) return type
  return url
}
