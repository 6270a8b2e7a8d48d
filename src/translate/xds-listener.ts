import type { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { RouterSchema } from '#envoy/extensions/filters/http/router/v3/router'
import {
  HttpConnectionManager_CodecType,
  HttpConnectionManagerSchema,
} from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { XDS_SOCKET } from '../resources/cluster-names.ts'
import { AGENT_CLUSTER } from './agent-connection.ts'
import type { Init } from './routes/init.ts'
import { typedConfig } from './typed-config.ts'

const NAME = 'xds'
const NEVER = { seconds: 0n, nanos: 0 }

/**
 * Takes the state-of-the-world ADS streams of gRPC libraries in the pod on to the agent of its node: they need no credentials for that. Whoever may open the
 * socket, which is in a volume of the pod, may ask as the pod.
 */
export function xdsListener(): Init<typeof ListenerSchema> {
  const value = typedConfig(HttpConnectionManagerSchema, {
    statPrefix: NAME,
    codecType: HttpConnectionManager_CodecType.HTTP2,
    streamIdleTimeout: NEVER,
    generateRequestId: false,
    skipXffAppend: true,
    routeSpecifier: {
      case: 'routeConfig',
      value: {
        name: NAME,
        virtualHosts: [
          {
            name: NAME,
            domains: ['*'],
            routes: [
              {
                name: NAME,
                match: {
                  pathSpecifier: {
                    case: 'path',
                    value: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
                  },
                },
                action: {
                  case: 'route',
                  value: { clusterSpecifier: { case: 'cluster', value: AGENT_CLUSTER }, timeout: NEVER },
                },
              },
            ],
          },
        ],
      },
    },
    httpFilters: [
      {
        name: 'envoy.filters.http.router',
        configType: { case: 'typedConfig', value: typedConfig(RouterSchema, { suppressEnvoyHeaders: true }) },
      },
    ],
  })
  return {
    name: NAME,
    // Applications run as any user.
    address: { address: { case: 'pipe', value: { path: XDS_SOCKET, mode: 0o666 } } },
    filterChains: [
      {
        filters: [
          { name: 'envoy.filters.network.http_connection_manager', configType: { case: 'typedConfig', value } },
        ],
      },
    ],
  }
}
