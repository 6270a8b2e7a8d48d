import type * as adoption from './adoption.ts'
import type * as core from './core.ts'
import { closest } from './did-you-mean.ts'
import type * as gatewayApi from './gateway-api.ts'
import type * as istio from './istio.ts'
import type * as observability from './observability.ts'
import type * as security from './security.ts'

/** Every kind that Weft reads, by `group/Kind` (`core/` for the core group). */
export interface KindTypes {
  'core/Namespace': core.Namespace
  'core/Service': core.Service
  'core/ServiceAccount': core.ServiceAccount
  'core/Pod': core.Pod
  'core/Node': core.Node
  'core/Secret': core.Secret
  'core/ConfigMap': core.ConfigMap
  'apps/Deployment': core.Deployment
  'discovery.k8s.io/EndpointSlice': core.EndpointSlice
  'networking.istio.io/VirtualService': istio.VirtualService
  'networking.istio.io/DestinationRule': istio.DestinationRule
  'networking.istio.io/Gateway': istio.Gateway
  'networking.istio.io/ServiceEntry': istio.ServiceEntry
  'networking.istio.io/WorkloadEntry': istio.WorkloadEntry
  'networking.istio.io/WorkloadGroup': istio.WorkloadGroup
  'networking.istio.io/Sidecar': istio.Sidecar
  'networking.istio.io/EnvoyFilter': istio.EnvoyFilter
  'networking.istio.io/ProxyConfig': istio.ProxyConfig
  'security.istio.io/PeerAuthentication': istio.PeerAuthentication
  'security.istio.io/RequestAuthentication': istio.RequestAuthentication
  'security.istio.io/AuthorizationPolicy': istio.AuthorizationPolicy
  'telemetry.istio.io/Telemetry': istio.Telemetry
  'extensions.istio.io/WasmPlugin': istio.WasmPlugin
  'extensions.istio.io/TrafficExtension': istio.TrafficExtension
  'gateway.networking.k8s.io/GatewayClass': gatewayApi.GatewayClass
  'gateway.networking.k8s.io/Gateway': gatewayApi.Gateway
  'gateway.networking.k8s.io/ListenerSet': gatewayApi.ListenerSet
  'gateway.networking.k8s.io/HTTPRoute': gatewayApi.HTTPRoute
  'gateway.networking.k8s.io/GRPCRoute': gatewayApi.GRPCRoute
  'gateway.networking.k8s.io/TLSRoute': gatewayApi.TLSRoute
  'gateway.networking.k8s.io/TCPRoute': gatewayApi.TCPRoute
  'gateway.networking.k8s.io/UDPRoute': gatewayApi.UDPRoute
  'gateway.networking.k8s.io/ReferenceGrant': gatewayApi.ReferenceGrant
  'gateway.networking.k8s.io/BackendTLSPolicy': gatewayApi.BackendTLSPolicy
  'adoption.weft.dev/Application': adoption.Application
  'adoption.weft.dev/Onboarding': adoption.Onboarding
  'observability.weft.dev/ServiceLevelObjective': observability.ServiceLevelObjective
  'observability.weft.dev/AlertRule': observability.AlertRule
  'observability.weft.dev/AlertReceiver': observability.AlertReceiver
  'observability.weft.dev/Silence': observability.Silence
  'security.weft.dev/OIDCPolicy': security.OIDCPolicy
}

export type KindId = keyof KindTypes

export interface Kind {
  readonly id: KindId
  /** API group, '' for core. */
  readonly group: string
  readonly kind: string
  /** Versions that we take, preferred first; all share one schema as far as we read it. */
  readonly versions: readonly string[]
  readonly plural: string
  readonly shortNames: readonly string[]
  readonly namespaced: boolean
}

/** Versions (preferred first), plural, short names; `cluster` for kinds that are in no namespace. */
type Row = readonly [versions: string, plural: string, shortNames?: string, scope?: 'cluster']

