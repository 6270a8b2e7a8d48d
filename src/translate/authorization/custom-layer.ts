import { AnySchema } from '@bufbuild/protobuf/wkt'
import { RBAC_Action, type RBACSchema as RulesSchema } from '#envoy/config/rbac/v3/rbac'
import { type ExternalAuthorizer, meshConfig } from '../../mesh/mesh-config.ts'
import type { Workload } from '../../mesh/model.ts'
import { services } from '../../mesh/services.ts'
import type { AuthorizationPolicy } from '../../resources/istio.ts'
import { derive } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { EncodedResource } from '../encoded-resource.ts'
import { constraintProblem } from '../envoy-constraints.ts'
import { outboundCluster } from '../routes/destination.ts'
import type { Init } from '../routes/init.ts'
import { httpAuthorization, networkAuthorization, SELECTED_NAME, SELECTED_PREFIX } from './external-authorizer.ts'
import { actionOf, httpRbac, isDryRun, networkRbac, slotLayer } from './policy-layers.ts'
import { rbacPolicies } from './rules.ts'
import { HTTP_SLOTS, NETWORK_SLOTS } from './slots.ts'

type Encoded = PersistentMap<EncodedResource>

/**
 * What fills the slots of CUSTOM. What cannot be asked about is denied: where there is no such provider or service, or policies name several, which Istio does
 * not do either.
 */
export function customLayer(snapshot: Snapshot, workload: Workload, policies: readonly AuthorizationPolicy[]): Encoded {
  const custom = policies.filter((policy) => actionOf(policy) === 'CUSTOM' && !isDryRun(policy))
  if (custom.length === 0) return NOTHING
  const authorizer = authorizerOf(snapshot, workload, custom)
  return authorizer ? asking(authorizer, ...custom) : denying(...custom)
}

/** Whom policies of CUSTOM have asked; undefined where nobody can be: no such provider or service, or several providers. */
export function authorizerOf(
  snapshot: Snapshot,
  workload: Workload,
  custom: readonly AuthorizationPolicy[],
): ExternalAuthorizer | undefined {
  const [name, ...others] = new Set(custom.map(({ spec }) => spec?.provider?.name ?? ''))
  const authorizer = others.length === 0 ? meshConfig(snapshot).authorizers.get(name ?? '') : undefined
  const host = authorizer && authorizerHost(authorizer)
  const service = host === undefined ? undefined : services(snapshot).get(host)
  const seen = service?.exportTo.some((to) => to === '*' || to === workload.namespace)
  return seen && service?.ports.some(({ number }) => number === authorizer?.settings.port) ? authorizer : undefined
}

/** The host of a provider's `service`, which may have a namespace before it. */
function authorizerHost({ settings }: ExternalAuthorizer): string {
  return (settings.service ?? '').replace(/^[^/]*\//, '').toLowerCase()
}

const NOTHING = slotLayer(
  {
    [HTTP_SLOTS.select]: httpRbac({}),
    [HTTP_SLOTS.external]: httpRbac({}),
    [NETWORK_SLOTS.select]: networkRbac({}),
    [NETWORK_SLOTS.external]: networkRbac({}),
  },
  [],
)

const asking = derive(
  'translate/authorization/custom',
  (authorizer: ExternalAuthorizer, ...policies: AuthorizationPolicy[]): Encoded => {
    const host = authorizerHost(authorizer)
    const cluster = outboundCluster(host, authorizer.settings.port ?? 0)
    const filter = httpAuthorization(authorizer, cluster, host)
    // A filter that Envoy refuses would leave the last one in force, which may ask about nothing.
    if (constraintProblem(AnySchema, filter)) return denying(...policies)
    const tcp = rules(policies, 'tcp')
    return slotLayer(
      {
        [HTTP_SLOTS.select]: httpRbac({ shadowRules: rules(policies, 'http'), shadowRulesStatPrefix: SELECTED_PREFIX }),
        [HTTP_SLOTS.external]: filter,
        ...(authorizer.over === 'grpc'
          ? {
              [NETWORK_SLOTS.select]: networkRbac({ shadowRules: tcp, shadowRulesStatPrefix: SELECTED_PREFIX }),
              [NETWORK_SLOTS.external]: networkAuthorization(authorizer.settings, cluster, host),
            }
          : // HTTP has no way to ask about a connection.
            { [NETWORK_SLOTS.select]: networkRbac({}), [NETWORK_SLOTS.external]: networkRbac({ rules: tcp }) }),
      },
      policies,
    )
  },
)

const denying = derive(
  'translate/authorization/custom-denied',
  (...policies: AuthorizationPolicy[]): Encoded =>
    slotLayer(
      {
        [HTTP_SLOTS.select]: httpRbac({}),
        [HTTP_SLOTS.external]: httpRbac({ rules: rules(policies, 'http') }),
        [NETWORK_SLOTS.select]: networkRbac({}),
        [NETWORK_SLOTS.external]: networkRbac({ rules: rules(policies, 'tcp') }),
      },
      policies,
    ),
)

/** Rules about HTTP select no connection without it, as in Istio; of others what cannot be used selects more. */
function rules(policies: readonly AuthorizationPolicy[], traffic: 'http' | 'tcp'): Init<typeof RulesSchema> {
  const inDoubt = traffic === 'http' ? 'more' : 'less'
  return { action: RBAC_Action.DENY, policies: rbacPolicies(policies, { traffic, inDoubt }, SELECTED_NAME) }
}
