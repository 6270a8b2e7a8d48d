/** Gateway API's kinds, and names for the parts of them that are worked with. Made from its published definitions. */
import type * as backendTlsPolicy from '#gen/types/gateway.networking.k8s.io_BackendTLSPolicy.d.ts'
import type * as gateway from '#gen/types/gateway.networking.k8s.io_Gateway.d.ts'
import type * as gatewayClass from '#gen/types/gateway.networking.k8s.io_GatewayClass.d.ts'
import type * as grpcRoute from '#gen/types/gateway.networking.k8s.io_GRPCRoute.d.ts'
import type * as httpRoute from '#gen/types/gateway.networking.k8s.io_HTTPRoute.d.ts'
import type * as listenerSet from '#gen/types/gateway.networking.k8s.io_ListenerSet.d.ts'
import type { ReferenceGrantSpec as GeneratedReferenceGrantSpec } from '#gen/types/gateway.networking.k8s.io_ReferenceGrant.d.ts'
import type * as tcpRoute from '#gen/types/gateway.networking.k8s.io_TCPRoute.d.ts'
import type * as tlsRoute from '#gen/types/gateway.networking.k8s.io_TLSRoute.d.ts'
import type * as udpRoute from '#gen/types/gateway.networking.k8s.io_UDPRoute.d.ts'
import type { DeepReadonly } from './deep-readonly.ts'
import type { Resource } from './resource.ts'

type Items<List> = NonNullable<List> extends readonly (infer Item)[] ? Item : never

export type GatewayClass = Resource<
  DeepReadonly<gatewayClass.GatewayClassSpec>,
  DeepReadonly<gatewayClass.GatewayClassStatus>
>

export type GatewaySpec = DeepReadonly<gateway.GatewaySpec>
export type GatewayStatus = DeepReadonly<gateway.GatewayStatus>
export type Gateway = Resource<GatewaySpec, GatewayStatus>
export type Listener = Items<GatewaySpec['listeners']>

export type ListenerSetSpec = DeepReadonly<listenerSet.ListenerSetSpec>
export type ListenerSet = Resource<ListenerSetSpec, DeepReadonly<listenerSet.ListenerSetStatus>>

export type HTTPRouteSpec = DeepReadonly<httpRoute.HTTPRouteSpec>
export type HTTPRouteStatus = DeepReadonly<httpRoute.HTTPRouteStatus>
export type HTTPRoute = Resource<HTTPRouteSpec, HTTPRouteStatus>
export type HTTPRouteRule = Items<HTTPRouteSpec['rules']>
export type HTTPRouteMatch = Items<HTTPRouteRule['matches']>
export type HTTPRouteFilter = Items<HTTPRouteRule['filters']>
export type HTTPBackendRef = Items<HTTPRouteRule['backendRefs']>
export type HTTPHeaderFilter = NonNullable<HTTPRouteFilter['requestHeaderModifier']>
export type HTTPRequestRedirect = NonNullable<HTTPRouteFilter['requestRedirect']>
export type HTTPUrlRewrite = NonNullable<HTTPRouteFilter['urlRewrite']>
export type HTTPRequestMirror = NonNullable<HTTPRouteFilter['requestMirror']>
/** Which Gateway, listener or Service a route is for: the same for all kinds of routes. */
export type ParentRef = Items<HTTPRouteSpec['parentRefs']>

export type GRPCRouteSpec = DeepReadonly<grpcRoute.GRPCRouteSpec>
export type GRPCRoute = Resource<GRPCRouteSpec, DeepReadonly<grpcRoute.GRPCRouteStatus>>
export type GRPCRouteRule = Items<GRPCRouteSpec['rules']>
export type GRPCRouteMatch = Items<GRPCRouteRule['matches']>

export type TLSRouteSpec = DeepReadonly<tlsRoute.TLSRouteSpec>
export type TLSRoute = Resource<TLSRouteSpec, DeepReadonly<tlsRoute.TLSRouteStatus>>

export type TCPRouteSpec = DeepReadonly<tcpRoute.TCPRouteSpec>
export type TCPRoute = Resource<TCPRouteSpec, DeepReadonly<tcpRoute.TCPRouteStatus>>

export type UDPRouteSpec = DeepReadonly<udpRoute.UDPRouteSpec>
export type UDPRoute = Resource<UDPRouteSpec, DeepReadonly<udpRoute.UDPRouteStatus>>

export type ReferenceGrantSpec = DeepReadonly<GeneratedReferenceGrantSpec>
export type ReferenceGrant = Resource<ReferenceGrantSpec>

export type BackendTLSPolicySpec = DeepReadonly<backendTlsPolicy.BackendTLSPolicySpec>
export type BackendTLSPolicy = Resource<BackendTLSPolicySpec, DeepReadonly<backendTlsPolicy.BackendTLSPolicyStatus>>