const TABLE: Readonly<Record<KindId, Row>> = {
  'core/Namespace': ['v1', 'namespaces', 'ns', 'cluster'],
  'core/Service': ['v1', 'services', 'svc'],
  'core/ServiceAccount': ['v1', 'serviceaccounts', 'sa'],
  'core/Pod': ['v1', 'pods', 'po'],
  'core/Node': ['v1', 'nodes', 'no', 'cluster'],
  'core/Secret': ['v1', 'secrets'],
  'core/ConfigMap': ['v1', 'configmaps', 'cm'],
  'apps/Deployment': ['v1', 'deployments', 'deploy'],
  'discovery.k8s.io/EndpointSlice': ['v1', 'endpointslices'],
  'networking.istio.io/VirtualService': ['v1 v1beta1 v1alpha3', 'virtualservices', 'vs'],
  'networking.istio.io/DestinationRule': ['v1 v1beta1 v1alpha3', 'destinationrules', 'dr'],
  'networking.istio.io/Gateway': ['v1 v1beta1 v1alpha3', 'gateways', 'gw'],
  'networking.istio.io/ServiceEntry': ['v1 v1beta1 v1alpha3', 'serviceentries', 'se'],
  'networking.istio.io/WorkloadEntry': ['v1 v1beta1 v1alpha3', 'workloadentries', 'we'],
  'networking.istio.io/WorkloadGroup': ['v1 v1beta1 v1alpha3', 'workloadgroups', 'wg'],
  'networking.istio.io/Sidecar': ['v1 v1beta1 v1alpha3', 'sidecars'],
  'networking.istio.io/EnvoyFilter': ['v1alpha3', 'envoyfilters'],
  'networking.istio.io/ProxyConfig': ['v1beta1', 'proxyconfigs'],
  'security.istio.io/PeerAuthentication': ['v1 v1beta1', 'peerauthentications', 'pa'],
  'security.istio.io/RequestAuthentication': ['v1 v1beta1', 'requestauthentications', 'ra'],
  'security.istio.io/AuthorizationPolicy': ['v1 v1beta1', 'authorizationpolicies', 'ap'],
  'telemetry.istio.io/Telemetry': ['v1 v1alpha1', 'telemetries', 'telemetry'],
  'extensions.istio.io/WasmPlugin': ['v1alpha1', 'wasmplugins'],
  'extensions.istio.io/TrafficExtension': ['v1alpha1', 'trafficextensions'],
  'gateway.networking.k8s.io/GatewayClass': ['v1 v1beta1', 'gatewayclasses', 'gc', 'cluster'],
  'gateway.networking.k8s.io/Gateway': ['v1 v1beta1', 'gateways', 'gtw'],
  'gateway.networking.k8s.io/ListenerSet': ['v1', 'listenersets', 'lset'],
  'gateway.networking.k8s.io/HTTPRoute': ['v1 v1beta1', 'httproutes'],
  'gateway.networking.k8s.io/GRPCRoute': ['v1', 'grpcroutes'],
  'gateway.networking.k8s.io/TLSRoute': ['v1 v1alpha3 v1alpha2', 'tlsroutes'],
  'gateway.networking.k8s.io/TCPRoute': ['v1 v1alpha2', 'tcproutes'],
  'gateway.networking.k8s.io/UDPRoute': ['v1 v1alpha2', 'udproutes'],
  'gateway.networking.k8s.io/ReferenceGrant': ['v1 v1beta1', 'referencegrants', 'refgrant'],
  'gateway.networking.k8s.io/BackendTLSPolicy': ['v1 v1alpha3', 'backendtlspolicies', 'btlspolicy'],
  'adoption.weft.dev/Application': ['v1alpha1', 'applications', 'wapp'],
  'adoption.weft.dev/Onboarding': ['v1alpha1', 'onboardings', 'wonb'],
  'observability.weft.dev/ServiceLevelObjective': ['v1alpha1', 'servicelevelobjectives', 'slo'],
  'observability.weft.dev/AlertRule': ['v1alpha1', 'alertrules'],
  'observability.weft.dev/AlertReceiver': ['v1alpha1', 'alertreceivers'],
  'observability.weft.dev/Silence': ['v1alpha1', 'silences'],
  'security.weft.dev/OIDCPolicy': ['v1alpha1', 'oidcpolicies', 'oidc'],
}

/** Every kind that Weft reads. */
export const KINDS: Readonly<Record<KindId, Kind>> = Object.fromEntries(
  Object.entries(TABLE).map(([key, [versions, plural, shortNames, scope]]) => {
    const id = key as KindId
    const [group = '', kind = ''] = id.split('/')
    const entry: Kind = {
      id,
      group: group === 'core' ? '' : group,
      kind,
      versions: versions.split(' '),
      plural,
      shortNames: shortNames?.split(' ') ?? [],
      namespaced: scope !== 'cluster',
    }
    return [id, entry]
  }),
) as Record<KindId, Kind>

const ALL = Object.values(KINDS)
const BY_NAME = new Map(ALL.map((kind) => [`${kind.group}/${kind.kind}`, kind]))

/** The group and version in an `apiVersion`: `apps/v1` is `apps`, `v1`; `v1` is '', `v1`. */
export function groupVersion(apiVersion: string): { readonly group: string; readonly version: string } {
  const slash = apiVersion.lastIndexOf('/')
  return { group: apiVersion.slice(0, Math.max(slash, 0)), version: apiVersion.slice(slash + 1) }
}

/** The kind of an object, in any version that we take; `undefined` for others. */
export function kindOf(apiVersion: string, kind: string): Kind | undefined {
  const { group, version } = groupVersion(apiVersion)
  const found = BY_NAME.get(`${group}/${kind}`)
  return found?.versions.includes(version) ? found : undefined
}

/** The kind of that group and name, whatever the version. */
export function kindInGroup(group: string, kind: string): Kind | undefined {
  return BY_NAME.get(`${group}/${kind}`)
}

/** `apiVersion` in the version that we prefer: `networking.istio.io/v1`. */
export function apiVersionOf(kind: Kind): string {
  const version = kind.versions[0] ?? 'v1'
  return kind.group === '' ? version : `${kind.group}/${version}`
}

/**
 * The kinds that a person means by a name, as kubectl takes it: kind, singular, plural or short name in any case, with or
 * without `.GROUP`. Several where the name is ambiguous: `gateways` is Gateway API's and Istio's.
 */
export function kindsNamed(name: string): readonly Kind[] {
  const [first = '', ...rest] = name.toLowerCase().split('.')
  const group = rest.join('.')
  return ALL.filter(
    (kind) =>
      (rest.length === 0 || group === kind.group) &&
      (first === kind.kind.toLowerCase() || first === kind.plural || kind.shortNames.includes(first)),
  )
}

/** The name of a kind that is most like one that is none; `undefined` where none is near. */
export function kindNameLike(name: string): string | undefined {
  const [first = ''] = name.toLowerCase().split('.')
  const names = ALL.flatMap((kind) => [kind.kind.toLowerCase(), kind.plural])
  return closest(first, names)
}
