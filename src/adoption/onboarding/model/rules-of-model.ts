import type { EstateObject } from '../../estate/estate.ts'

/** What a proxy, or a pod, of the model goes by: its own copy of what is written. */
export type Rules = readonly EstateObject[]

/** Where all of the model is. */
export const NAMESPACE = 'shop'

type Labels = Readonly<Record<string, string>>

/** Who calls whom, and with what: all that the model's rules look at. */
export interface ModelCall {
  readonly namespace: string
  readonly caller: { readonly name: string; readonly hasProxy: boolean; readonly rules: Rules }
  readonly callee: { readonly name: string; readonly hasProxy: boolean; readonly rules: Rules; readonly labels: Labels }
  /** Ms. */
  readonly takes: number
}

export type Outcome = 'ok' | 'refused' | 'unreachable' | 'timeout'

/** What becomes of a call, by Istio's rules: written down here anew, apart from the steps that are tried against it. */
export function outcomeOf({ namespace, caller, callee, takes }: ModelCall): {
  readonly outcome: Outcome
  readonly mutualTls: boolean
} {
  const host = `${callee.name}.${namespace}.svc.cluster.local`
  const destination = caller.rules.find(
    ({ kind, ...rule }) => kind === 'DestinationRule' && (rule['spec'] as { host?: string }).host === host,
  )
  const demanded =
    (destination?.['spec'] as { trafficPolicy?: { tls?: { mode?: string } } } | undefined)?.trafficPolicy?.tls?.mode ===
    'ISTIO_MUTUAL'
  if (caller.hasProxy && demanded && !callee.hasProxy) return { outcome: 'unreachable', mutualTls: false }
  const mutualTls = caller.hasProxy && callee.hasProxy
  const timeout = caller.hasProxy ? timeoutTo(host, caller.rules) : undefined
  if (timeout !== undefined && takes > timeout) return { outcome: 'timeout', mutualTls }
  if (!callee.hasProxy) return { outcome: 'ok', mutualTls }
  if (isStrict(callee.rules, callee.labels) && !mutualTls) return { outcome: 'refused', mutualTls }
  const allowed = isAllowed(callee.rules, callee.labels, mutualTls ? principalOf(namespace, caller.name) : undefined)
  return { outcome: allowed ? 'ok' : 'refused', mutualTls }
}

export function principalOf(namespace: string, name: string): string {
  return `cluster.local/ns/${namespace}/sa/${name}`
}

function selects(rule: EstateObject, labels: Labels): boolean {
  const { selector } = rule['spec'] as { selector?: { matchLabels?: Labels } }
  return Object.entries(selector?.matchLabels ?? {}).every(([name, value]) => labels[name] === value)
}

function isStrict(rules: Rules, labels: Labels): boolean {
  return rules.some(
    (rule) =>
      rule.kind === 'PeerAuthentication' &&
      selects(rule, labels) &&
      (rule['spec'] as { mtls?: { mode?: string } }).mtls?.mode === 'STRICT',
  )
}

function isAllowed(rules: Rules, labels: Labels, principal: string | undefined): boolean {
  const policies = rules.filter(
    (rule) =>
      rule.kind === 'AuthorizationPolicy' &&
      rule.metadata.annotations?.['istio.io/dry-run'] !== 'true' &&
      selects(rule, labels),
  )
  if (policies.length === 0) return true
  return policies.some((policy) => {
    const spec = policy['spec'] as { rules?: { from?: { source: { principals: string[] } }[] }[] }
    return spec.rules?.some((rule) =>
      rule.from?.some(({ source }) => principal !== undefined && source.principals.includes(principal)),
    )
  })
}

function timeoutTo(host: string, rules: Rules): number | undefined {
  const route = rules.find(
    ({ kind, ...rule }) => kind === 'VirtualService' && (rule['spec'] as { hosts: string[] }).hosts.includes(host),
  )
  const [first] = (route?.['spec'] as { http?: { timeout?: string }[] } | undefined)?.http ?? []
  return first?.timeout === undefined ? undefined : Number.parseFloat(first.timeout)
}
