/** What `/config_dump?include_eds` of an Envoy's administration answers, as far as it is looked into (envoy.admin.v3.ConfigDump in JSON). */
export interface ConfigDump {
  readonly configs: readonly Section[]
}

interface Section {
  readonly '@type': string
}

export interface ClustersSection {
  readonly static_clusters?: readonly { readonly cluster: Cluster }[]
  readonly dynamic_active_clusters?: readonly { readonly cluster: Cluster }[]
  readonly dynamic_warming_clusters?: readonly { readonly cluster: Cluster }[]
}

export interface Cluster {
  readonly name: string
  readonly type?: string
  readonly cluster_type?: { readonly name: string }
}

export interface ListenersSection {
  readonly static_listeners?: readonly { readonly listener: Listener }[]
  readonly dynamic_listeners?: readonly {
    readonly active_state?: { readonly listener: Listener }
    readonly warming_state?: { readonly listener: Listener }
  }[]
}

export interface Listener {
  readonly name?: string
  readonly address?: Address
  readonly filter_chains?: readonly FilterChain[]
  readonly default_filter_chain?: FilterChain
}

export interface Address {
  readonly socket_address?: { readonly address: string; readonly port_value?: number }
  readonly pipe?: { readonly path: string }
}

export interface FilterChain {
  readonly filter_chain_match?: {
    readonly destination_port?: number
    readonly server_names?: readonly string[]
    readonly transport_protocol?: string
    readonly application_protocols?: readonly string[]
  }
  readonly filters?: readonly { readonly name: string; readonly typed_config?: NetworkFilter }[]
}

/** Fields of the HTTP connection manager and of the TCP proxy. */
export interface NetworkFilter {
  readonly '@type': string
  readonly rds?: { readonly route_config_name: string }
  readonly scoped_routes?: { readonly name: string }
  readonly route_config?: RouteConfiguration
  readonly cluster?: string
  readonly weighted_clusters?: { readonly clusters: readonly { readonly name: string; readonly weight: number }[] }
}

export interface RoutesSection {
  readonly static_route_configs?: readonly { readonly route_config: RouteConfiguration }[]
  readonly dynamic_route_configs?: readonly { readonly route_config: RouteConfiguration }[]
}

export interface RouteConfiguration {
  readonly name?: string
  readonly virtual_hosts?: readonly VirtualHost[]
}

export interface VirtualHost {
  readonly name: string
  readonly domains: readonly string[]
  readonly routes?: readonly Route[]
}

export interface StringMatcher {
  readonly exact?: string
  readonly prefix?: string
  readonly suffix?: string
  readonly contains?: string
  readonly safe_regex?: { readonly regex: string }
}

export interface Route {
  readonly name?: string
  readonly match: {
    readonly prefix?: string
    readonly path?: string
    readonly path_separated_prefix?: string
    readonly safe_regex?: { readonly regex: string }
    readonly headers?: readonly {
      readonly name: string
      readonly string_match?: StringMatcher
      readonly present_match?: boolean
      readonly invert_match?: boolean
    }[]
    readonly query_parameters?: readonly {
      readonly name: string
      readonly string_match?: StringMatcher
      readonly present_match?: boolean
    }[]
  }
  readonly route?: {
    readonly cluster?: string
    readonly weighted_clusters?: { readonly clusters: readonly { readonly name: string; readonly weight?: number }[] }
  }
  readonly redirect?: {
    readonly https_redirect?: boolean
    readonly host_redirect?: string
    readonly path_redirect?: string
    readonly prefix_rewrite?: string
  }
  readonly direct_response?: { readonly status: number }
  readonly typed_per_filter_config?: Readonly<Record<string, unknown>>
}

export interface SecretsSection {
  readonly static_secrets?: readonly SecretEntry[]
  readonly dynamic_active_secrets?: readonly SecretEntry[]
  readonly dynamic_warming_secrets?: readonly SecretEntry[]
}

export interface SecretEntry {
  readonly name: string
  readonly secret?: {
    readonly tls_certificate?: { readonly certificate_chain?: DataSource }
    readonly validation_context?: { readonly trusted_ca?: DataSource }
  }
}

export interface DataSource {
  readonly inline_bytes?: string
  readonly inline_string?: string
}

export interface BootstrapSection {
  readonly bootstrap: unknown
}

/** What `/clusters?format=json` answers (envoy.admin.v3.Clusters in JSON). */
export interface ClusterStatuses {
  readonly cluster_statuses?: readonly {
    readonly name: string
    readonly host_statuses?: readonly {
      readonly address: Address
      readonly health_status?: Readonly<Record<string, unknown>> & { readonly eds_health_status?: string }
      readonly weight?: number
    }[]
  }[]
}

/** The section of a dump with a type such as `ClustersConfigDump`; empty where the proxy has none. */
export function section<S>(dump: ConfigDump, type: string): Partial<S> {
  const found = dump.configs.find((entry) => entry['@type'] === `type.googleapis.com/envoy.admin.v3.${type}`)
  return (found ?? {}) as Partial<S>
}

/** `127.64.1.2:9080`, or a socket's path. */
export function addressText({ socket_address, pipe }: Address): string {
  if (socket_address) return `${socket_address.address}:${socket_address.port_value ?? 0}`
  return pipe?.path ?? ''
}
