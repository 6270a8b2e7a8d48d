import { spawn } from 'node:child_process'
import { request } from 'node:http'
import { join } from 'node:path'
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { kill } from '../child.ts'

/** A running Envoy. */
export interface Envoy {
  /** What its admin interface answers to a GET. */
  admin(path: string): Promise<string>
  /** What it wrote to standard error. */
  log(): string
  close(): Promise<void>
}

type Config = Record<string, unknown>

/** Where an Envoy gets its secrets: over the Unix socket `socketPath`. */
export interface SdsSource {
  readonly socketPath: string
  readonly variant: 'DELTA_GRPC' | 'GRPC'
  /** What identities of peers begin with. Default: those of namespace default of cluster.local. */
  readonly peers?: string
}

/** Starts a real Envoy with its admin interface on a Unix socket in `folder`. */
export async function startEnvoy(folder: string, id: string, sds: SdsSource, resources: Config): Promise<Envoy> {
  const adminPath = join(folder, `${id}-admin`)
  const clusters = (resources['clusters'] ?? []) as Config[]
  const config = {
    node: { id, cluster: 'test' },
    admin: { address: { pipe: { path: adminPath } } },
    static_resources: { ...resources, clusters: [...clusters, sdsCluster(sds)] },
  }
  const args = ['--config-yaml', JSON.stringify(config), '--disable-hot-restart', '--concurrency', '1', '-l', 'info']
  const child = spawn(await findEnvoy(), args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  return {
    admin: (path) => get({ socketPath: adminPath, path }).then(({ body }) => body),
    log: () => log,
    close: () => kill(child),
  }
}

/** A GET on a connection of its own. */
export function get(options: { host?: string; port?: number; socketPath?: string; path?: string }) {
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>((resolve, reject) => {
    const call = request({ ...options, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    call.on('error', reject)
    call.end()
  })
}

const typeOf = (name: string) => ({ '@type': `type.googleapis.com/${name}` })

function sdsCluster({ socketPath }: SdsSource): Config {
  return {
    name: 'sds',
    type: 'STATIC',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        ...typeOf('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: endpoint('sds', { pipe: { path: socketPath } }),
  }
}

function endpoint(name: string, address: Config): Config {
  return { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] }
}

function commonTls({ variant, peers = 'spiffe://cluster.local/ns/default/' }: SdsSource): Config {
  const source = {
    resource_api_version: 'V3',
    api_config_source: {
      api_type: variant,
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'sds' } }],
    },
  }
  return {
    tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: source }],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: peers } }],
      },
      validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: source },
    },
  }
}

function httpFilters(route: Config): Config {
  return {
    name: 'http',
    typed_config: {
      ...typeOf('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: 'test',
      route_config: {
        virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...route }] }],
      },
      http_filters: [{ name: 'router', typed_config: typeOf('envoy.extensions.filters.http.router.v3.Router') }],
    },
  }
}

/** Answers mutual TLS on `host:port`, saying in headers who asked: `x-peer` and `x-peer-serial`. */
export function tlsServer(host: string, port: number, sds: SdsSource): Config {
  const header = (key: string, value: string) => ({ header: { key, value } })
  const route = {
    direct_response: { status: 200, body: { inline_string: 'hello' } },
    response_headers_to_add: [
      header('x-peer', '%DOWNSTREAM_PEER_URI_SAN%'),
      header('x-peer-serial', '%DOWNSTREAM_PEER_SERIAL%'),
    ],
  }
  return {
    listeners: [
      {
        name: 'server',
        address: { socket_address: { address: host, port_value: port } },
        filter_chains: [
          {
            filters: [httpFilters(route)],
            transport_socket: {
              name: 'tls',
              typed_config: {
                ...typeOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
                require_client_certificate: true,
                common_tls_context: commonTls(sds),
              },
            },
          },
        ],
      },
    ],
  }
}

/** Takes plain HTTP on `host:port` to the mutual TLS of `server`, with a handshake for each request. */
export function tlsClient(host: string, port: number, server: { host: string; port: number }, sds: SdsSource): Config {
  return {
    listeners: [
      {
        name: 'client',
        address: { socket_address: { address: host, port_value: port } },
        filter_chains: [{ filters: [httpFilters({ route: { cluster: 'server' } })] }],
      },
    ],
    clusters: [
      {
        name: 'server',
        type: 'STATIC',
        load_assignment: endpoint('server', { socket_address: { address: server.host, port_value: server.port } }),
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            ...typeOf('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
            common_http_protocol_options: { max_requests_per_connection: 1 },
            explicit_http_config: { http_protocol_options: {} },
          },
        },
        transport_socket: {
          name: 'tls',
          typed_config: {
            ...typeOf('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
            common_tls_context: commonTls(sds),
            max_session_keys: 0,
          },
        },
      },
    ],
  }
}
