import { expect, test } from 'vitest'
import { clusters, clusterTable } from './clusters.ts'
import type { ClusterStatuses, ConfigDump } from './dump.ts'
import { endpoints, endpointTable } from './endpoints.ts'
import { listeners, listenerTable } from './listeners.ts'
import { routes, routeTable } from './routes.ts'
import { secrets } from './secrets.ts'
import { sourcesByName } from './sources.ts'

const reviews = 'reviews.default.svc.cluster.local'
const sources = sourcesByName([
  {
    type: 'cluster',
    name: `outbound|9080|v1|${reviews}`,
    sources: [
      {
        kind: 'DestinationRule',
        id: 'networking.istio.io/DestinationRule',
        object: 'DestinationRule default/reviews',
        file: 'dr.yaml',
        line: 3,
      },
      { kind: 'Service', id: 'core/Service', object: 'Service default/reviews' },
    ],
  },
  {
    type: 'routes',
    name: reviews,
    sources: [
      {
        kind: 'VirtualService',
        id: 'networking.istio.io/VirtualService',
        object: 'VirtualService default/reviews',
        file: 'vs.yaml',
        line: 1,
      },
    ],
    routes: [
      {
        virtualHost: 'reviews',
        place: 0,
        rule: {
          kind: 'VirtualService',
          id: 'networking.istio.io/VirtualService',
          object: 'VirtualService default/reviews',
          field: 'spec.http[0]',
          file: 'vs.yaml',
          line: 8,
        },
      },
    ],
  },
])

/** A dump with one section. */
function dump(type: string, fields: object): ConfigDump {
  return { configs: [{ '@type': `type.googleapis.com/envoy.admin.v3.${type}`, ...fields }] } as ConfigDump
}

test('clusters', () => {
  const cluster = (name: string, type?: string) => ({ cluster: { name, ...(type ? { type } : {}) } })
  const all = dump('ClustersConfigDump', {
    static_clusters: [cluster('xds-grpc', 'STATIC')],
    dynamic_active_clusters: [cluster(`outbound|9080|v1|${reviews}`, 'EDS'), cluster('inbound|9080||')],
    dynamic_warming_clusters: [cluster(`outbound|9080||${reviews}`, 'EDS')],
  })
  expect(clusterTable(clusters(all, {}), sources)).toBe(
    [
      'SERVICE FQDN                        PORT   SUBSET   DIRECTION   TYPE     DESTINATION RULE',
      'reviews.default.svc.cluster.local   9080   -        outbound    EDS',
      'reviews.default.svc.cluster.local   9080   v1       outbound    EDS      default/reviews',
      'xds-grpc                            -      -        -           STATIC',
      '-                                   9080   -        inbound     STATIC',
      '',
    ].join('\n'),
  )
  const names = (filter: object) => clusters(all, filter).map(({ name }) => name)
  expect(names({ fqdn: 'reviews' })).toEqual([`outbound|9080||${reviews}`, `outbound|9080|v1|${reviews}`])
  expect(names({ fqdn: 'review' })).toEqual([])
  expect(names({ fqdn: reviews, subset: 'v1' })).toEqual([`outbound|9080|v1|${reviews}`])
  expect(names({ direction: 'inbound', port: '9080' })).toEqual(['inbound|9080||'])
})

test('listeners', () => {
  const address = (address: string, port_value: number) => ({ socket_address: { address, port_value } })
  const chain = (typed_config: object, filter_chain_match?: object) => ({
    ...(filter_chain_match ? { filter_chain_match } : {}),
    filters: [{ name: 'first' }, { name: 'last', typed_config }],
  })
  const inline = { route_config: { virtual_hosts: [{ routes: [{ route: { cluster: 'inbound|9080||' } }] }] } }
  const all = dump('ListenersConfigDump', {
    dynamic_listeners: [
      {
        active_state: {
          listener: {
            address: address('127.0.0.2', 15001),
            filter_chains: [chain({ scoped_routes: { name: 'outbound' } })],
          },
        },
      },
      {
        warming_state: {
          listener: {
            address: address('127.0.0.2', 9080),
            filter_chains: [
              chain(inline, { transport_protocol: 'tls', application_protocols: ['istio'], server_names: ['a.com'] }),
              chain(
                { rds: { route_config_name: 'http.80' } },
                { transport_protocol: 'raw_buffer', destination_port: 80 },
              ),
            ],
            default_filter_chain: chain({ weighted_clusters: { clusters: [{ name: 'a', weight: 3 }] } }),
          },
        },
      },
    ],
    static_listeners: [
      { listener: { address: { pipe: { path: '/s' } }, filter_chains: [{ filters: [{ name: 'echo' }] }] } },
    ],
  })
  expect(listenerTable(listeners(all, { port: '9080' }))).toBe(
    [
      'ADDRESS     PORT   MATCH                        DESTINATION',
      '127.0.0.2   9080   TLS; for a.com; ALPN istio   inline routes to inbound|9080||',
      '127.0.0.2   9080   port 80; plaintext           routes http.80',
      '127.0.0.2   9080   all                          clusters a (3)',
      '',
    ].join('\n'),
  )
  expect(listeners(all, { address: '127.0.0.2' })).toHaveLength(2)
  expect(listenerTable(listeners(all, { address: '/s' }))).toMatch(/\n\/s +- +all +echo\n/)
})

