import type { AuthorizationPolicySpec } from '../../../resources/istio.ts'
import { type Attribute, conditionAttribute, OPERATION_ATTRIBUTES, sourceAttributes } from './attributes.ts'
import type { Call } from './call.ts'

export type Rule = NonNullable<AuthorizationPolicySpec['rules']>[number]

/**
 * Which way to err where something that is written cannot be used, or is about HTTP where there is none: `less` matches less (an ALLOW must not let more through),
 * `more` matches more (a DENY must not let through what it may have been meant for).
 */
export type InDoubt = 'less' | 'more'

/** Why a call is not one of those that a rule is about, in words; undefined where it is. @param namespace the policy's */
export function ruleMismatch(rule: Rule, namespace: string, call: Call, inDoubt: InDoubt): string | undefined {
  const sources = (rule.from ?? []).map(({ source }) => fields(source, sourceAttributes(namespace), call, inDoubt))
  const operations = () =>
    (rule.to ?? []).map(({ operation }) => fields(operation, OPERATION_ATTRIBUTES, call, inDoubt))
  // What need not be looked at is not: a call may not know it.
  return (
    noneOf('from', sources) ??
    noneOf('to', operations()) ??
    first(rule.when ?? [], ({ key, values, notValues }, index) => {
      const attribute = conditionAttribute(key, namespace)
      const says = (values ?? []).length + (notValues ?? []).length > 0
      if (!attribute || !says) return inDoubt === 'more' ? undefined : `when[${index}]: ${key} cannot be told`
      return mismatch(`when[${index}].${key}`, attribute, values, notValues, call, inDoubt)
    })
  )
}

/** Of several alternatives one has to match; where there is none there is nothing to match. */
function noneOf(where: string, mismatches: readonly (string | undefined)[]): string | undefined {
  if (mismatches.length === 0 || mismatches.includes(undefined)) return undefined
  return mismatches.length === 1
    ? `${where}: ${mismatches[0]}`
    : mismatches.map((why, i) => `${where}[${i}]: ${why}`).join('; ')
}

/** Of one `source` or `operation`: all that it says has to match. */
function fields(
  said: object | undefined,
  attributes: Readonly<Record<string, Attribute>>,
  call: Call,
  inDoubt: InDoubt,
): string | undefined {
  const lists = (said ?? {}) as Readonly<Record<string, readonly string[] | undefined>>
  // One that says nothing cannot be meant to allow everything.
  if (!Object.values(lists).some((list) => list && list.length > 0))
    return inDoubt === 'more' ? undefined : 'says nothing'
  return first(Object.entries(attributes), ([name, attribute]) => {
    const not = `not${name[0]?.toUpperCase()}${name.slice(1)}`
    return mismatch(name, attribute, lists[name], lists[not], call, inDoubt)
  })
}

function mismatch(
  name: string,
  attribute: Attribute,
  wanted: readonly string[] = [],
  unwanted: readonly string[] = [],
  call: Call,
  inDoubt: InDoubt,
): string | undefined {
  if (wanted.length + unwanted.length === 0) return undefined
  if (attribute.ofHttp && !call.http)
    return inDoubt === 'more' ? undefined : `${name} are about HTTP, which this is not`
  const unusable = [...wanted, ...unwanted].find((value) => !attribute.usable(value))
  const [yes, no] = [wanted, unwanted].map((list) => list.filter(attribute.usable)) as [string[], string[]]
  if (inDoubt === 'less' && (no.length < unwanted.length || (wanted.length > 0 && yes.length === 0)))
    return `${name}: "${unusable}" cannot be used`
  const seen = attribute.seen(call)
  const has = seen === undefined ? 'it has none' : `it has "${seen}"`
  // In doubt for more, a value that cannot be used may be the one.
  const decides = inDoubt === 'less' || yes.length === wanted.length
  if (yes.length > 0 && decides && !yes.some((value) => attribute.matches(value, call)))
    return `${name} ${quoted(yes)}, and ${has}`
  const met = no.find((value) => attribute.matches(value, call))
  return met === undefined ? undefined : `not ${name} "${met}", and ${has}`
}

function quoted(values: readonly string[]): string {
  const shown = values.slice(0, 3).map((value) => `"${value}"`)
  return `${shown.join(' or ')}${values.length > 3 ? ` or ${values.length - 3} others` : ''}`
}

function first<T>(items: readonly T[], of: (item: T, index: number) => string | undefined): string | undefined {
  for (const [index, item] of items.entries()) {
    const found = of(item, index)
    if (found !== undefined) return found
  }
  return undefined
}
