import { create } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import { TypedExtensionConfigSchema } from '#envoy/config/core/v3/extension'
import { RBAC_Action, type RBACSchema as RulesSchema } from '#envoy/config/rbac/v3/rbac'
import { RBACSchema } from '#envoy/extensions/filters/http/rbac/v3/rbac'
import { RBACSchema as NetworkRBACSchema } from '#envoy/extensions/filters/network/rbac/v3/rbac'
import type { AuthorizationPolicy } from '../../resources/istio.ts'
import type { Resource } from '../../resources/resource.ts'
import { derive, joined } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import { type EncodedResource, encoder } from '../encoded-resource.ts'
import { constraintProblem } from '../envoy-constraints.ts'
import type { Init } from '../routes/init.ts'
import { typedConfig } from '../typed-config.ts'
import { rbacPolicies } from './rules.ts'
import { HTTP_SLOTS, NETWORK_SLOTS } from './slots.ts'
import { PERMISSIONS, PRINCIPALS, type TermContext } from './terms.ts'

type Encoded = PersistentMap<EncodedResource>
type Rules = Init<typeof RulesSchema>

/**
 * What fills the slots of DENY, AUDIT and ALLOW for workloads that these policies are for: one map for all of them, and one for each action, so that a policy
 * changes only what its action is about.
 */
export const policyLayers = joined((policies: readonly AuthorizationPolicy[]): readonly Encoded[] => {
  const of = (action: Action) => policies.filter((policy) => actionOf(policy) === action)
  return [denials(...of('DENY')), audits(...of('AUDIT')), allowances(...of('ALLOW'))]
})

export type Action = NonNullable<NonNullable<AuthorizationPolicy['spec']>['action']>

/** `spec.action`, which is ALLOW where nothing is said. */
export function actionOf({ spec }: AuthorizationPolicy): Action {
  return spec?.action ?? 'ALLOW'
}

/** Istio's annotation: what the policy would do is counted, and not done. */
export function isDryRun({ metadata }: AuthorizationPolicy): boolean {
  return metadata.annotations?.['istio.io/dry-run']?.toLowerCase() === 'true'
}

const denials = derive('translate/authorization/deny', (...policies: AuthorizationPolicy[]) =>
  layer(policies, HTTP_SLOTS.deny, NETWORK_SLOTS.deny, (traffic) => {
    const rules = (some: AuthorizationPolicy[]): Rules => ({
      action: RBAC_Action.DENY,
      policies: rbacPolicies(some, { traffic, inDoubt: 'more' }),
    })
    return enforcedAndDry(policies, rules, 'istio_dry_run_deny_')
  }),
)

const allowances = derive('translate/authorization/allow', (...policies: AuthorizationPolicy[]) =>
  layer(policies, HTTP_SLOTS.allow, NETWORK_SLOTS.allow, (traffic) => {
    // With no rule that can match it allows nothing, as it should.
    const rules = (some: AuthorizationPolicy[]): Rules => ({
      action: RBAC_Action.ALLOW,
      policies: rbacPolicies(some, { traffic, inDoubt: 'less' }),
    })
    return enforcedAndDry(policies, rules, 'istio_dry_run_allow_')
  }),
)

/** Marks requests for the access log, and lets them through. */
const audits = derive('translate/authorization/audit', (...policies: AuthorizationPolicy[]) =>
  layer(policies, HTTP_SLOTS.audit, NETWORK_SLOTS.audit, (traffic) => {
    const audited = policies.filter((policy) => !isDryRun(policy))
    if (audited.length === 0) return {}
    return { rules: { action: RBAC_Action.LOG, policies: rbacPolicies(audited, { traffic, inDoubt: 'less' }) } }
  }),
)

/** Rules that are enforced, and rules of which is only told what they would do, under a prefix of counters. */
export interface RbacFilter {
  readonly rules?: Rules
  readonly shadowRules?: Rules
  readonly shadowRulesStatPrefix?: string
}

function enforcedAndDry(
  policies: readonly AuthorizationPolicy[],
  rules: (policies: AuthorizationPolicy[]) => Rules,
  shadowRulesStatPrefix: string,
): RbacFilter {
  const enforced = policies.filter((policy) => !isDryRun(policy))
  const dry = policies.filter(isDryRun)
  return {
    ...(enforced.length > 0 ? { rules: rules(enforced) } : {}),
    ...(dry.length > 0 ? { shadowRules: rules(dry), shadowRulesStatPrefix } : {}),
  }
}

/** The HTTP filter; without rules it lets everything through. */
export function httpRbac(filter: RbacFilter): Any {
  return orNothing(typedConfig(RBACSchema, filter)) ?? typedConfig(RBACSchema, { rules: DENY_ALL })
}

export function networkRbac(filter: RbacFilter): Any {
  const statPrefix = 'tcp.'
  const made = orNothing(typedConfig(NetworkRBACSchema, { statPrefix, ...filter }))
  return made ?? typedConfig(NetworkRBACSchema, { statPrefix, rules: DENY_ALL })
}

/** With what Envoy refuses the policies before would stay in force, which may allow more. */
function orNothing(filter: Any): Any | undefined {
  return constraintProblem(AnySchema, filter) ? undefined : filter
}

const DENY_ALL: Rules = {
  action: RBAC_Action.DENY,
  policies: { 'not-understood': { principals: [PRINCIPALS.any], permissions: [PERMISSIONS.any] } },
}

function layer(
  policies: readonly AuthorizationPolicy[],
  httpSlot: string,
  networkSlot: string,
  filterFor: (traffic: TermContext['traffic']) => RbacFilter,
): Encoded {
  return slotLayer({ [httpSlot]: httpRbac(filterFor('http')), [networkSlot]: networkRbac(filterFor('tcp')) }, policies)
}

const encode = encoder('extension', TypedExtensionConfigSchema)

/** Extensions by the names of their slots. */
export function slotLayer(filters: Readonly<Record<string, Any>>, sources: readonly Resource[]): Encoded {
  return PersistentMap.from(
    Object.entries(filters).map(([name, config]) => {
      const message = create(TypedExtensionConfigSchema, { name, typedConfig: config })
      return [name, encode({ name, message, sources })]
    }),
  )
}
