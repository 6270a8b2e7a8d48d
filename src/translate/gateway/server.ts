import type { TransportSocket } from '#envoy/config/core/v3/base'
import type { Route } from '#envoy/config/route/v3/route_components'
import type { SignOn } from '../../mesh/sign-on/oidc-policies.ts'
import type { Resource } from '../../resources/resource.ts'
import type { WeightedTarget } from '../routes/route-action.ts'
import type { Http3 } from './http3.ts'

/** What a gateway does with one kind of connection to one port, whichever API it is written in. */
export interface Server {
  /** That the proxy listens on. */
  readonly port: number
  /** Address to listen on, where it is not the proxy's own. */
  readonly bind?: string
  /** TLS connections that ask for one of these names, any where empty; absent for connections without TLS. */
  readonly serverNames?: readonly string[]
  /** Ends TLS; absent where there is none and where it is passed through. */
  readonly transportSocket?: TransportSocket
  readonly serves: HttpService | TcpService | UdpService
  /** Of an HTTPS server that takes HTTP/3, too. */
  readonly http3?: Http3
  /** The listener of a Gateway of Gateway API that it is for, and the key of that Gateway; absent for Istio's. */
  readonly listener?: { readonly gateway: string; readonly name: string }
  /** The most specific first. */
  readonly sources: readonly Resource[]
}

export interface HttpService {
  /** Name of the route configuration; plain HTTP servers of one port share one. */
  readonly routeName: string
  readonly hosts: readonly HostRoutes[]
  /** Policies that some of its routes ask for, or others of the same name. */
  readonly signOns?: readonly SignOn[]
}

export interface TcpService {
  /** Where connections go; none with a weight means that they are closed. */
  readonly clusters: readonly WeightedTarget[]
  /** Each goes to the cluster that its server name is the name of; to `clusters` where there is none. */
  readonly byServerName?: true
}

export interface UdpService {
  /** Where datagrams go. */
  readonly udpCluster: string
}

/** What one host (or wildcard) has for routes on a server. */
export interface HostRoutes {
  readonly host: string
  readonly routes: readonly Route[]
  /** Requests that came without TLS are sent to `https`. */
  readonly httpsOnly: boolean
  readonly sources: readonly Resource[]
}

export function isHttpService(serves: Server['serves']): serves is HttpService {
  return 'routeName' in serves
}

export function isUdpService(serves: Server['serves']): serves is UdpService {
  return 'udpCluster' in serves
}
