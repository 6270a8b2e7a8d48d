import { create } from '@bufbuild/protobuf'
import { type Bootstrap, BootstrapSchema } from '#envoy/config/bootstrap/v3/bootstrap'
import { Cluster_DiscoveryType, type ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import type { ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { RouteSchema } from '#envoy/config/route/v3/route_components'
import { RouterSchema } from '#envoy/extensions/filters/http/router/v3/router'
import {
  HttpConnectionManager_ServerHeaderTransformation,
  HttpConnectionManagerSchema,
  type HttpFilterSchema,
} from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { PROXY_PORTS, READINESS_PATH } from '../resources/cluster-names.ts'
import { socketAddress } from './address.ts'
import { AGENT_CLUSTER, agentCluster } from './agent-connection.ts'
import { type ApplicationProbe, probeCluster, probeFilters, probeRoute } from './application-probes.ts'
import { dynamicResources, IN_EVERY_BOOTSTRAP, nodeId } from './bootstrap.ts'
import { envoyJson } from './envoy-json.ts'
import type { Init } from './routes/init.ts'
import { typedConfig } from './typed-config.ts'
import { xdsListener } from './xds-listener.ts'

/**
 * Environment variables of a proxy's container, and where Kubernetes takes them from. It puts them into the container's arguments, so that one
 * bootstrap suits all pods of a Deployment.
 */
export const BOOTSTRAP_VARIABLES = {
  POD_NAME: 'metadata.name',
  POD_NAMESPACE: 'metadata.namespace',
  POD_IP: 'status.podIP',
  HOST_IP: 'status.hostIP',
} as const

const variable = (name: keyof typeof BOOTSTRAP_VARIABLES) => `$(${name})`

/** What the proxy of a pod on a cluster is started with; everything else it is told by the server, through the agent of its node. */
export interface ClusterBootstrapOptions {
  /** `grpc`: takes nothing but what a gRPC library in the pod asks the server for, and shows the pod's token with it. */
  readonly role: 'sidecar' | 'gateway' | 'grpc'
  /** Of the pod's containers, that the proxy passes on. */
  readonly probes: readonly ApplicationProbe[]
}

/** Envoy's bootstrap in a pod, with variables of `BOOTSTRAP_VARIABLES` in it as `$(POD_NAME)`. */
function clusterBootstrap({ role, probes }: ClusterBootstrapOptions): Bootstrap {
  const [pod, namespace, address] = [variable('POD_NAME'), variable('POD_NAMESPACE'), variable('POD_IP')]
  return create(BootstrapSchema, {
    node: {
      id: nodeId({ role: role === 'gateway' ? role : 'sidecar', pod, namespace, address }),
      cluster: `${pod}.${namespace}`,
    },
    admin: { address: socketAddress('127.0.0.1', PROXY_PORTS.admin) },
    ...(role === 'grpc' ? {} : { dynamicResources: dynamicResources(AGENT_CLUSTER) }),
    staticResources: {
      clusters: [
        agentCluster(variable('HOST_IP')),
        ADMIN_CLUSTER,
        ...probes.map((probe) => probeCluster(probe, address)),
      ],
      listeners: [
        listener('readiness', PROXY_PORTS.readiness, [toAdmin(READINESS_PATH, '/ready')]),
        listener('metrics', PROXY_PORTS.metrics, [toAdmin('/stats/prometheus', '/stats/prometheus')]),
        ...(role === 'sidecar'
          ? [
              listener(
                'application-probes',
                PROXY_PORTS.applicationProbes,
                [...probes.map((probe) => probeRoute(probe)), QUIT],
                probeFilters(probes),
              ),
            ]
          : []),
        ...(role === 'grpc' ? [xdsListener()] : []),
      ],
    },
    ...IN_EVERY_BOOTSTRAP,
  })
}

/** `clusterBootstrap` as text for `envoy --config-yaml` in a container's arguments. */
export function clusterBootstrapText(options: ClusterBootstrapOptions): string {
  return JSON.stringify(envoyJson(BootstrapSchema, clusterBootstrap(options)))
}

const ADMIN = 'admin'

const ADMIN_CLUSTER: Init<typeof ClusterSchema> = {
  name: ADMIN,
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
  connectTimeout: { seconds: 1n, nanos: 0 },
  loadAssignment: {
    clusterName: ADMIN,
    endpoints: [
      {
        lbEndpoints: [
          { hostIdentifier: { case: 'endpoint', value: { address: socketAddress('127.0.0.1', PROXY_PORTS.admin) } } },
        ],
      },
    ],
  },
}

/** One page of Envoy's administration. */
function toAdmin(path: string, page: string): Init<typeof RouteSchema> {
  return {
    name: path,
    match: { pathSpecifier: { case: 'path', value: path } },
    action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: ADMIN }, prefixRewrite: page } },
  }
}

/** Scripts of Jobs that were written for Istio end their proxy here once they are done. A native sidecar ends by itself. */
const QUIT: Init<typeof RouteSchema> = {
  name: '/quitquitquit',
  match: { pathSpecifier: { case: 'path', value: '/quitquitquit' } },
  action: { case: 'directResponse', value: { status: 200 } },
}

/**
 * A listener of the proxy itself: no traffic of the mesh, and not in its access log. At the pod's address, by which the kubelet asks, of whichever family that is
 * (nobody knows it yet when a pod is injected); and at that of the loopback, for what goes on in the pod and for `kubectl port-forward`.
 */
function listener(
  name: string,
  port: number,
  routes: readonly Init<typeof RouteSchema>[],
  filters: readonly Init<typeof HttpFilterSchema>[] = [],
): Init<typeof ListenerSchema> {
  const router: Init<typeof HttpFilterSchema> = {
    name: 'envoy.filters.http.router',
    configType: { case: 'typedConfig', value: typedConfig(RouterSchema, { suppressEnvoyHeaders: true }) },
  }
  const value = typedConfig(HttpConnectionManagerSchema, {
    statPrefix: name,
    routeSpecifier: {
      case: 'routeConfig',
      value: { name, virtualHosts: [{ name, domains: ['*'], routes: [...routes] }] },
    },
    httpFilters: [...filters, router],
    generateRequestId: false,
    skipXffAppend: true,
    serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
  })
  return {
    name,
    address: socketAddress(variable('POD_IP'), port),
    additionalAddresses: [{ address: socketAddress('127.0.0.1', port) }],
    filterChains: [
      {
        filters: [
          { name: 'envoy.filters.network.http_connection_manager', configType: { case: 'typedConfig', value } },
        ],
      },
    ],
  }
}
