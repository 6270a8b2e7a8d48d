import type * as core from './core.ts'
import type * as gatewayApi from './gateway-api.ts'
import type * as istio from './istio.ts'
import type { Resource } from './resource.ts'

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
  'gateway.networking.k8s.io/GatewayClass': gatewayApi.GatewayClass
  'gateway.networking.k8s.io/Gateway': gatewayApi.Gateway
  'gateway.networking.k8s.io/HTTPRoute': gatewayApi.HTTPRoute
  'gateway.networking.k8s.io/GRPCRoute': gatewayApi.GRPCRoute
  'gateway.networking.k8s.io/TLSRoute': gatewayApi.TLSRoute
  'gateway.networking.k8s.io/TCPRoute': gatewayApi.TCPRoute
  'gateway.networking.k8s.io/ReferenceGrant': gatewayApi.ReferenceGrant
  'gateway.networking.k8s.io/BackendTLSPolicy': gatewayApi.BackendTLSPolicy
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

/** An object of a kind that is known only at run time. */
export type AnyResource = KindTypes[KindId] | Resource
