import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { askEnvoy } from '../../src/agent/supervise/envoy-admin.ts'
import { kill } from '../child.ts'

/** An Envoy that knows nothing but where to get its configuration. */
export class RealEnvoy {
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #admin: string
  #log = ''

  private constructor(child: ChildProcess, folder: string, admin: string) {
    this.#child = child
    this.#folder = folder
    this.#admin = admin
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text
    })
  }

  /** Starts one that takes delta ADS in plaintext from this port of 127.0.0.1. */
  static async start(adsPort: number, logLevel = 'warning'): Promise<RealEnvoy> {
    const folder = mkdtempSync(join(tmpdir(), 'weft-xds-'))
    const admin = join(folder, 'admin.sock')
    const args = ['--config-yaml', JSON.stringify(bootstrap(adsPort, admin)), '--use-dynamic-base-id']
    const child = spawn(await findEnvoy(), [...args, '--concurrency', '1', '-l', logLevel], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    return new RealEnvoy(child, folder, admin)
  }

  /** All that it logged. */
  get log(): string {
    return this.#log
  }

  /** The answer of its administration. */
  async ask(path: string): Promise<string> {
    return (await askEnvoy(this.#admin, 'GET', path)).body
  }

  /** A counter or gauge; undefined while it does not exist. */
  async stat(name: string): Promise<number | undefined> {
    const text = await this.ask(`/stats?filter=^${name.replaceAll('.', '\\.')}$`).catch(() => '')
    const value = /: (\d+)\s*$/.exec(text)?.[1]
    return value === undefined ? undefined : Number(value)
  }

  /** Ports on which it listens. */
  async ports(): Promise<readonly number[]> {
    const answer = JSON.parse(await this.ask('/listeners?format=json')) as {
      listener_statuses?: { local_address: { socket_address: { port_value: number } } }[]
    }
    return (answer.listener_statuses ?? []).map(({ local_address }) => local_address.socket_address.port_value)
  }

  /** Parts of its configuration, such as `dynamic_active_clusters`. */
  async configs(resource: string): Promise<readonly unknown[]> {
    const dump = JSON.parse(await this.ask(`/config_dump?resource=${resource}`)) as { configs?: unknown[] }
    return dump.configs ?? []
  }

  async stop(): Promise<void> {
    await kill(this.#child)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function bootstrap(adsPort: number, admin: string) {
  return {
    node: { id: 'sidecar~127.0.0.1~a.default~default.svc.cluster.local', cluster: 'a.default' },
    admin: { address: { pipe: { path: admin } } },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3' },
      lds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [
        {
          name: 'xds-grpc',
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds-grpc',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: adsPort } } } },
                ],
              },
            ],
          },
        },
      ],
    },
  }
}
