import type { KindId, KindTypes } from './kinds.ts'

/** `metadata` of a Kubernetes object, as far as Weft reads it. */
export interface ObjectMeta {
  readonly name: string
  /** Absent for cluster-scoped kinds only: the parser fills in the default namespace. */
  readonly namespace?: string
  readonly uid?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** RFC 3339. Ties between objects that claim the same thing go to the older one. */
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly ownerReferences?: readonly {
    readonly kind: string
    readonly name: string
    readonly uid?: string
    /** It makes the object, and more of its kind. */
    readonly controller?: boolean
  }[]
}

/** Any Kubernetes object. Frozen once it is in a Snapshot: treat every field as read-only. */
export interface Resource<Spec = unknown, Status = unknown> {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
  readonly spec?: Spec
  readonly status?: Status
  /** Where a person can find and mend this object; absent for what Weft made itself. */
  readonly [ORIGIN]?: Origin
  /** Which of our kinds it is; set by the parser. Needed as `Gateway` is both Istio's and Gateway API's. */
  readonly [KIND]: KindId
}

export const ORIGIN: unique symbol = Symbol('origin')
export const KIND: unique symbol = Symbol('kind')

/** The text that an object was written as. */
export interface Origin {
  /** Path as the user gave it, or `kubernetes` for an API server. */
  readonly file: string
  /** Line of the document's first line in the file, from 1. */
  readonly line: number
  /** The document's text (without `---`): positions inside are found by parsing it again, only when asked for. */
  readonly text: string
  /** Where in the document the object is, for the items of a List: `['items', 3]`. */
  readonly path?: FieldPath
}

/** A place in a file, lines and columns from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** A path into an object: `['spec', 'http', 0, 'route']`. Shown as `spec.http[0].route`. */
export type FieldPath = readonly (string | number)[]

/** `namespace/name`, or `name` for cluster-scoped kinds: the key of an object among its kind. */
export function keyOf(resource: { readonly metadata: { readonly name: string; readonly namespace?: string } }): string {
  const { name, namespace } = resource.metadata
  return namespace === undefined ? name : `${namespace}/${name}`
}

/** How an object is named to people: `VirtualService default/reviews`. */
export function displayName(resource: Resource): string {
  return `${resource.kind} ${keyOf(resource)}`
}

/** Narrows a resource by its kind. */
export function isKind<K extends KindId>(resource: Resource, kind: K): resource is KindTypes[K] {
  return resource[KIND] === kind
}
