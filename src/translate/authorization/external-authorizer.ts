import type { Any } from '@bufbuild/protobuf/wkt'
import { ApiVersion } from '#envoy/config/core/v3/config_source'
import type { GrpcServiceSchema } from '#envoy/config/core/v3/grpc_service'
import { ExtAuthzSchema } from '#envoy/extensions/filters/http/ext_authz/v3/ext_authz'
import { ExtAuthzSchema as NetworkExtAuthzSchema } from '#envoy/extensions/filters/network/ext_authz/v3/ext_authz'
import type { AuthorizerSettings, ExternalAuthorizer, HttpAuthorizer } from '../../mesh/mesh-config.ts'
import { envoyDuration } from '../routes/duration.ts'
import type { Init } from '../routes/init.ts'
import { typedConfig } from '../typed-config.ts'
import { patternMatcher, valuePattern } from './value-pattern.ts'

/** Before the counters and metadata of rules that select what an authorizer is asked about; Istio's. */
export const SELECTED_PREFIX = 'istio_ext_authz_'
/** Before the names of these rules. */
export const SELECTED_NAME = 'istio-ext-authz-'

/** Only what the filter before it has selected. */
function selectedBy(filter: string) {
  return {
    filter,
    path: [{ segment: { case: 'key' as const, value: `${SELECTED_PREFIX}shadow_effective_policy_id` } }],
    value: {
      matchPattern: {
        case: 'stringMatch' as const,
        value: { matchPattern: { case: 'prefix' as const, value: SELECTED_NAME } },
      },
    },
  }
}

/** The HTTP filter that asks an authorizer, in Istio's defaults. `cluster` is where it is, `host` the name it is called by. */
export function httpAuthorization(authorizer: ExternalAuthorizer, cluster: string, host: string): Any {
  const { settings } = authorizer
  const body = settings.includeRequestBodyInCheck
  return typedConfig(ExtAuthzSchema, {
    transportApiVersion: ApiVersion.V3,
    failureModeAllow: settings.failOpen ?? false,
    clearRouteCache: settings.clearRouteCache ?? false,
    filterEnabledMetadata: selectedBy('envoy.filters.http.rbac'),
    ...(/^[1-5]\d\d$/.test(String(settings.statusOnError))
      ? { statusOnError: { code: Number(settings.statusOnError) } }
      : {}),
    ...(body?.maxRequestBytes
      ? {
          withRequestBody: {
            maxRequestBytes: body.maxRequestBytes,
            allowPartialMessage: body.allowPartialMessage ?? false,
            packAsBytes: body.packAsBytes ?? false,
          },
        }
      : {}),
    ...(authorizer.over === 'http'
      ? overHttp(authorizer.settings, cluster, host)
      : { services: { case: 'grpcService' as const, value: overGrpc(settings, cluster, host) } }),
  })
}

/** The network filter that asks an authorizer, which has to speak gRPC. */
export function networkAuthorization(settings: AuthorizerSettings, cluster: string, host: string): Any {
  return typedConfig(NetworkExtAuthzSchema, {
    statPrefix: 'tcp.',
    transportApiVersion: ApiVersion.V3,
    failureModeAllow: settings.failOpen ?? false,
    grpcService: overGrpc(settings, cluster, host),
    filterEnabledMetadata: selectedBy('envoy.filters.network.rbac'),
  })
}

const DEFAULT_TIMEOUT = { seconds: 600n, nanos: 0 }

function overGrpc(
  settings: AuthorizerSettings,
  clusterName: string,
  authority: string,
): Init<typeof GrpcServiceSchema> {
  return {
    targetSpecifier: { case: 'envoyGrpc', value: { clusterName, authority } },
    timeout: envoyDuration(settings.timeout) ?? DEFAULT_TIMEOUT,
  }
}

function overHttp(settings: HttpAuthorizer, cluster: string, host: string): Init<typeof ExtAuthzSchema> {
  const sent = settings.includeRequestHeadersInCheck ?? settings.includeHeadersInCheck
  return {
    ...headers('allowedHeaders', sent),
    services: {
      case: 'httpService',
      value: {
        serverUri: {
          uri: `http://${host}:${settings.port}`,
          httpUpstreamType: { case: 'cluster', value: cluster },
          timeout: envoyDuration(settings.timeout) ?? DEFAULT_TIMEOUT,
        },
        pathPrefix: settings.pathPrefix ?? '',
        authorizationRequest: {
          headersToAdd: Object.entries(settings.includeAdditionalHeadersInCheck ?? {})
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, value]) => ({ key, value })),
        },
        authorizationResponse: {
          ...headers('allowedUpstreamHeaders', settings.headersToUpstreamOnAllow),
          ...headers('allowedClientHeaders', settings.headersToDownstreamOnDeny),
          ...headers('allowedClientHeadersOnSuccess', settings.headersToDownstreamOnAllow),
        },
      },
    },
  }
}

/** A field with patterns for names of headers, which must not be there without any. */
function headers<Field extends string>(field: Field, written: readonly string[] = []) {
  if (written.length === 0) return {}
  const patterns = written.map((each) => patternMatcher(valuePattern(each), '', true))
  return { [field]: { patterns } } as Record<Field, { patterns: typeof patterns }>
}
