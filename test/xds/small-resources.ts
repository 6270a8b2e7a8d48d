import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { anyPack, durationFromMs } from '@bufbuild/protobuf/wkt'
import { Cluster_DiscoveryType, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ApiVersion, ConfigSourceSchema } from '#envoy/config/core/v3/config_source'
import { ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { ScopedRouteConfigurationSchema } from '#envoy/config/route/v3/scoped_route'
import { RouterSchema } from '#envoy/extensions/filters/http/router/v3/router'
import {
  HttpConnectionManager_CodecType,
  HttpConnectionManagerSchema,
} from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import type { Resource } from '../../src/resources/resource.ts'
import { PersistentMap } from '../../src/store/persistent-map.ts'
import {
  type EncodedResource,
  encoder,
  type ProxyResources,
  type ResourceType,
} from '../../src/translate/encoded-resource.ts'

// Envoy resources as small as they come, for tests of how they are sent.

const encodeCluster = encoder('cluster', ClusterSchema)
const encodeEndpoints = encoder('endpoints', ClusterLoadAssignmentSchema)
const encodeListener = encoder('listener', ListenerSchema)
const encodeScope = encoder('scopedRoutes', ScopedRouteConfigurationSchema)
const encodeRoutes = encoder('routes', RouteConfigurationSchema)

/** Over the stream that carries everything. */
const ads = create(ConfigSourceSchema, {
  resourceApiVersion: ApiVersion.V3,
  configSourceSpecifier: { case: 'ads', value: {} },
})

/** A cluster whose endpoints are a resource of the same name. `timeoutMs` is only there to make versions differ; -1 makes it invalid. */
export function edsCluster(name: string, timeoutMs = 1000, sources: readonly Resource[] = []): EncodedResource {
  const message = create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: ads },
    connectTimeout: durationFromMs(timeoutMs),
  })
  return encodeCluster({ name, message, sources })
}

/** A cluster that sends nowhere and needs no endpoints. */
export function staticCluster(name: string, timeoutMs = 1000): EncodedResource {
  const message = create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: durationFromMs(timeoutMs),
  })
  return encodeCluster({ name, message, sources: [] })
}

/** A cluster with a number that cannot be put into bytes. */
export function unsoundCluster(name: string, negative: number): EncodedResource {
  const message = create(ClusterSchema, { name, perConnectionBufferLimitBytes: negative })
  return encodeCluster({ name, message, sources: [] })
}

/** Ports of 127.0.0.1. */
export function endpoints(name: string, ...ports: number[]): EncodedResource {
  const message = create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: [
      {
        lbEndpoints: ports.map((port) => ({
          hostIdentifier: {
            case: 'endpoint' as const,
            value: { address: socketAddress(port) },
          },
        })),
      },
    ],
  })
  return encodeEndpoints({ name, message, sources: [] })
}

/** All requests go to these clusters in equal parts. An empty name among them makes it invalid. */
export function routes(name: string, ...clusters: string[]): EncodedResource {
  const message = create(RouteConfigurationSchema, {
    name,
    virtualHosts: [
      {
        name,
        domains: ['*'],
        routes: [
          {
            match: { pathSpecifier: { case: 'prefix', value: '/' } },
            action: {
              case: 'route',
              value: {
                clusterSpecifier: {
                  case: 'weightedClusters',
                  value: { clusters: clusters.map((cluster) => ({ name: cluster, weight: 1 })) },
                },
              },
            },
          },
        ],
      },
    ],
  })
  return encodeRoutes({ name, message, sources: [] })
}

/** The scope of one authority. */
export function scope(name: string, routeConfigurationName: string): EncodedResource {
  const message = create(ScopedRouteConfigurationSchema, {
    name,
    routeConfigurationName,
    key: { fragments: [{ type: { case: 'stringKey', value: name } }] },
  })
  return encodeScope({ name, message, sources: [] })
}

/** An HTTP listener on a port of 127.0.0.1 with routes by RDS. A port beyond 65535 makes it invalid. */
export function httpListener(
  name: string,
  port: number,
  routeConfigName: string,
  sources: readonly Resource[] = [],
): EncodedResource {
  return listener(name, port, { case: 'rds', value: { configSource: ads, routeConfigName } }, sources)
}

/** An HTTP listener on a port of 127.0.0.1 whose routes are chosen by the host that is called. */
export function scopedListener(name: string, port: number): EncodedResource {
  return listener(name, port, {
    case: 'scopedRoutes',
    value: {
      name: 'hosts',
      scopeKeyBuilder: {
        fragments: [
          {
            type: {
              case: 'headerValueExtractor',
              value: { name: ':authority', extractType: { case: 'index', value: 0 }, elementSeparator: ':' },
            },
          },
        ],
      },
      rdsConfigSource: ads,
      configSpecifier: { case: 'scopedRds', value: { scopedRdsConfigSource: ads } },
    },
  })
}

function listener(
  name: string,
  port: number,
  routeSpecifier: NonNullable<MessageInitShape<typeof HttpConnectionManagerSchema>['routeSpecifier']>,
  sources: readonly Resource[] = [],
): EncodedResource {
  const manager = create(HttpConnectionManagerSchema, {
    codecType: HttpConnectionManager_CodecType.AUTO,
    statPrefix: name,
    routeSpecifier,
    httpFilters: [
      {
        name: 'envoy.filters.http.router',
        configType: { case: 'typedConfig', value: anyPack(RouterSchema, create(RouterSchema)) },
      },
    ],
  })
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(port),
    filterChains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            configType: { case: 'typedConfig', value: anyPack(HttpConnectionManagerSchema, manager) },
          },
        ],
      },
    ],
  })
  return encodeListener({ name, message, sources })
}

/** One layer of each type. */
export function layered(...resources: readonly EncodedResource[]): ProxyResources {
  const layers: Partial<Record<ResourceType, [PersistentMap<EncodedResource>]>> = {}
  for (const resource of resources) {
    const [layer] = layers[resource.type] ?? [PersistentMap.empty<EncodedResource>()]
    layers[resource.type] = [layer.set(resource.name, resource)]
  }
  return layers
}

/** `before` with these instead of those of the same type and name. */
export function withResources(before: ProxyResources, ...resources: readonly EncodedResource[]): ProxyResources {
  const after: Partial<Record<ResourceType, readonly PersistentMap<EncodedResource>[]>> = { ...before }
  for (const resource of resources) {
    const [first, ...others] = after[resource.type] ?? []
    after[resource.type] = [(first ?? PersistentMap.empty<EncodedResource>()).set(resource.name, resource), ...others]
  }
  return after
}

/** `before` without what has these names. */
export function withoutResources(before: ProxyResources, type: ResourceType, ...names: string[]): ProxyResources {
  const layers = (before[type] ?? []).map((layer) => names.reduce((left, name) => left.delete(name), layer))
  return { ...before, [type]: layers }
}

function socketAddress(port: number) {
  return {
    address: {
      case: 'socketAddress' as const,
      value: { address: '127.0.0.1', portSpecifier: { case: 'portValue' as const, value: port } },
    },
  }
}