test('routes', () => {
  const prefix = { prefix: '/' }
  const all = dump('RoutesConfigDump', {
    dynamic_route_configs: [
      {
        route_config: {
          name: reviews,
          virtual_hosts: [
            {
              name: 'reviews',
              domains: ['reviews:9080', `${reviews}:9080`],
              routes: [
                {
                  match: {
                    path_separated_prefix: '/api',
                    headers: [
                      { name: 'end-user', string_match: { exact: 'jason' } },
                      { name: ':method', string_match: { prefix: 'P' }, invert_match: true },
                      { name: 'trial', present_match: true },
                    ],
                    query_parameters: [{ name: 'v', string_match: { safe_regex: { regex: '[0-9]' } } }],
                  },
                  route: { cluster: `outbound|9080|v1|${reviews}` },
                  typed_per_filter_config: { 'envoy.filters.http.fault': {} },
                },
                {
                  match: prefix,
                  route: {
                    weighted_clusters: {
                      clusters: [
                        { name: 'a', weight: 2 },
                        { name: 'b', weight: 1 },
                      ],
                    },
                  },
                },
              ],
            },
          ],
        },
      },
      {
        route_config: {
          name: '*',
          virtual_hosts: [
            {
              name: 'y',
              domains: ['*'],
              routes: [
                { match: { path: '/old' }, redirect: { https_redirect: true, path_redirect: '/new' } },
                { match: { safe_regex: { regex: '/[a-z]' } }, route: { cluster: `outbound|9080||${reviews}` } },
                { match: prefix, direct_response: { status: 502 } },
              ],
            },
          ],
        },
      },
    ],
    static_route_configs: [0, 1].map(() => ({
      route_config: {
        name: 'in',
        virtual_hosts: [{ name: 'z', domains: ['*'], routes: [{ match: prefix, route: {} }] }],
      },
    })),
  })
  expect(routeTable(routes(all, {}), sources)).toBe(
    [
      'NAME                                DOMAINS                                           MATCH                                                ROUTE                                                           FROM',
      '*                                   *                                                 /old                                                 redirect to https /new',
      '*                                   *                                                 ~ /[a-z]                                             outbound|9080||reviews.default.svc.cluster.local',
      '*                                   *                                                 /*                                                   answer 502',
      'in                                  *                                                 /*                                                   -',
      'reviews.default.svc.cluster.local   reviews.default.svc.cluster.local:9080 + 1 more   /api/* end-user=jason not method=P* trial ?v~[0-9]   outbound|9080|v1|reviews.default.svc.cluster.local with fault   VirtualService default/reviews spec.http[0] (vs.yaml:8)',
      'reviews.default.svc.cluster.local   reviews.default.svc.cluster.local:9080 + 1 more   /*                                                   a (66.7 %), b (33.3 %)                                          VirtualService default/reviews (vs.yaml:1)',
      '',
    ].join('\n'),
  )
  expect(routes(all, { fqdn: 'reviews' }).map(({ name }) => name)).toEqual(['*', reviews])
  expect(routes(all, { fqdn: 'other' })).toEqual([])
})

test('endpoints', () => {
  const host = (address: string, health_status: Readonly<Record<string, unknown>>) => ({
    address: { socket_address: { address, port_value: 9080 } },
    health_status,
  })
  const statuses: ClusterStatuses = {
    cluster_statuses: [
      {
        name: `outbound|9080||${reviews}`,
        host_statuses: [
          host('127.0.0.2', { eds_health_status: 'HEALTHY' }),
          host('127.0.0.3', { eds_health_status: 'DRAINING', failed_outlier_check: true }),
        ],
      },
      { name: 'xds-grpc' },
    ],
  }
  expect(endpointTable(endpoints(statuses, {}))).toBe(
    [
      'ENDPOINT         STATUS     OUTLIER CHECK   WEIGHT   CLUSTER',
      '127.0.0.2:9080   HEALTHY    OK              1        outbound|9080||reviews.default.svc.cluster.local',
      '127.0.0.3:9080   DRAINING   EJECTED         1        outbound|9080||reviews.default.svc.cluster.local',
      '',
    ].join('\n'),
  )
  expect(endpoints(statuses, { fqdn: 'xds-grpc' })).toEqual([])
})

test('a secret that has not come yet', () => {
  const all = dump('SecretsConfigDump', { dynamic_warming_secrets: [{ name: 'default', secret: {} }] })
  expect(secrets(all, new Date())).toEqual([
    {
      name: 'default',
      type: 'certificate',
      state: 'warming',
      identity: '',
      serial: '',
      notBefore: '',
      notAfter: '',
      valid: false,
    },
  ])
})
