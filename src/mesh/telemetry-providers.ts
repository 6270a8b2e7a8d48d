import { isFields } from '../resources/fields.ts'
import { derive } from '../store/derive.ts'
import type { AccessLogFile } from './mesh-config.ts'

/** Where a provider is. */
interface ProviderService {
  /** Host name. */
  readonly host: string
  readonly port: number
}

/** Of MeshConfig's `extensionProviders`: those that logs and traces can be sent to. */
export type TelemetryProvider =
  /** `opentelemetry`, over gRPC. */
  | ({ readonly kind: 'opentelemetry'; readonly maxTagLength?: number } & ProviderService)
  /** `zipkin` */
  | ({
      readonly kind: 'zipkin'
      readonly maxTagLength?: number
      readonly path: string
      readonly wideTraceIds: boolean
      /** B3 headers only, or those of W3C as well. */
      readonly headers: 'B3' | 'B3 and W3C'
    } & ProviderService)
  /** `envoyHttpAls` and `envoyTcpAls`: Envoy's gRPC access log service. */
  | ({
      readonly kind: 'access-log-service'
      readonly what: 'requests' | 'connections'
      readonly logName: string
    } & ProviderService)
  /** `envoyOtelAls`: access logs as OTLP. `text` and `labels` are Envoy's formats. */
  | ({
      readonly kind: 'otlp-logs'
      readonly logName: string
      readonly text?: string
      readonly labels?: Readonly<Record<string, string>>
    } & ProviderService)
  /** `envoyFileAccessLog` */
  | { readonly kind: 'file'; readonly file: AccessLogFile }

export type TelemetryProviders = ReadonlyMap<string, TelemetryProvider>

/** What MeshConfig's `extensionProviders` have for logs and traces, by name; the first of a name counts. The same map for equal ones. */
export function telemetryProviders(written: unknown): TelemetryProviders {
  const found = (Array.isArray(written) ? written : []).flatMap((each): [string, TelemetryProvider][] => {
    const provider = isFields(each) && typeof each['name'] === 'string' ? providerOf(each) : undefined
    return provider ? [[(each as { name: string }).name, provider]] : []
  })
  return found.length === 0 ? NONE : interned(JSON.stringify(found.reverse()))
}

const NONE: TelemetryProviders = new Map()
const interned = derive('mesh/telemetry/providers', (text: string): TelemetryProviders => new Map(JSON.parse(text)))

type Written = Readonly<Record<string, unknown>>

function providerOf(each: Written): TelemetryProvider | undefined {
  const { opentelemetry, zipkin, envoyHttpAls, envoyTcpAls, envoyOtelAls, envoyFileAccessLog } = each
  if (isFields(opentelemetry))
    return withService(opentelemetry, { kind: 'opentelemetry', ...maxTagLength(opentelemetry) })
  if (isFields(zipkin))
    return withService(zipkin, {
      kind: 'zipkin',
      ...maxTagLength(zipkin),
      path: text(zipkin['path']) ?? '/api/v2/spans',
      wideTraceIds: zipkin['enable64bitTraceId'] !== true,
      headers: zipkin['traceContextOption'] === 'USE_B3_WITH_W3C_PROPAGATION' ? 'B3 and W3C' : 'B3',
    })
  if (isFields(envoyHttpAls))
    return withService(envoyHttpAls, {
      kind: 'access-log-service',
      what: 'requests',
      logName: text(envoyHttpAls['logName']) ?? 'http_envoy_accesslog',
    })
  if (isFields(envoyTcpAls))
    return withService(envoyTcpAls, {
      kind: 'access-log-service',
      what: 'connections',
      logName: text(envoyTcpAls['logName']) ?? 'tcp_envoy_accesslog',
    })
  if (isFields(envoyOtelAls)) {
    const format = isFields(envoyOtelAls['logFormat']) ? envoyOtelAls['logFormat'] : {}
    const written = text(format['text'])
    return withService(envoyOtelAls, {
      kind: 'otlp-logs',
      logName: text(envoyOtelAls['logName']) ?? 'otel_envoy_accesslog',
      ...(written === undefined ? {} : { text: written }),
      ...(isFields(format['labels']) ? { labels: textsOf(format['labels']) } : {}),
    })
  }
  return isFields(envoyFileAccessLog) ? { kind: 'file', file: fileOf(envoyFileAccessLog) } : undefined
}

function fileOf({ path, logFormat }: Written): AccessLogFile {
  const format = isFields(logFormat) ? logFormat : {}
  const file = text(path) ?? '/dev/stdout'
  if (isFields(format['labels'])) return { path: file, encoding: 'JSON', format: JSON.stringify(format['labels']) }
  const line = text(format['text'])
  return { path: file, encoding: 'TEXT', ...(line === undefined ? {} : { format: line }) }
}

type WithoutService<T> = T extends ProviderService ? Omit<T, keyof ProviderService> : never

/** Undefined where it is not said where it is. */
function withService(
  { service, port }: Written,
  provider: WithoutService<TelemetryProvider>,
): TelemetryProvider | undefined {
  if (typeof service !== 'string' || typeof port !== 'number') return undefined
  // It may have a namespace before it.
  return { ...provider, host: service.replace(/^[^/]*\//, '').toLowerCase(), port } as TelemetryProvider
}

function maxTagLength({ maxTagLength }: Written): { readonly maxTagLength?: number } {
  return typeof maxTagLength === 'number' ? { maxTagLength } : {}
}

function textsOf(map: Written): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, String(value)]))
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
