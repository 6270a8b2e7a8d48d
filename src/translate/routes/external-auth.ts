import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt'
import { ApiVersion } from '#envoy/config/core/v3/config_source'
import type { Route } from '#envoy/config/route/v3/route_components'
import {
  ExtensionWithMatcherPerRouteSchema,
  ExtensionWithMatcherSchema,
} from '#envoy/extensions/common/matching/v3/extension_matcher'
import { SkipFilterSchema } from '#envoy/extensions/filters/common/matcher/action/v3/skip_action'
import { CompositeSchema, ExecuteFilterActionSchema } from '#envoy/extensions/filters/http/composite/v3/composite'
import { ExtAuthzSchema } from '#envoy/extensions/filters/http/ext_authz/v3/ext_authz'
import type { ApiRoute } from '../../mesh/routing/api-routes.ts'
import { backendHost } from '../../mesh/routing/api-routes.ts'
import type { HTTPRouteFilter } from '../../resources/gateway-api.ts'
import { typedConfig } from '../typed-config.ts'
import { backendCluster } from './api-backends.ts'
import type { Init } from './init.ts'
import { SCOPE_HEADER } from './scope-header.ts'

const NAME = 'weft.external_auth'

/** Asks an authorizer where a route asks for it, each route its own one; costs nothing for others. */
export const EXTERNAL_AUTH = {
  name: NAME,
  typedConfig: typedConfig(ExtensionWithMatcherSchema, {
    extensionConfig: { name: 'envoy.filters.http.composite', typedConfig: typedConfig(CompositeSchema, {}) },
    xdsMatcher: always('skip', typedConfig(SkipFilterSchema, {})),
  }),
  disabled: true,
} as const

type ExternalAuth = NonNullable<HTTPRouteFilter['externalAuth']>
type Authorization = Init<typeof ExtAuthzSchema>

/**
 * What has a route ask an authorizer about each request (HTTPExternalAuthFilter). Where that gives no answer, the request is refused.
 * Undefined where the route may not send to it, or where there is no such service.
 */
export function externalAuthConfig(auth: ExternalAuth, route: ApiRoute): Readonly<Record<string, Any>> | undefined {
  const cluster = backendCluster(auth.backendRef, route)
  const host = backendHost(auth.backendRef, route.resource.metadata.namespace ?? '')
  if (cluster === undefined || host === undefined) return undefined
  const maxSize = auth.forwardBody?.maxSize ?? 0
  const authorization = typedConfig(ExtAuthzSchema, {
    statPrefix: 'route',
    transportApiVersion: ApiVersion.V3,
    // Larger bodies are answered with 413.
    ...only('disallowedHeaders', [SCOPE_HEADER]),
    ...(maxSize > 0 ? { withRequestBody: { maxRequestBytes: maxSize, packAsBytes: auth.protocol === 'GRPC' } } : {}),
    ...(auth.protocol === 'GRPC' ? overGrpc(auth, cluster, host) : overHttp(auth, cluster, host)),
  })
  const action = typedConfig(ExecuteFilterActionSchema, {
    typedConfig: { name: 'envoy.filters.http.ext_authz', typedConfig: authorization },
  })
  const config = typedConfig(ExtensionWithMatcherPerRouteSchema, { xdsMatcher: always('ask', action) })
  return { [NAME]: config }
}

/** A matcher that comes to the same for every request. */
function always(name: string, action: Any) {
  return { onNoMatch: { onMatch: { case: 'action' as const, value: { name, typedConfig: action } } } }
}

/** The cluster of the authorizer that a route asks; undefined where it asks none. */
export function authorizerCluster({ typedPerFilterConfig }: Route): string | undefined {
  const config = typedPerFilterConfig[NAME]
  const asks = config && anyUnpack(config, ExtensionWithMatcherPerRouteSchema)?.xdsMatcher?.onNoMatch?.onMatch
  const action = asks?.case === 'action' && asks.value.typedConfig
  const filter = action ? anyUnpack(action, ExecuteFilterActionSchema)?.typedConfig?.typedConfig : undefined
  const services = filter ? anyUnpack(filter, ExtAuthzSchema)?.services : undefined
  if (services?.case === 'httpService') return services.value.serverUri?.httpUpstreamType.value
  const target = services?.case === 'grpcService' ? services.value.targetSpecifier : undefined
  return target?.case === 'envoyGrpc' ? target.value.clusterName : undefined
}

/** Istio's: what the authorizer needs is for it to say. */
const TIMEOUT = { seconds: 600n, nanos: 0 }

/** "If this list is empty, then all headers must be sent" (GRPCAuthConfig.allowedHeaders). */
function overGrpc({ grpc }: ExternalAuth, clusterName: string, authority: string): Authorization {
  const value = { targetSpecifier: { case: 'envoyGrpc' as const, value: { clusterName, authority } }, timeout: TIMEOUT }
  return { services: { case: 'grpcService', value }, ...only('allowedHeaders', grpc?.allowedHeaders) }
}

function overHttp({ http, backendRef }: ExternalAuth, cluster: string, host: string): Authorization {
  const { path = '', allowedHeaders, allowedResponseHeaders = [] } = http ?? {}
  const all = { patterns: [{ matchPattern: { case: 'safeRegex' as const, value: { regex: '.+' } } }] }
  return {
    ...only('allowedHeaders', allowedHeaders),
    ...(allowedResponseHeaders.length > 0 ? {} : { decoderHeaderMutationRules: OF_THE_ANSWER_ITSELF }),
    services: {
      case: 'httpService',
      value: {
        serverUri: {
          uri: `http://${host}:${backendRef.port}`,
          httpUpstreamType: { case: 'cluster', value: cluster },
          timeout: TIMEOUT,
        },
        pathPrefix: path,
        authorizationResponse:
          allowedResponseHeaders.length > 0
            ? only('allowedUpstreamHeaders', allowedResponseHeaders)
            : { allowedUpstreamHeaders: all },
      },
    },
  }
}

/** "If this list is empty, then all headers from the authorization server except Authority or Host must be copied": those are not that tell how it was sent, its status among them, which breaks a request over HTTP/2. */
const OF_THE_ANSWER_ITSELF: NonNullable<Authorization['decoderHeaderMutationRules']> = {
  disallowExpression: {
    regex: ':.+|host|content-(length|type|encoding)|transfer-encoding|connection|keep-alive|date|server|x-envoy-.*',
  },
}

/** A field with the names of headers, which must not be there without any. */
function only<Field extends string>(field: Field, names: readonly string[] = []) {
  if (names.length === 0) return {}
  const patterns = names.map((value) => ({
    matchPattern: { case: 'exact' as const, value: value.toLowerCase() },
    ignoreCase: true,
  }))
  return { [field]: { patterns } } as Record<Field, { patterns: typeof patterns }>
}
