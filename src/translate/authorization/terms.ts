import type { PermissionSchema, PrincipalSchema } from '#envoy/config/rbac/v3/rbac'
import type { Init } from '../routes/init.ts'

/** Who a request or connection is from, in Envoy's RBAC. */
export type Principal = Init<typeof PrincipalSchema>
/** What it wants. */
export type Permission = Init<typeof PermissionSchema>

/** Envoy has the same logic twice, once for principals and once for permissions. */
export interface Logic<T> {
  readonly any: T
  and(terms: readonly T[]): T
  or(terms: readonly T[]): T
  not(term: T): T
}

export const PRINCIPALS: Logic<Principal> = {
  any: { identifier: { case: 'any', value: true } },
  and: (ids) => single(ids) ?? { identifier: { case: 'andIds', value: { ids: [...ids] } } },
  or: (ids) => single(ids) ?? { identifier: { case: 'orIds', value: { ids: [...ids] } } },
  not: (id) => ({ identifier: { case: 'notId', value: id } }),
}

export const PERMISSIONS: Logic<Permission> = {
  any: { rule: { case: 'any', value: true } },
  and: (rules) => single(rules) ?? { rule: { case: 'andRules', value: { rules: [...rules] } } },
  or: (rules) => single(rules) ?? { rule: { case: 'orRules', value: { rules: [...rules] } } },
  not: (rule) => ({ rule: { case: 'notRule', value: rule } }),
}

function single<T>(terms: readonly T[]): T | undefined {
  return terms.length === 1 ? terms[0] : undefined
}

/** What a term is for. */
export interface TermContext {
  readonly traffic: 'http' | 'tcp'
  /**
   * Which way to err where a value cannot be used: `less` matches less (an ALLOW must not let more through), `more` matches more (a DENY must
   * not let through what it may have been meant for).
   */
  readonly inDoubt: 'less' | 'more'
}

/** One attribute of a request or connection. */
export interface Attribute<T> {
  readonly logic: Logic<T>
  /** Connections without HTTP do not have it. */
  readonly httpOnly?: boolean
  /** @returns undefined where the value cannot be used */
  match(value: string): T | undefined
}

/** A rule that never matches. */
export const NEVER = 'never'

/**
 * What the values of an attribute demand: one of `values`, and none of `notValues`; an empty list demands nothing. Where there is no HTTP, an attribute of it is
 * never matched, but in doubt for more it demands nothing.
 */
export function demands<T>(
  attribute: Attribute<T>,
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
  { traffic, inDoubt }: TermContext,
): readonly T[] | typeof NEVER {
  const [wanted, unwanted] = [values ?? [], notValues ?? []]
  if (wanted.length + unwanted.length === 0) return []
  if (attribute.httpOnly && traffic === 'tcp') return inDoubt === 'more' ? [] : NEVER
  const { logic } = attribute
  const usable = (list: readonly string[]) => list.flatMap((value) => attribute.match(value) ?? [])
  const [yes, no] = [usable(wanted), usable(unwanted)]
  const demanded: T[] = []
  if (inDoubt === 'less' && no.length < unwanted.length) return NEVER
  if (inDoubt === 'less' && wanted.length > 0 && yes.length === 0) return NEVER
  if (yes.length > 0 && (inDoubt === 'less' || yes.length === wanted.length)) demanded.push(logic.or(yes))
  if (no.length > 0) demanded.push(logic.not(logic.or(no)))
  return demanded
}

/** All of several demands. */
export function together<T>(parts: readonly (readonly T[] | typeof NEVER)[]): readonly T[] | typeof NEVER {
  const terms: T[] = []
  for (const part of parts) {
    if (part === NEVER) return NEVER
    terms.push(...part)
  }
  return terms
}
