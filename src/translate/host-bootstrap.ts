import { create } from '@bufbuild/protobuf'
import { BootstrapSchema } from '#envoy/config/bootstrap/v3/bootstrap'
import { Cluster_DiscoveryType, type ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { AGENT_CLUSTER } from './agent-connection.ts'
import { dynamicResources, IN_EVERY_BOOTSTRAP, nodeId } from './bootstrap.ts'
import { SDS_CLUSTER } from './config-source.ts'
import { circuitBreakers, httpProtocolOptions } from './connection-pool.ts'
import { envoyJson } from './envoy-json.ts'
import type { Init } from './routes/init.ts'

/** What the proxy of a host outside of clusters is started with; everything else it is told by the server, through the agent beside it. */
export interface HostBootstrapOptions {
  readonly namespace: string
  /** Name of the host's WorkloadEntry. */
  readonly entry: string
  /** By which others reach the host. */
  readonly address: string
  /** Paths of Unix sockets, in a folder for the proxy and its agent alone. */
  readonly adminSocket: string
  readonly adsSocket: string
  readonly sdsSocket: string
}

/** Envoy's bootstrap on a host, as text for `--config-path`. */
export function hostBootstrap(options: HostBootstrapOptions): string {
  const { namespace, entry, address, adminSocket, adsSocket, sdsSocket } = options
  const bootstrap = create(BootstrapSchema, {
    node: {
      id: nodeId({ role: 'sidecar', pod: entry, namespace, address }),
      cluster: `${entry}.${namespace}`,
    },
    admin: { address: { address: { case: 'pipe', value: { path: adminSocket, mode: 0o600 } } } },
    dynamicResources: dynamicResources(AGENT_CLUSTER),
    staticResources: { clusters: [agentAt(AGENT_CLUSTER, adsSocket), agentAt(SDS_CLUSTER, sdsSocket)] },
    ...IN_EVERY_BOOTSTRAP,
  })
  return JSON.stringify(envoyJson(BootstrapSchema, bootstrap))
}

function agentAt(name: string, path: string): Init<typeof ClusterSchema> {
  const endpoint = { address: { address: { case: 'pipe' as const, value: { path } } } }
  return {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: { seconds: 2n, nanos: 0 },
    circuitBreakers: circuitBreakers({}),
    typedExtensionProtocolOptions: httpProtocolOptions('grpc', {}),
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: endpoint } }] }],
    },
  }
}
