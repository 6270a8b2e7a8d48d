import { createHash } from 'node:crypto'
import type { LiveObject } from '../../sources/kubernetes/write.ts'
import type { MadeObject } from './render.ts'

/** On what we made: the hash of what was asked for, so that a field that we no longer ask for is a difference, too. */
export const APPLIED_ANNOTATION = 'weft.dev/applied'

/** An object with the annotation that tells it from other versions of itself. */
export function stamped(object: MadeObject): MadeObject {
  const hash = createHash('sha256').update(JSON.stringify(object)).digest('hex').slice(0, 16)
  const annotations = { ...(object.metadata['annotations'] as object | undefined), [APPLIED_ANNOTATION]: hash }
  return { ...object, metadata: { ...object.metadata, annotations } }
}

/** Whether what is there is not what we want: another version of it, or changed by somebody since. */
export function differs(live: LiveObject, wanted: MadeObject): boolean {
  return !includes(live, wanted)
}

/** Whether all that is wanted is there; the API server adds defaults of its own. */
function includes(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted))
    return Array.isArray(live) && live.length === wanted.length && wanted.every((item, i) => includes(live[i], item))
  if (typeof wanted !== 'object' || wanted === null) return sameScalar(live, wanted)
  if (typeof live !== 'object' || live === null) return isEmpty(wanted)
  return Object.entries(wanted).every(([field, value]) => includes((live as Record<string, unknown>)[field], value))
}

/** The API server leaves out what is empty. */
function isEmpty(wanted: object): boolean {
  return Object.keys(wanted).length === 0
}

/** Quantities come back in another form (`0.1` as `100m`): that is for the hash to tell. Numbers and text that read the same are. */
function sameScalar(live: unknown, wanted: unknown): boolean {
  if (live === wanted) return true
  if (live === undefined) return wanted === '' || wanted === false || wanted === 0
  return isQuantity(live) && isQuantity(wanted) && quantity(live) === quantity(wanted)
}

const QUANTITY = /^(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/
const UNITS: Readonly<Record<string, number>> = {
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

function isQuantity(value: unknown): value is string | number {
  return typeof value === 'number' || (typeof value === 'string' && QUANTITY.test(value))
}

function quantity(value: string | number): number {
  const [, number = '', unit = ''] = QUANTITY.exec(String(value)) ?? []
  return Number(number) * (UNITS[unit] ?? 1)
}
