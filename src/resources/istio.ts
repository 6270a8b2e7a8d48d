/** Istio's kinds, and names for the parts of them that are worked with. Made from its published definitions. */
import type { TrafficExtensionSpec } from '#gen/types/extensions.istio.io_TrafficExtension.d.ts'
import type { WasmPluginSpec } from '#gen/types/extensions.istio.io_WasmPlugin.d.ts'
import type * as destinationRule from '#gen/types/networking.istio.io_DestinationRule.d.ts'
import type { EnvoyFilterSpec } from '#gen/types/networking.istio.io_EnvoyFilter.d.ts'
import type * as gateway from '#gen/types/networking.istio.io_Gateway.d.ts'
import type { ProxyConfigSpec } from '#gen/types/networking.istio.io_ProxyConfig.d.ts'
import type * as serviceEntry from '#gen/types/networking.istio.io_ServiceEntry.d.ts'
import type * as sidecar from '#gen/types/networking.istio.io_Sidecar.d.ts'
import type * as virtualService from '#gen/types/networking.istio.io_VirtualService.d.ts'
import type { WorkloadEntrySpec } from '#gen/types/networking.istio.io_WorkloadEntry.d.ts'
import type { WorkloadGroupSpec } from '#gen/types/networking.istio.io_WorkloadGroup.d.ts'
import type * as authorizationPolicy from '#gen/types/security.istio.io_AuthorizationPolicy.d.ts'
import type * as peerAuthentication from '#gen/types/security.istio.io_PeerAuthentication.d.ts'
import type * as requestAuthentication from '#gen/types/security.istio.io_RequestAuthentication.d.ts'
import type { TelemetrySpec } from '#gen/types/telemetry.istio.io_Telemetry.d.ts'
import type { DeepReadonly } from './deep-readonly.ts'
import type { Resource } from './resource.ts'

type Items<List> = NonNullable<List> extends readonly (infer Item)[] ? Item : never

/** All Istio kinds share one status. */
export type IstioStatus = DeepReadonly<virtualService.VirtualServiceStatus>

export type VirtualServiceSpec = DeepReadonly<virtualService.VirtualServiceSpec>
export type VirtualService = Resource<VirtualServiceSpec, IstioStatus>
export type HttpRoute = Items<VirtualServiceSpec['http']>
export type HttpMatch = Items<HttpRoute['match']>
export type HttpRouteDestination = Items<HttpRoute['route']>
export type Destination = NonNullable<HttpRouteDestination['destination']>
export type HttpRedirect = NonNullable<HttpRoute['redirect']>
export type HttpRewrite = NonNullable<HttpRoute['rewrite']>
export type HttpDirectResponse = NonNullable<HttpRoute['directResponse']>
export type HttpRetry = NonNullable<HttpRoute['retries']>
export type HttpFault = NonNullable<HttpRoute['fault']>
export type HttpHeaders = NonNullable<HttpRoute['headers']>
export type HeaderOperations = NonNullable<HttpHeaders['request']>
export type CorsPolicy = NonNullable<HttpRoute['corsPolicy']>
export type StringMatch = NonNullable<HttpMatch['uri']>
export type TcpRoute = Items<VirtualServiceSpec['tcp']>
export type TcpMatch = Items<TcpRoute['match']>
export type TlsRoute = Items<VirtualServiceSpec['tls']>
export type TlsMatch = Items<TlsRoute['match']>
/** Of a TCP or TLS route. */
export type RouteDestination = Items<TcpRoute['route']>

export type DestinationRuleSpec = DeepReadonly<destinationRule.DestinationRuleSpec>
export type DestinationRule = Resource<DestinationRuleSpec, IstioStatus>
export type Subset = Items<DestinationRuleSpec['subsets']>
export type TrafficPolicy = NonNullable<DestinationRuleSpec['trafficPolicy']>
export type PortTrafficPolicy = Items<TrafficPolicy['portLevelSettings']>
export type LoadBalancer = NonNullable<TrafficPolicy['loadBalancer']>
export type ConsistentHash = NonNullable<LoadBalancer['consistentHash']>
export type ConnectionPool = NonNullable<TrafficPolicy['connectionPool']>
export type OutlierDetection = NonNullable<TrafficPolicy['outlierDetection']>
export type ClientTls = NonNullable<TrafficPolicy['tls']>

export type GatewaySpec = DeepReadonly<gateway.GatewaySpec>
export type Gateway = Resource<GatewaySpec, IstioStatus>
/** One of a Gateway's `servers`. */
export type GatewayServer = Items<GatewaySpec['servers']>
export type ServerTls = NonNullable<GatewayServer['tls']>

export type ServiceEntrySpec = DeepReadonly<serviceEntry.ServiceEntrySpec>
export type ServiceEntry = Resource<ServiceEntrySpec, IstioStatus>
export type ServiceEntryEndpoint = Items<ServiceEntrySpec['endpoints']>

export type WorkloadEntry = Resource<DeepReadonly<WorkloadEntrySpec>, IstioStatus>
export type WorkloadGroup = Resource<DeepReadonly<WorkloadGroupSpec>, IstioStatus>

export type SidecarSpec = DeepReadonly<sidecar.SidecarSpec>
export type Sidecar = Resource<SidecarSpec, IstioStatus>

export type EnvoyFilter = Resource<DeepReadonly<EnvoyFilterSpec>, IstioStatus>
export type ProxyConfig = Resource<DeepReadonly<ProxyConfigSpec>, IstioStatus>

export type PeerAuthenticationSpec = DeepReadonly<peerAuthentication.PeerAuthenticationSpec>
export type PeerAuthentication = Resource<PeerAuthenticationSpec, IstioStatus>

export type RequestAuthenticationSpec = DeepReadonly<requestAuthentication.RequestAuthenticationSpec>
export type RequestAuthentication = Resource<RequestAuthenticationSpec, IstioStatus>

export type AuthorizationPolicySpec = DeepReadonly<authorizationPolicy.AuthorizationPolicySpec>
export type AuthorizationPolicy = Resource<AuthorizationPolicySpec, IstioStatus>

export type Telemetry = Resource<DeepReadonly<TelemetrySpec>, IstioStatus>
export type WasmPlugin = Resource<DeepReadonly<WasmPluginSpec>, IstioStatus>
export type TrafficExtension = Resource<DeepReadonly<TrafficExtensionSpec>, IstioStatus>
