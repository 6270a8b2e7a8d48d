import { GATEWAY_CONTROLLER } from '../../mesh/routing/gateway-names.ts'
import { sameValue } from '../../store/same-value.ts'

/** A condition as it should be; when it came to be so, and for which generation of its object, is added as it is written. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False'
  /** In CamelCase, for programs. */
  readonly reason: string
  /** For people. */
  readonly message: string
}

/** What of an object's status is ours to say. All else in it is left as it is. */
export type WantedStatus = WantedConditions | WantedEntries

/** Conditions of the object itself. */
export interface WantedConditions {
  readonly form: 'conditions'
  readonly generation: number
  readonly conditions: readonly Condition[]
  /** Of its listeners: each has conditions of its own. All listeners there are. */
  readonly listeners?: readonly WantedListener[]
  /** Other fields of the status, as they should be. */
  readonly fields?: Readonly<Record<string, unknown>>
}

export interface WantedListener {
  readonly name: string
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[]
  readonly attachedRoutes: number
  readonly conditions: readonly Condition[]
}

/** Entries for each parent of a route, or ancestor of a policy: ours among those of other controllers. */
export interface WantedEntries {
  readonly form: 'entries'
  readonly generation: number
  readonly list: 'parents' | 'ancestors'
  readonly entries: readonly { readonly ref: object; readonly conditions: readonly Condition[] }[]
}

type Fields = Readonly<Record<string, unknown>>

/** A condition as it stands in a status. */
interface WrittenCondition extends Partial<Condition> {
  readonly type: string
  readonly observedGeneration?: number
  readonly lastTransitionTime?: string
}

/**
 * The fields of a status that have to change, as they have to be, to make `wanted` true; undefined where all is so already. What others
 * wrote stays: conditions of other types, entries of other controllers.
 * @param now RFC 3339
 */
export function statusChanges(current: Fields | undefined, wanted: WantedStatus, now: string): Fields | undefined {
  const next = wanted.form === 'entries' ? entryFields(current, wanted, now) : conditionFields(current, wanted, now)
  const changed = Object.entries(next).filter(([field, value]) => !sameValue(current?.[field], value))
  return changed.length > 0 ? Object.fromEntries(changed) : undefined
}

function conditionFields(current: Fields | undefined, wanted: WantedConditions, now: string): Fields {
  const { generation, conditions, listeners, fields } = wanted
  const written = (current?.['listeners'] ?? []) as readonly (Fields & { readonly name: string })[]
  return {
    ...fields,
    conditions: mergedConditions(current?.['conditions'], conditions, generation, now),
    ...(listeners && {
      listeners: listeners.map(({ conditions, ...listener }) => {
        const before = written.find(({ name }) => name === listener.name)
        return { ...listener, conditions: mergedConditions(before?.['conditions'], conditions, generation, now) }
      }),
    }),
  }
}

function entryFields(current: Fields | undefined, { list, entries, generation }: WantedEntries, now: string): Fields {
  const refName = list === 'parents' ? 'parentRef' : 'ancestorRef'
  const written = (current?.[list] ?? []) as readonly Fields[]
  const isOurs = (entry: Fields) => entry['controllerName'] === GATEWAY_CONTROLLER
  const ours = entries.map(({ ref, conditions }) => {
    const before = written.find((entry) => isOurs(entry) && sameValue(entry[refName], ref))
    const merged = mergedConditions(before?.['conditions'], conditions, generation, now)
    return { [refName]: ref, controllerName: GATEWAY_CONTROLLER, conditions: merged }
  })
  // Where they stood: an order of their own would be a change that says nothing.
  const first = written.findIndex(isOurs)
  const others = written.filter((entry) => !isOurs(entry))
  const place = first < 0 ? others.length : first
  const next = [...others.slice(0, place), ...ours, ...others.slice(place)]
  return current?.[list] === undefined && next.length === 0 ? {} : { [list]: next }
}

/** Types of conditions that are there only where they have something to say: we take ours back. */
const TRANSIENT = ['InsecureFrontendValidationMode', 'OverlappingTLSConfig', 'PartiallyInvalid', 'ResolvedRefs']

/** Conditions of other types first, as they stand. */
function mergedConditions(written: unknown, wanted: readonly Condition[], generation: number, now: string) {
  const current = (written ?? []) as readonly WrittenCondition[]
  const kept = current.filter(({ type }) => !TRANSIENT.includes(type) && !wanted.some((one) => one.type === type))
  return [
    ...kept,
    ...wanted.map((condition) => {
      const before = current.find(({ type }) => type === condition.type)
      const since = before?.status === condition.status ? before.lastTransitionTime : undefined
      return { ...condition, observedGeneration: generation, lastTransitionTime: since ?? now }
    }),
  ]
}

/** A condition that holds or not. */
export function condition(type: string, holds: boolean, reason: string, message = ''): Condition {
  return { type, status: holds ? 'True' : 'False', reason, message }
}
