import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { type Filter, FilterSchema } from '#envoy/config/listener/v3/listener_components'
import type { RouteConfiguration } from '#envoy/config/route/v3/route'
import type { HeaderMatcherSchema } from '#envoy/config/route/v3/route_components'
import { CorsSchema } from '#envoy/extensions/filters/http/cors/v3/cors'
import { HTTPFaultSchema } from '#envoy/extensions/filters/http/fault/v3/fault'
import { FilterConfigSchema as GrpcStatsSchema } from '#envoy/extensions/filters/http/grpc_stats/v3/config'
import { GrpcWebSchema } from '#envoy/extensions/filters/http/grpc_web/v3/grpc_web'
import { RouterSchema } from '#envoy/extensions/filters/http/router/v3/router'
import {
  HttpConnectionManager_CodecType,
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManager_ServerHeaderTransformation,
  HttpConnectionManagerSchema,
  type HttpFilterSchema,
} from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import type { PathNormalization } from '../mesh/mesh-config.ts'
import { USUAL_ACCESS_LOGS } from './access-log.ts'
import { HTTP_POLICY_FILTERS } from './authorization/slots.ts'
import { ADS } from './config-source.ts'
import type { Reporter } from './metrics/labels.ts'
import { requestMetrics } from './metrics/standard-metrics.ts'
import { REFUSAL_LOGS } from './reporting/access-log-service.ts'
import { EXTERNAL_AUTH } from './routes/external-auth.ts'
import type { Init } from './routes/init.ts'
import { SCOPE_HEADER } from './routes/scope-header.ts'
import { SESSIONS } from './routes/session-persistence.ts'
import { SCOPE_FALLBACK, SCOPE_FROM_AUTHORITY } from './scope-lookup.ts'
import type { SignOnFilter } from './sign-on/filters.ts'
import { typedConfig } from './typed-config.ts'

export interface HttpConnectionManagerOptions {
  /** Names its counters: `http.PREFIX.downstream_rq_total`. */
  readonly statPrefix: string
  /**
   * `inbound`: to the proxy's own application, from peers whose certificate is passed on in `x-forwarded-client-cert`. `outbound`: from the application.
   * `edge`: from outside the mesh, whose headers about the client are not believed.
   */
  readonly traffic: 'inbound' | 'outbound' | 'edge'
  /**
   * `inline`: these routes. `named`: the route configuration of that name. `byHost`: that of the request's host, found by scope, else the one
   * for any host.
   */
  readonly routes: { readonly inline: RouteConfiguration } | { readonly named: string } | { readonly byHost: true }
  /** Of the paths of requests; BASE if absent. */
  readonly paths?: PathNormalization
  /** Whose view of requests its metrics are; the client's proxy's if absent. */
  readonly reporter?: Reporter
  /** Whether browsers may speak gRPC-Web here to servers that speak gRPC. */
  readonly grpcWeb?: boolean
  /** Filters before those of policies, which routes ask for. */
  readonly signOn?: readonly SignOnFilter[]
  /** Whether it speaks HTTP/3, and nothing else. */
  readonly http3?: boolean
}

type Hcm = Init<typeof HttpConnectionManagerSchema>

const NO_TIMEOUT = { seconds: 0n, nanos: 0 }

/** The network filter that speaks HTTP, with Istio's defaults. */
export function httpConnectionManager(options: HttpConnectionManagerOptions): Filter {
  const { statPrefix, traffic, grpcWeb, reporter = { side: 'source' } } = options
  const byHost = 'byHost' in options.routes
  return create(FilterSchema, {
    name: 'envoy.filters.network.http_connection_manager',
    configType: {
      case: 'typedConfig',
      value: typedConfig(HttpConnectionManagerSchema, {
        statPrefix,
        routeSpecifier: routeSpecifier(options.routes),
        ...(byHost ? { earlyHeaderMutationExtensions: [SCOPE_FROM_AUTHORITY] } : {}),
        httpFilters: httpFilters(traffic, byHost, grpcWeb ?? false, options.signOn ?? []),
        accessLog: [USUAL_ACCESS_LOGS.requests, REFUSAL_LOGS[reporter.side].requests, ...requestMetrics(reporter)],
        useRemoteAddress: traffic === 'edge',
        ...clientCertificate(traffic),
        ...(traffic === 'inbound' ? { localReplyConfig: UNDELIVERED } : {}),
        serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
        upgradeConfigs: [{ upgradeType: 'websocket' }],
        ...(options.http3 ? { codecType: HttpConnectionManager_CodecType.HTTP3, http3ProtocolOptions: {} } : {}),
        httpProtocolOptions: { acceptHttp10: true },
        // Clients' proxies may send WebSockets so that came to them by HTTP/1.1.
        ...(traffic === 'inbound' ? { http2ProtocolOptions: { allowConnect: true } } : {}),
        // A stream may be quiet for as long as it likes: timeouts are for routes to set.
        streamIdleTimeout: NO_TIMEOUT,
        ...normalization(options.paths ?? 'BASE'),
        stripTrailingHostDot: true,
      }),
    },
  })
}

