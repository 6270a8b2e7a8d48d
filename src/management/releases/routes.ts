import type { HTTPRoute } from '../../resources/gateway-api.ts'
import type { DestinationRule, VirtualService } from '../../resources/istio.ts'
import type { FieldPath, Resource } from '../../resources/resource.ts'
import type { Audience } from './audience.ts'
import type { Shares } from './shares.ts'

/** What there is that a release may have to do with. */
export interface ReleaseObjects {
  readonly virtualServices: readonly VirtualService[]
  readonly httpRoutes: readonly HTTPRoute[]
  readonly destinationRules: readonly DestinationRule[]
  /** Values of the label `version` that pods of the service carry. */
  readonly versions: readonly string[]
  /** Services that have some of the service's pods and no others: their selectors say what its own says, and more. */
  readonly versionServices: readonly VersionService[]
}

export interface VersionService {
  readonly name: string
  readonly ports: readonly number[]
}

/** Requests to what: proxies count them by it. */
export interface Target {
  readonly host: string
  /** Empty where all endpoints of the host are meant. */
  readonly subset: string
}

/** A rule of a route object, and how its kind says things. */
export interface RouteRule {
  readonly object: Resource
  /** Of the list that has the rule. */
  readonly path: FieldPath
  readonly index: number
  readonly rule: object
  readonly name: string | undefined
  /** Whether its object is about the service itself, not one that passes requests on to it. */
  readonly own: boolean
  readonly shares: Shares
  /** The rule with other shares. What else it says of a destination stays. @throws NoShift where there is no such version */
  withShares(shares: Shares): object
  /** A copy for some of its requests alone. */
  narrowed(audience: Audience): object
  /** Whether it is such a copy. */
  isFor(audience: Audience): boolean
  /** The rule with a share of its requests sent to a version as well, whose answers nobody sees; with none, where undefined. @throws NoShift */
  withMirror(mirror: Mirror | undefined): object
  /** What requests to a version are counted under. @throws NoShift where there is no such version */
  target(version: string): Target
}

export interface Mirror {
  readonly version: string
  readonly percent: number
}

/** A change of one item of a list of an object that is there: another item, one more before it, or none. */
export interface Edit {
  readonly object: Resource
  /** Of the list. */
  readonly path: FieldPath
  readonly index: number
  /** Undefined where the item is put in. */
  readonly before: object | undefined
  /** Undefined where the item is taken out. */
  readonly after: object | undefined
}

/** What has to be written: ordinary objects of Istio or the Gateway API. */
export interface Shift {
  readonly edit?: Edit
  /** Objects that there are none of yet, whole. */
  readonly created: readonly Created[]
  /** Shares as they are now; undefined where no rule says any. */
  readonly before: Shares | undefined
  /** What requests to each version are counted under. */
  readonly targets: ReadonlyMap<string, Target>
}

export interface Created {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec: unknown
}

/** An object with an edit made. */
export function edited({ object, path, index, before, after }: Edit): Resource {
  const copy = structuredClone({ ...object }) as Resource
  let list: unknown = copy
  for (const part of path) list = (list as Record<string | number, unknown>)[part]
  ;(list as unknown[]).splice(index, before ? 1 : 0, ...(after ? [after] : []))
  return copy
}
