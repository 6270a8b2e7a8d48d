import type { EstateObject } from '../../estate/estate.ts'
import type { Finding } from '../onboarding.ts'
import { hostsOf, ownMetadata, rulesForHost } from '../rules.ts'
import type { Step, View } from '../step.ts'
import { nameText } from '../writing.ts'

interface TrafficPolicy {
  readonly tls?: { readonly mode?: string }
  readonly portLevelSettings?: readonly { readonly tls?: { readonly mode?: string } }[]
  readonly [field: string]: unknown
}

interface DestinationRuleSpec {
  readonly trafficPolicy?: TrafficPolicy
  readonly subsets?: readonly { readonly trafficPolicy?: TrafficPolicy }[]
  readonly [field: string]: unknown
}

/** Callers with a proxy use mutual TLS, and nothing else: what goes wrong with it shows now, not at STRICT. */
export const MUTUAL_TLS: Step = {
  name: 'mutual-tls',
  title: 'mutual TLS required of callers',

  async gate(view) {
    const findings: Finding[] = []
    const bare = view.instances.filter(({ hasProxy }) => !hasProxy)
    for (const { name } of bare)
      findings.push({
        holds: false,
        says: `${name} is behind its Services and has no proxy to take mutual TLS`,
        remedy: 'give it a proxy, or take it out of the Service',
      })
    if (bare.length === 0)
      findings.push({
        holds: view.instances.length > 0,
        says: `all ${view.instances.length} instances behind its Services have proxies`,
        remedy: 'start one',
      })
    for (const { host } of hostsOf(view))
      for (const rule of rulesForHost(view, 'DestinationRule', host))
        for (const mode of otherModes(rule))
          findings.push({
            holds: false,
            says: `${nameText(rule)} says tls mode ${mode}`,
            remedy: 'set it to ISTIO_MUTUAL, or take it out',
          })
    return findings
  },

  async propose(view) {
    const put = hostsOf(view).flatMap(({ host, service }): EstateObject[] => {
      const rules = rulesForHost(view, 'DestinationRule', host)
      if (rules.length === 0) return [newRule(view, host, service)]
      return rules.filter((rule) => trafficPolicy(rule)?.tls?.mode !== 'ISTIO_MUTUAL').map(withMutualTls)
    })
    if (put.length === 0) return { nothing: 'its callers are told so already' }
    return { put, remove: [], findings: [] }
  },

  telltales: ['UF'],
}

/** Whether callers of a host are told to use mutual TLS. */
export function requiresMutualTls(view: Pick<View, 'rules'>, host: string): boolean {
  return rulesForHost(view, 'DestinationRule', host).some((rule) =>
    policiesOf(rule).some(({ tls }) => tls?.mode === 'ISTIO_MUTUAL' || tls?.mode === 'MUTUAL'),
  )
}

function trafficPolicy(rule: EstateObject): TrafficPolicy | undefined {
  return ((rule['spec'] ?? {}) as DestinationRuleSpec).trafficPolicy
}

/** All that a rule says of traffic: of all of it, of its subsets, and of ports. */
function policiesOf(rule: EstateObject): readonly TrafficPolicy[] {
  const { trafficPolicy = {}, subsets = [] } = (rule['spec'] ?? {}) as DestinationRuleSpec
  const policies = [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy ?? {})]
  return policies.flatMap((policy) => [policy, ...(policy.portLevelSettings ?? [])])
}

function otherModes(rule: EstateObject): readonly string[] {
  return policiesOf(rule).flatMap(({ tls }) =>
    tls?.mode === undefined || tls.mode === 'ISTIO_MUTUAL' ? [] : [tls.mode],
  )
}

/** A rule of the application for a host, as it is where there is none. */
export function newRule(view: View, host: string, service: EstateObject): EstateObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: ownMetadata(view.onboarding.spec.application, service.metadata.name),
    spec: { host, trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } },
  }
}

function withMutualTls(rule: EstateObject): EstateObject {
  const spec = (rule['spec'] ?? {}) as DestinationRuleSpec
  return { ...rule, spec: { ...spec, trafficPolicy: { ...spec.trafficPolicy, tls: { mode: 'ISTIO_MUTUAL' } } } }
}
