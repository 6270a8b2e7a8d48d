import { create } from '@bufbuild/protobuf'
import { type Policy, PolicySchema } from '#envoy/config/rbac/v3/rbac'
import type { AuthorizationPolicy, AuthorizationPolicySpec } from '../../resources/istio.ts'
import { conditionAttribute } from './condition.ts'
import { operationDemands } from './operation.ts'
import { sourceDemands } from './source.ts'
import { demands, NEVER, PERMISSIONS, type Permission, PRINCIPALS, type Principal, type TermContext } from './terms.ts'

type Rule = NonNullable<AuthorizationPolicySpec['rules']>[number]

/** Envoy's policies of some AuthorizationPolicies of one action, by names in Istio's form, which Envoy tells with what it denies. */
export function rbacPolicies(
  policies: readonly AuthorizationPolicy[],
  context: TermContext,
  namePrefix = '',
): Record<string, Policy> {
  const made: Record<string, Policy> = {}
  for (const { spec, metadata } of policies) {
    for (const [index, rule] of (spec?.rules ?? []).entries()) {
      const policy = rbacPolicy(rule, metadata.namespace ?? '', context)
      if (policy) made[`${namePrefix}ns[${metadata.namespace}]-policy[${metadata.name}]-rule[${index}]`] = policy
    }
  }
  return made
}

/** @returns undefined for a rule that never matches */
function rbacPolicy(rule: Rule, namespace: string, context: TermContext): Policy | undefined {
  const principals = alternatives(rule.from, ({ source }) => sourceDemands(source, namespace, context), PRINCIPALS)
  const permissions = alternatives(rule.to, ({ operation }) => operationDemands(operation, context), PERMISSIONS)
  if (principals === NEVER || permissions === NEVER) return undefined
  const who: Principal[] = [...principals]
  const what: Permission[] = [...permissions]
  for (const { key, values, notValues } of rule.when ?? []) {
    const condition = conditionAttribute(key, namespace)
    // Neither says what is wanted.
    const unclear = !condition || ((values ?? []).length === 0 && (notValues ?? []).length === 0)
    if (unclear && context.inDoubt === 'more') continue
    if (unclear) return undefined
    if (condition.of === 'principal') {
      const demanded = demands(condition.attribute, values, notValues, context)
      if (demanded === NEVER) return undefined
      who.push(...demanded)
    } else {
      const demanded = demands(condition.attribute, values, notValues, context)
      if (demanded === NEVER) return undefined
      what.push(...demanded)
    }
  }
  return create(PolicySchema, {
    principals: [who.length > 0 ? PRINCIPALS.and(who) : PRINCIPALS.any],
    permissions: [what.length > 0 ? PERMISSIONS.and(what) : PERMISSIONS.any],
  })
}

/** One of several; where none is given there is nothing to demand. */
function alternatives<Item, T>(
  items: readonly Item[] | undefined,
  demandsOf: (item: Item) => readonly T[] | typeof NEVER,
  { and, or }: { and(terms: readonly T[]): T; or(terms: readonly T[]): T },
): readonly T[] | typeof NEVER {
  if (!items || items.length === 0) return []
  const possible = items.map(demandsOf).filter((demanded) => demanded !== NEVER)
  if (possible.length === 0) return NEVER
  // One that demands nothing makes the others meaningless.
  if (possible.some((demanded) => demanded.length === 0)) return []
  return [or(possible.map((demanded) => and(demanded)))]
}
