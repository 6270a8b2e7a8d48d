import type { TimeSpan } from './span-of-time.ts'

export interface ChangesQuestion extends TimeSpan {
  /** Of objects in one of these namespaces, and those that have none; all if absent. */
  readonly namespaces?: readonly string[]
  /** Kinds, such as `VirtualService`. */
  readonly kinds?: readonly string[]
  /** At most so many, the newest; 200 if absent. */
  readonly limit?: number
}

/** Somebody changed an object that people write. */
export interface ConfigurationChange {
  readonly id: number
  /** When the server saw it, in ms since the epoch. */
  readonly at: number
  readonly kind: string
  /** Empty for objects without one. */
  readonly namespace: string
  readonly name: string
  readonly how: 'added' | 'changed' | 'removed'
  /** File that it came from, or who wrote it last (field manager) on a cluster; empty where neither is known. */
  readonly by: string
  /** Fields that differ, such as `spec.http[0].route[0].weight`; the first 20. */
  readonly fields: readonly string[]
}
