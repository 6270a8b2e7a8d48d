import { create } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { expect, test } from 'vitest'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { TcpProxySchema } from '#envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy'
import { httpListener, routes, scope } from '../../test/xds/small-resources.ts'
import { encoder } from '../translate/encoded-resource.ts'
import { clustersOf, routesOf } from './references.ts'

test('routes refer to plain, weighted and mirrored clusters', () => {
  const match = { pathSpecifier: { case: 'prefix' as const, value: '/' } }
  const message = create(RouteConfigurationSchema, {
    name: 'r',
    requestHeadersToRemove: ['cluster'],
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        routes: [
          {
            match,
            action: {
              case: 'route',
              value: {
                clusterSpecifier: { case: 'cluster', value: 'plain' },
                requestMirrorPolicies: [{ cluster: 'mirror' }],
              },
            },
          },
          { match, action: { case: 'redirect', value: { hostRedirect: 'elsewhere' } } },
        ],
      },
    ],
  })
  const resource = encoder('routes', RouteConfigurationSchema)({ name: 'r', message, sources: [] })
  expect([...clustersOf(resource)].sort()).toEqual(['mirror', 'plain'])
  expect([...clustersOf(routes('w', 'a', 'b'))]).toEqual(['a', 'b'])
})

test('listeners refer to the clusters of the filters inside', () => {
  const proxy = create(TcpProxySchema, { statPrefix: 't', clusterSpecifier: { case: 'cluster', value: 'tcp' } })
  const message = create(ListenerSchema, {
    name: 'l',
    filterChains: [
      { filters: [{ name: 't', configType: { case: 'typedConfig', value: anyPack(TcpProxySchema, proxy) } }] },
    ],
  })
  const resource = encoder('listener', ListenerSchema)({ name: 'l', message, sources: [] })
  expect([...clustersOf(resource)]).toEqual(['tcp'])
  expect([...clustersOf(httpListener('h', 1, 'r'))]).toEqual([])
})

test('a scope refers to its route configuration', () => {
  expect(routesOf(scope('s', 'r'))).toBe('r')
})
