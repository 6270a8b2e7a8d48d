import { create } from '@bufbuild/protobuf'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { RouteConfiguration } from '#envoy/config/route/v3/route'
import { HTTPFaultSchema } from '#envoy/extensions/filters/http/fault/v3/fault'
import { RouterSchema } from '#envoy/extensions/filters/http/router/v3/router'
import { HttpConnectionManagerSchema } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import type { Resource } from '../../resources/resource.ts'
import { ADS } from '../config-source.ts'
import type { EnvoyResource } from '../encoded-resource.ts'
import { aliasesOf, localNameOf } from '../routes/host-aliases.ts'
import { typedConfig } from '../typed-config.ts'
import { FAULT_FILTER } from './routes.ts'

/**
 * What a gRPC client of a namespace asks for first: `xds:///reviews.shop:9080` is the listener `reviews.shop:9080`. One for each name and port that the
 * virtual hosts of a host's routes are for, but for virtual addresses and, outside its namespace, the name without one.
 */
export function proxylessListeners(
  { name: host, virtualHosts }: RouteConfiguration,
  namespace: string,
  sources: readonly Resource[],
): [string, EnvoyResource<Listener>][] {
  const service = localNameOf(host)
  const names = new Set(aliasesOf(host).filter((alias) => alias !== service?.name || service.namespace === namespace))
  return virtualHosts
    .flatMap(({ domains }) => domains)
    .filter((domain) => names.has(domain.replace(/:\d+$/, '')))
    .map((domain) => [domain, { name: domain, message: listener(domain, host), sources }])
}

function listener(name: string, routeConfigName: string): Listener {
  return create(ListenerSchema, {
    name,
    apiListener: {
      apiListener: typedConfig(HttpConnectionManagerSchema, {
        statPrefix: name,
        routeSpecifier: { case: 'rds', value: { configSource: ADS, routeConfigName } },
        httpFilters: [
          { name: FAULT_FILTER, configType: { case: 'typedConfig', value: typedConfig(HTTPFaultSchema, {}) } },
          {
            name: 'envoy.filters.http.router',
            configType: { case: 'typedConfig', value: typedConfig(RouterSchema, {}) },
          },
        ],
      }),
    },
  })
}
