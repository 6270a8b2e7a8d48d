import { ROOT_NAMESPACE } from '../../mesh/visibility.ts'
import { hostMatches, resolveHost, serviceHost } from '../../resources/host.ts'
import { type AppWorkload, type EstateObject, groupOf, servicesOf } from '../estate/estate.ts'
import type { View } from './step.ts'

/** Kinds that steps write or look at. */
export const RULE_KINDS = [
  { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication' },
  { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy' },
  { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule' },
  { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService' },
  { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway' },
  { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute' },
] as const

type RuleKind = (typeof RULE_KINDS)[number]['kind']

/** Put on all that onboarding makes: with it an object is ours to take away. */
const OWNER_LABEL = 'adoption.weft.dev/application'
/** Set on pods that are the first of their workload to have a proxy. */
export const CANARY_LABEL = 'adoption.weft.dev/canary'
/** Annotates a workload of which one instance is to be made anew, and no more than that. */
export const FIRST_INSTANCE = 'adoption.weft.dev/first-instance'

type Labels = Readonly<Record<string, string>>

/** Rules of a kind, of its own API group. */
export function rulesOf({ rules }: Pick<View, 'rules'>, kind: RuleKind): readonly EstateObject[] {
  const group = groupOf(RULE_KINDS.find((each) => each.kind === kind)?.apiVersion ?? '')
  return rules.filter((rule) => rule.kind === kind && groupOf(rule.apiVersion) === group)
}

/** Whether onboarding of this application made it. */
export function isOurs({ metadata }: EstateObject, application: string): boolean {
  return metadata.labels?.[OWNER_LABEL] === labelOf(application)
}

/** `namespace/name` as the value of a label: the name, as what is ours is in the same namespace. */
function labelOf(application: string): string {
  return application.slice(application.indexOf('/') + 1).slice(0, 63)
}

/** The labels that all pods of a workload have, and keep. */
export function podLabels({ object, template }: AppWorkload): Labels {
  const { selector } = (object['spec'] ?? {}) as { readonly selector?: { readonly matchLabels?: Labels } }
  return selector?.matchLabels ?? template.metadata?.labels ?? {}
}

/** What takes this part of a policy: `spec.selector.matchLabels`. Without one it takes all of its namespace. */
export function selectorOf(rule: EstateObject): Labels {
  const { selector } = (rule['spec'] ?? {}) as { readonly selector?: { readonly matchLabels?: Labels } }
  return selector?.matchLabels ?? {}
}

/** Policies of a kind that count for a workload: its own, those of its namespace, and those of the mesh. */
export function policiesFor(
  view: Pick<View, 'rules'>,
  kind: 'PeerAuthentication' | 'AuthorizationPolicy',
  workload: AppWorkload,
): readonly EstateObject[] {
  const labels = workload.template.metadata?.labels ?? {}
  return rulesOf(view, kind).filter((rule) => {
    const { namespace = 'default' } = rule.metadata
    if (namespace !== workload.namespace && namespace !== ROOT_NAMESPACE) return false
    return Object.entries(selectorOf(rule)).every(([name, value]) => labels[name] === value)
  })
}

type Mode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT'

interface PeerAuthenticationSpec {
  readonly mtls?: { readonly mode?: Mode }
  readonly portLevelMtls?: Readonly<Record<string, { readonly mode?: Mode }>>
}

/** What a PeerAuthentication says, its ports too. */
export function modesOf(rule: EstateObject): readonly Mode[] {
  const { mtls, portLevelMtls = {} } = (rule['spec'] ?? {}) as PeerAuthenticationSpec
  return [mtls?.mode ?? 'UNSET', ...Object.values(portLevelMtls).map(({ mode = 'UNSET' }) => mode)]
}

/** Whether some port of a workload takes mutual TLS alone. What does not count here may only make it stricter than it is. */
export function demandsMutualTls(view: Pick<View, 'rules'>, workload: AppWorkload): boolean {
  const policies = policiesFor(view, 'PeerAuthentication', workload)
  const own = policies.filter((rule) => Object.keys(selectorOf(rule)).length > 0)
  const ofNamespace = policies.filter((rule) => !own.includes(rule) && rule.metadata.namespace === workload.namespace)
  const level = [own, ofNamespace, policies].find((rules) => rules.flatMap(modesOf).some((mode) => mode !== 'UNSET'))
  return (level ?? []).flatMap(modesOf).includes('STRICT')
}

/** AuthorizationPolicies that decide about calls to a workload, rather than being tried dry. */
export function enforcedPolicies(view: Pick<View, 'rules'>, workload: AppWorkload): readonly EstateObject[] {
  return policiesFor(view, 'AuthorizationPolicy', workload).filter((rule) => !isDryRun(rule))
}

export const DRY_RUN = 'istio.io/dry-run'

function isDryRun({ metadata }: EstateObject): boolean {
  return metadata.annotations?.[DRY_RUN] === 'true'
}

/** A Service before the application's workloads, with its full host name. */
export interface HostService {
  readonly host: string
  readonly service: EstateObject
}

/** By which hosts an application is called. */
export function hostsOf({ estate, workloads }: Pick<View, 'estate' | 'workloads'>): readonly HostService[] {
  const services = new Set(workloads.flatMap((workload) => servicesOf(estate, workload)))
  return [...services].map((service) => ({ host: hostOf(service), service }))
}

function hostOf({ metadata: { name, namespace = 'default' } }: EstateObject): string {
  return serviceHost(name, namespace)
}

/** DestinationRules, or VirtualServices, that callers in the mesh go by for a host, as they may write it. */
export function rulesForHost(
  view: Pick<View, 'rules'>,
  kind: 'DestinationRule' | 'VirtualService',
  host: string,
): readonly EstateObject[] {
  return rulesOf(view, kind).filter((rule) => {
    const spec = (rule['spec'] ?? {}) as {
      readonly host?: string
      readonly hosts?: readonly string[]
      readonly gateways?: readonly string[]
    }
    // One of gateways alone says nothing to the proxies of callers.
    if (spec.gateways && !spec.gateways.includes('mesh')) return false
    const written = kind === 'DestinationRule' ? [spec.host ?? ''] : (spec.hosts ?? [])
    return written.some((each) => hostMatches(resolveHost(each, rule.metadata.namespace ?? 'default'), host))
  })
}

/** `metadata` of something that onboarding makes. */
export function ownMetadata(application: string, name: string, annotations?: Labels): EstateObject['metadata'] {
  const namespace = application.slice(0, application.indexOf('/'))
  return { name, namespace, labels: { [OWNER_LABEL]: labelOf(application) }, ...(annotations ? { annotations } : {}) }
}