function routeSpecifier(routes: HttpConnectionManagerOptions['routes']): NonNullable<Hcm['routeSpecifier']> {
  if ('inline' in routes) return { case: 'routeConfig', value: routes.inline }
  if ('named' in routes) return { case: 'rds', value: { configSource: ADS, routeConfigName: routes.named } }
  return {
    case: 'scopedRoutes',
    value: {
      name: 'outbound',
      scopeKeyBuilder: {
        fragments: [
          {
            type: {
              case: 'headerValueExtractor',
              value: { name: SCOPE_HEADER, elementSeparator: ':', extractType: { case: 'index', value: 0 } },
            },
          },
        ],
      },
      rdsConfigSource: ADS,
      configSpecifier: { case: 'scopedRds', value: { scopedRdsConfigSource: ADS } },
    },
  }
}

function httpFilters(
  traffic: HttpConnectionManagerOptions['traffic'],
  byHost: boolean,
  grpcWeb: boolean,
  signOn: readonly SignOnFilter[],
): NonNullable<Hcm['httpFilters']> {
  const routesAsk = traffic !== 'inbound'
  return [
    ...(byHost ? [given(SCOPE_FALLBACK)] : []),
    ...(grpcWeb ? [given(GRPC_WEB)] : []),
    given(GRPC_STATS),
    // Before policies: browsers ask beforehand without any credentials, and have to see it when a request was refused.
    ...(routesAsk ? [given(CORS)] : []),
    ...signOn.map((filter) => given({ ...filter, disabled: true })),
    ...(traffic === 'outbound' ? [] : HTTP_POLICY_FILTERS),
    ...(routesAsk ? [given(EXTERNAL_AUTH), given(FAULT), given(SESSIONS)] : []),
    given(ROUTER),
  ]
}

interface GivenFilter {
  readonly name: string
  readonly typedConfig: Any
  /** Unless a route asks for it. */
  readonly disabled?: true
}

function given({ name, typedConfig, disabled }: GivenFilter): Init<typeof HttpFilterSchema> {
  return { name, configType: { case: 'typedConfig', value: typedConfig }, ...(disabled ? { disabled } : {}) }
}

const GRPC_WEB = { name: 'envoy.filters.http.grpc_web', typedConfig: typedConfig(GrpcWebSchema, {}) }
const GRPC_STATS = {
  name: 'envoy.filters.http.grpc_stats',
  typedConfig: typedConfig(GrpcStatsSchema, {
    emitFilterState: true,
    perMethodStatSpecifier: { case: 'statsForAllMethods', value: { value: false } },
  }),
}
const CORS = { name: 'envoy.filters.http.cors', typedConfig: typedConfig(CorsSchema, {}) }
const FAULT = { name: 'envoy.filters.http.fault', typedConfig: typedConfig(HTTPFaultSchema, {}) }
const ROUTER = { name: 'envoy.filters.http.router', typedConfig: typedConfig(RouterSchema, {}) }

/** RFC 9110, 9.2.1. */
const SAFE_METHOD: Init<typeof HeaderMatcherSchema> = {
  name: ':method',
  headerMatchSpecifier: {
    case: 'stringMatch',
    value: { matchPattern: { case: 'safeRegex', value: { regex: 'GET|HEAD|OPTIONS' } } },
  },
}

const UNAVAILABLE = { headersToAdd: [{ header: { key: 'grpc-status', value: '14' } }] }

/**
 * Says of some requests that the application did not answer what gRPC says: UNAVAILABLE. A client's proxy tries these again elsewhere, which it must not
 * do with any other 503. So nothing fails while a pod ends, whose application may be gone before its clients know. These are requests that did not reach it,
 * as no connection could be made (response flag UF); and those to whom the connection was closed (UC) before the answer began, where RFC 9110 lets
 * a proxy try again: the methods that are safe. An application that ends closes connections, and a request may be on its way on one.
 */
const UNDELIVERED: NonNullable<Hcm['localReplyConfig']> = {
  mappers: [
    { filter: { filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['UF'] } } }, ...UNAVAILABLE },
    {
      filter: {
        filterSpecifier: {
          case: 'andFilter',
          value: {
            filters: [
              { filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['UC'] } } },
              { filterSpecifier: { case: 'headerFilter', value: { header: SAFE_METHOD } } },
            ],
          },
        },
      },
      ...UNAVAILABLE,
    },
  ],
}

function normalization(paths: PathNormalization): Hcm {
  const decode = paths === 'DECODE_AND_MERGE_SLASHES'
  return {
    normalizePath: paths !== 'NONE',
    ...(decode || paths === 'MERGE_SLASHES' ? { mergeSlashes: true } : {}),
    ...(decode
      ? { pathWithEscapedSlashesAction: HttpConnectionManager_PathWithEscapedSlashesAction.UNESCAPE_AND_FORWARD }
      : {}),
  }
}

/** What becomes of `x-forwarded-client-cert`. Whoever is outside the mesh cannot be believed to have written it. */
function clientCertificate(traffic: HttpConnectionManagerOptions['traffic']): Hcm {
  const { APPEND_FORWARD, SANITIZE, SANITIZE_SET } = HttpConnectionManager_ForwardClientCertDetails
  if (traffic === 'outbound') return { forwardClientCertDetails: SANITIZE }
  return {
    forwardClientCertDetails: traffic === 'inbound' ? APPEND_FORWARD : SANITIZE_SET,
    setCurrentClientCertDetails: { subject: true, dns: true, uri: true },
  }
}
