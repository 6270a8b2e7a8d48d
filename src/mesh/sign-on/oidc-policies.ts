import type { Secret } from '../../resources/core.ts'
import { matchesLabels } from '../../resources/labels.ts'
import type { OIDCPolicy, OIDCPolicySpec } from '../../resources/security.ts'
import { deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { secretData } from '../key-pair.ts'
import { byAge } from '../precedence.ts'
import type { GatewayProxy } from '../routing/gateway-proxy.ts'
import { deriveReferences } from '../routing/references.ts'
import { ROOT_NAMESPACE } from '../visibility.ts'
import { type KnownProviders, knownProviders, type ProviderEndpoints } from './known-providers.ts'

/** An OIDCPolicy with all that gateways need for it, or why they let nobody in. */
export interface SignOn {
  readonly policy: OIDCPolicy
  readonly spec: OIDCPolicySpec
  readonly ready: { readonly secret: Secret; readonly endpoints: ProviderEndpoints } | { readonly problem: string }
}

/** By key of the policy. */
export function signOns(snapshot: Snapshot): PersistentMap<SignOn> {
  const policies = snapshot.all('security.weft.dev/OIDCPolicy')
  if (policies.size === 0) return NONE
  return resolved([policies, secretsOf(policies, snapshot.all('core/Secret'))], knownProviders(snapshot))
}

/** Those that may be for a gateway: it is for its routes to say whether those for HTTPRoutes are. */
export function signOnsOfGateway(
  signOns: PersistentMap<SignOn>,
  proxy: GatewayProxy,
  gatewayKey: string | undefined,
): PersistentMap<SignOn> {
  return signOns.size === 0 ? NONE : possible([signOns], proxy, gatewayKey)
}

/** The one that counts among several for the same: the oldest. */
export function oldest(signOns: readonly SignOn[]): SignOn | undefined {
  return [...signOns].sort((a, b) => byAge(a.policy, b.policy))[0]
}

/** Whether a policy says by itself, without targets, which gateways it is for, and whether this is one. */
export function selectsGateway({ policy, spec }: Pick<SignOn, 'policy' | 'spec'>, proxy: GatewayProxy): boolean {
  const { namespace } = policy.metadata
  if (spec.targetRefs || (namespace !== proxy.namespace && namespace !== ROOT_NAMESPACE)) return false
  return matchesLabels(spec.selector?.matchLabels, proxy.labels)
}

/** The keys (`namespace/name`) of what a policy is for, of one kind. */
export function targetsOf({ policy, spec }: Pick<SignOn, 'policy' | 'spec'>, kind: 'Gateway' | 'HTTPRoute') {
  return (spec.targetRefs ?? []).flatMap((ref) =>
    ref.kind === kind ? [{ key: `${policy.metadata.namespace}/${ref.name}`, section: ref.sectionName }] : [],
  )
}

const NONE = PersistentMap.empty<SignOn>()
const NO_SECRETS = PersistentMap.empty<Secret>()

const secretsOf = deriveReferences<OIDCPolicy, Secret>('mesh/sign-on/secrets', (_, { metadata, spec }) =>
  spec ? [`${metadata.namespace}/${spec.clientSecret.name}`] : [],
)

const resolved = deriveMap<[PersistentMap<OIDCPolicy>, PersistentMap<PersistentMap<Secret>>], [KnownProviders], SignOn>(
  'mesh/sign-on',
  (_, [policy, secrets = NO_SECRETS], known) =>
    policy?.spec && {
      policy,
      spec: policy.spec,
      ready: readiness(policy, policy.spec, [...secrets.values()][0], known),
    },
)

const possible = deriveMap<[PersistentMap<SignOn>], [GatewayProxy, string | undefined], SignOn>(
  'mesh/sign-on/of-gateway',
  (_, [signOn], proxy, gatewayKey) =>
    signOn &&
    (selectsGateway(signOn, proxy) ||
      targetsOf(signOn, 'HTTPRoute').length > 0 ||
      targetsOf(signOn, 'Gateway').some(({ key }) => key === gatewayKey))
      ? signOn
      : undefined,
)

function readiness(
  { metadata }: OIDCPolicy,
  { clientSecret, provider, clientAuthentication }: OIDCPolicySpec,
  secret: Secret | undefined,
  known: KnownProviders,
): SignOn['ready'] {
  const name = `Secret ${metadata.namespace}/${clientSecret.name}`
  if (!secret) return { problem: `there is no ${name}` }
  if (!secretData(secret, 'client-secret')?.length) return { problem: `${name} has no client-secret in it` }
  const found = known[provider.issuer]
  const discovered = found && 'token' in found ? found : undefined
  const authorization = provider.authorizationEndpoint ?? discovered?.authorization
  const token = provider.tokenEndpoint ?? discovered?.token
  const jwks = provider.jwksURI ?? discovered?.jwks
  const endSession = provider.endSessionEndpoint ?? discovered?.endSession
  if (!authorization || !token || !jwks)
    return {
      problem:
        found && 'problem' in found
          ? `${provider.issuer} ${found.problem}`
          : `it is not known yet where ${provider.issuer} has its endpoints`,
    }
  const basic = clientAuthentication ? clientAuthentication === 'Basic' : (discovered?.basic ?? true)
  return { secret, endpoints: { authorization, token, jwks, basic, ...(endSession ? { endSession } : {}) } }
}

/** Whether something of the provider has to be asked of itself. */
export function wantsDiscovery({ provider }: OIDCPolicySpec): boolean {
  return !provider.authorizationEndpoint || !provider.tokenEndpoint || !provider.jwksURI
}
