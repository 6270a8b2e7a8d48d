import type { AuthorizationPolicy, AuthorizationPolicySpec } from '../resources/istio.ts'
import { derive } from '../store/derive.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { MESH_CONFIG_MAP, writtenMeshConfig } from './mesh-config.ts'
import { ROOT_NAMESPACE } from './visibility.ts'

/** Where all identities of the mesh live, unless it was installed with another name; and what policies may always call it, as in Istio. */
export const DEFAULT_TRUST_DOMAIN = 'cluster.local'

let own = DEFAULT_TRUST_DOMAIN
let ownAliases: readonly string[] = []

/** Says in which trust domain the identities of this process's mesh are, which its authority decides, and which other names it goes by: once, before anything is derived. */
export function useTrustDomain(name: string, aliases: readonly string[] = []): void {
  own = name
  ownAliases = aliases.filter((alias) => alias !== name)
}

/** The SPIFFE ID of pods that run as a service account, in Istio's form. */
export function spiffeId(namespace: string, serviceAccount: string): string {
  return `spiffe://${own}/ns/${namespace}/sa/${serviceAccount}`
}

/** A ConfigMap that is in no file and no cluster: the server tells there which other trust domains are believed, in `data.domains`, separated by spaces. */
export const FEDERATED_DOMAINS = { namespace: ROOT_NAMESPACE, name: 'weft-federated-domains' } as const

/** Other names of the mesh's own trust domain: those of the installation, and `trustDomainAliases` of the mesh config. The same list for equal ones. */
export function trustDomainAliases(snapshot: Snapshot): readonly string[] {
  const map = snapshot.get('core/ConfigMap', MESH_CONFIG_MAP)
  return words([...ownAliases, map ? aliasText(map.data?.['mesh'] ?? '') : ''].join(' '))
}

/** Whom a server of the mesh takes for a client with mutual TLS. */
export interface MeshPeers {
  /** Trust domains whose identities are let in, as far as roots vouch for them: the own one and its aliases, and those that are federated with. */
  readonly domains: readonly string[]
  /** Whether TLS 1.2 will do: `meshMTLS.minProtocolVersion` of the mesh config. */
  readonly tls12: boolean
}

/** The same object for equal ones. */
export function meshPeers(snapshot: Snapshot): MeshPeers {
  const federated = snapshot.get('core/ConfigMap', `${FEDERATED_DOMAINS.namespace}/${FEDERATED_DOMAINS.name}`)
  const text = [own, ...trustDomainAliases(snapshot), federated?.data?.['domains'] ?? ''].join(' ').trim()
  const map = snapshot.get('core/ConfigMap', MESH_CONFIG_MAP)
  return peers(words(text), map !== undefined && takesTls12(map.data?.['mesh'] ?? ''))
}

const words = derive('mesh/trust-domains', (text: string): readonly string[] => [
  ...new Set(text.split(' ').filter(Boolean)),
])

const peers = derive('mesh/peers', (domains: readonly string[], tls12: boolean): MeshPeers => ({ domains, tls12 }))

const takesTls12 = derive('mesh/peers/tls', (mesh: string): boolean => {
  const { minProtocolVersion } = (written(mesh)['meshMTLS'] ?? {}) as { readonly minProtocolVersion?: unknown }
  return minProtocolVersion === 'TLSV1_2'
})

/** Nothing where it cannot be understood, which the analysis tells. */
function written(mesh: string): Readonly<Record<string, unknown>> {
  try {
    return writtenMeshConfig({ data: { mesh } } as never)
  } catch {
    return {}
  }
}

const aliasText = derive('mesh/trust-domain-aliases', (mesh: string): string => {
  const { trustDomainAliases: aliases } = written(mesh)
  return Array.isArray(aliases) ? aliases.filter((each) => typeof each === 'string' && each !== own).join(' ') : ''
})

/** The same identities by each name of their trust domain. */
export function byEveryName(identities: readonly string[], aliases: readonly string[]): readonly string[] {
  const prefix = `spiffe://${own}/`
  return identities.flatMap((identity) =>
    identity.startsWith(prefix)
      ? [identity, ...aliases.map((alias) => `spiffe://${alias}/${identity.slice(prefix.length)}`)]
      : [identity],
  )
}

/**
 * A policy in which principals of the own trust domain are written with each of its names, as Istio does it: who was `old/ns/a/sa/b` and is `new/ns/a/sa/b` is meant by either. `cluster.local`
 * means the own one, whatever it is called. The same object where that changes nothing.
 */
export const withAliases = derive(
  'mesh/trust-domains/policy',
  (policy: AuthorizationPolicy, aliases: readonly string[]): AuthorizationPolicy => {
    const { spec } = policy
    if (!spec?.rules || (aliases.length === 0 && own === DEFAULT_TRUST_DOMAIN)) return policy
    const names = [own, ...aliases]
    const principals = (list: readonly string[] | undefined) => list?.flatMap((each) => spelled(each, names))
    const domains = (list: readonly string[] | undefined) =>
      list?.flatMap((each) => (isNamed(each, names) ? [...new Set([each, ...names])] : [each]))
    const rules = spec.rules.map((rule) => ({
      ...rule,
      ...(rule.from && {
        from: rule.from.map(({ source }) => ({
          source: source && {
            ...source,
            ...changed('principals', principals(source.principals)),
            ...changed('notPrincipals', principals(source.notPrincipals)),
            ...changed('trustDomains', domains(source.trustDomains)),
            ...changed('notTrustDomains', domains(source.notTrustDomains)),
          },
        })),
      }),
      ...(rule.when && {
        when: rule.when.map((condition) =>
          condition.key === 'source.principal'
            ? {
                ...condition,
                ...changed('values', principals(condition.values)),
                ...changed('notValues', principals(condition.notValues)),
              }
            : condition,
        ),
      }),
    }))
    return { ...policy, spec: { ...spec, rules: rules as NonNullable<AuthorizationPolicySpec['rules']> } }
  },
)

function changed<K extends string>(name: K, list: readonly string[] | undefined): { [P in K]?: readonly string[] } {
  return list === undefined ? {} : ({ [name]: list } as { [P in K]: readonly string[] })
}

function spelled(principal: string, names: readonly string[]): readonly string[] {
  const plain = principal.replace(/^spiffe:\/\//, '')
  const slash = plain.indexOf('/')
  const domain = plain.slice(0, Math.max(slash, 0))
  // `*`, `*/ns/…` and what ends before the domain does are not about one.
  if (slash < 0 || domain === '*' || !isNamed(domain, names)) return [principal]
  return [...new Set([plain, ...names.map((name) => `${name}${plain.slice(slash)}`)])]
}

/** Whether a domain, exact or with a star at an end, is the own one by any name. */
function isNamed(written: string, names: readonly string[]): boolean {
  const all = [...names, DEFAULT_TRUST_DOMAIN]
  if (written === '*' || written === '') return false
  if (written.startsWith('*')) return all.some((name) => name.endsWith(written.slice(1)))
  if (written.endsWith('*')) return all.some((name) => name.startsWith(written.slice(0, -1)))
  return all.includes(written)
}
