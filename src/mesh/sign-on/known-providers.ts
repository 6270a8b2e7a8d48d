import type { ConfigMap } from '../../resources/core.ts'
import { KIND } from '../../resources/resource.ts'
import { derive } from '../../store/derive.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { ROOT_NAMESPACE } from '../visibility.ts'

/** Where gateways and people find an OpenID provider's parts: URLs. */
export interface ProviderEndpoints {
  readonly authorization: string
  readonly token: string
  readonly jwks: string
  readonly endSession?: string
  /** Whether it takes the client's secret as client_secret_basic. */
  readonly basic: boolean
}

/** What a provider says of itself, or why that is not known: the end of a sentence about it. */
export type KnownProvider = ProviderEndpoints | { readonly problem: string }

/** By issuer. */
export type KnownProviders = Readonly<Record<string, KnownProvider>>

/** What servers found out about the providers that OIDCPolicies name. Empty where nobody asked them, as where only files are looked at. */
export function knownProviders(snapshot: Snapshot): KnownProviders {
  const map = snapshot.get('core/ConfigMap', `${PLACE.namespace}/${PLACE.name}`)
  return map ? providersIn(map) : NONE
}

/** The object by which a server has its own Snapshot hold what it found out. */
export function knownProvidersMap(providers: KnownProviders): ConfigMap {
  return {
    [KIND]: 'core/ConfigMap',
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: PLACE,
    data: { [FIELD]: JSON.stringify(providers) },
  }
}

const PLACE = { namespace: ROOT_NAMESPACE, name: 'weft-known-oidc-providers' } as const
const FIELD = 'providers'
const NONE: KnownProviders = {}

const providersIn = derive('mesh/sign-on/known-providers', (map: ConfigMap): KnownProviders => {
  const text = map.data?.[FIELD]
  return text === undefined ? NONE : (JSON.parse(text) as KnownProviders)
})
