import { create } from '@bufbuild/protobuf'
import type { Tracing_HttpSchema } from '#envoy/config/trace/v3/http_tracer'
import { OpenTelemetryConfigSchema } from '#envoy/config/trace/v3/opentelemetry'
import {
  ZipkinConfig_CollectorEndpointVersion,
  ZipkinConfig_TraceContextOption,
  ZipkinConfigSchema,
} from '#envoy/config/trace/v3/zipkin'
import {
  type HttpConnectionManager_Tracing,
  HttpConnectionManager_TracingSchema,
} from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { EnvironmentResourceDetectorConfigSchema } from '#envoy/extensions/tracers/opentelemetry/resource_detectors/v3/environment_resource_detector'
import type { CustomTagSchema } from '#envoy/type/tracing/v3/custom_tag'
import type { Tracing } from '../../mesh/telemetry.ts'
import type { TelemetryProvider, TelemetryProviders } from '../../mesh/telemetry-providers.ts'
import { OWN_NAMES } from '../metrics/own-names.ts'
import { outboundCluster } from '../routes/destination.ts'
import type { Init } from '../routes/init.ts'
import { typedConfig } from '../typed-config.ts'
import { TELEMETRY_CLUSTER } from './access-log-service.ts'

/** Istio's name for the share of requests that are traced where nobody says another, in percent. */
const USUAL_SAMPLING = 1
const USUAL_TAG_LENGTH = 256

/** The provider that is always there: Weft's own telemetry. */
export const OWN_PROVIDER = 'weft'

type Tag = Init<typeof CustomTagSchema>

/**
 * How requests are traced, by `tracing` of Telemetry objects; undefined where no provider is named that there is. What comes later wins, field by field.
 * Requests that are traced already stay so, whatever the share.
 */
export function tracingOf(
  said: readonly Tracing[],
  providers: TelemetryProviders,
): HttpConnectionManager_Tracing | undefined {
  const last = <T>(get: (tracing: Tracing) => T | undefined): T | undefined =>
    said.map(get).findLast((value) => value !== undefined)
  const name = last((tracing) => tracing.providers?.[0]?.name)
  const own = name === OWN_PROVIDER && !providers.has(OWN_PROVIDER)
  const given = name === undefined ? undefined : providers.get(name)
  const provider = own ? openTelemetry(TELEMETRY_CLUSTER) : given && tracer(given)
  if (!provider) return undefined
  const off = last((tracing) => tracing.disableSpanReporting) ?? false
  const sampling = off ? 0 : (last((tracing) => tracing.randomSamplingPercentage) ?? USUAL_SAMPLING)
  const maxTagLength = given && 'maxTagLength' in given ? given.maxTagLength : undefined
  const tags = said.flatMap(({ customTags }) => Object.entries(customTags ?? {}))
  return create(HttpConnectionManager_TracingSchema, {
    clientSampling: { value: off ? 0 : 100 },
    randomSampling: { value: sampling },
    overallSampling: { value: off ? 0 : 100 },
    maxPathTagLength: maxTagLength ?? USUAL_TAG_LENGTH,
    customTags: [
      ...(own ? OWN_TAGS : []),
      ...((last((tracing) => tracing.enableIstioTags) ?? true) ? ISTIO_TAGS : []),
      ...[...new Map(tags)].flatMap(([tag, value]) => customTag(tag, value)),
    ],
    provider,
  })
}

type CustomTag = NonNullable<Tracing['customTags']>[string]

function customTag(tag: string, { literal, environment, header, formatter }: CustomTag): Tag[] {
  if (literal) return [{ tag, type: { case: 'literal', value: { value: literal.value } } }]
  if (environment) return [fromEnvironment(tag, environment.name, environment.defaultValue)]
  if (formatter) return [{ tag, type: { case: 'value', value: formatter.value } }]
  if (!header) return []
  const { name, defaultValue = '' } = header
  return [{ tag, type: { case: 'requestHeader', value: { name, defaultValue } } }]
}

function fromEnvironment(tag: string, name: string, defaultValue = ''): Tag {
  return { tag, type: { case: 'environment', value: { name, defaultValue } } }
}

/** By which Weft finds spans of a workload. */
const OWN_TAGS: readonly Tag[] = [
  fromEnvironment('weft.workload', OWN_NAMES.workload),
  fromEnvironment('weft.namespace', OWN_NAMES.workload_namespace),
  fromEnvironment('weft.app', OWN_NAMES.app),
  fromEnvironment('weft.version', OWN_NAMES.version),
]

/** Those that Istio adds, as far as they are known to the proxy. */
const ISTIO_TAGS: readonly Tag[] = [
  fromEnvironment('istio.canonical_service', OWN_NAMES.canonical_service),
  fromEnvironment('istio.canonical_revision', OWN_NAMES.canonical_revision),
  fromEnvironment('istio.namespace', OWN_NAMES.workload_namespace),
  fromEnvironment('istio.cluster_id', OWN_NAMES.cluster),
]

type Tracer = Init<typeof Tracing_HttpSchema>

function tracer(provider: TelemetryProvider): Tracer | undefined {
  if (provider.kind === 'opentelemetry') return openTelemetry(outboundCluster(provider.host, provider.port))
  if (provider.kind !== 'zipkin') return undefined
  const { host, port, path, wideTraceIds, headers } = provider
  return {
    name: 'envoy.tracers.zipkin',
    configType: {
      case: 'typedConfig',
      value: typedConfig(ZipkinConfigSchema, {
        collectorCluster: outboundCluster(host, port),
        collectorHostname: host,
        collectorEndpoint: path,
        collectorEndpointVersion: ZipkinConfig_CollectorEndpointVersion.HTTP_JSON,
        traceId128bit: wideTraceIds,
        sharedSpanContext: false,
        traceContextOption:
          headers === 'B3'
            ? ZipkinConfig_TraceContextOption.USE_B3
            : ZipkinConfig_TraceContextOption.USE_B3_WITH_W3C_PROPAGATION,
      }),
    },
  }
}

/** The name of the service is among what the environment says, so that it is the same for all proxies. */
function openTelemetry(clusterName: string): Tracer {
  return {
    name: 'envoy.tracers.opentelemetry',
    configType: {
      case: 'typedConfig',
      value: typedConfig(OpenTelemetryConfigSchema, {
        grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName } } },
        resourceDetectors: [
          {
            name: 'envoy.tracers.opentelemetry.resource_detectors.environment',
            typedConfig: typedConfig(EnvironmentResourceDetectorConfigSchema, {}),
          },
        ],
      }),
    },
  }
}
