import { parse } from 'yaml'
import type { ConfigMap } from '../resources/core.ts'
import { isFields } from '../resources/fields.ts'
import type { ConnectionPool, HttpRetry, TrafficPolicy } from '../resources/istio.ts'
import { derive } from '../store/derive.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { MeshLocality } from './locality-preference.ts'
import { type TelemetryProviders, telemetryProviders } from './telemetry-providers.ts'
import { EVERYONE, ROOT_NAMESPACE } from './visibility.ts'

/** Settings of the whole mesh, in Istio's MeshConfig, as far as they are acted upon. */
export interface MeshConfig {
  /** `pathNormalization.normalization`: what is done to the paths of requests from others before anything looks at them. */
  readonly pathNormalization: PathNormalization
  /** `outboundTrafficPolicy.mode`: where connections go that are to nothing the mesh knows. */
  readonly outboundTraffic: 'ALLOW_ANY' | 'REGISTRY_ONLY'
  /** What holds for clients where no DestinationRule says it. The same object for equal ones. */
  readonly clients: ClientDefaults
  /** `defaultHttpRetryPolicy`, without `perTryTimeout`, as with Istio: how requests are tried again where no route says it. The same object for equal ones. */
  readonly retries?: HttpRetry
  /** Who sees what says nothing of it. The same lists for equal ones. */
  readonly exportTo: ExportDefaults
  /** `accessLogFile`, `accessLogEncoding` and `accessLogFormat`; absent where none of them is set. The same object for equal ones. */
  readonly accessLog?: AccessLogFile
  /** `extensionProviders` that can be asked whether a request is allowed, by name; the first of a name counts. */
  readonly authorizers: ReadonlyMap<string, ExternalAuthorizer>
  /** Those that logs and traces can be sent to, by name. The same map for equal ones. */
  readonly telemetryProviders: TelemetryProviders
}

/** `defaultServiceExportTo` (of ServiceEntries too), `defaultVirtualServiceExportTo` and `defaultDestinationRuleExportTo`: everyone where they are not set. */
export interface ExportDefaults {
  readonly services: readonly string[]
  readonly virtualServices: readonly string[]
  readonly destinationRules: readonly string[]
}

/** Settings of MeshConfig in whose place a DestinationRule may say something else, in their own names. */
export interface ClientDefaults extends MeshLocality {
  readonly connectTimeout?: string
  readonly tcpKeepalive?: NonNullable<NonNullable<ConnectionPool['tcp']>['tcpKeepalive']>
  readonly h2UpgradePolicy?: 'UPGRADE' | 'DO_NOT_UPGRADE'
  /** How often names are asked for again whose records don't say it. */
  readonly dnsRefreshRate?: string
  readonly defaultTrafficPolicy?: Pick<TrafficPolicy, 'connectionPool' | 'outlierDetection'>
}

/** How proxies log requests and connections. */
export interface AccessLogFile {
  /** '' for none. */
  readonly path: string
  readonly encoding: 'TEXT' | 'JSON'
  /** Envoy's format: a line, or with JSON an object. Istio's default if absent. */
  readonly format?: string
}

/**
 * NONE: nothing. BASE: as RFC 3986 says, and backslashes become slashes. MERGE_SLASHES: besides, several slashes become one.
 * DECODE_AND_MERGE_SLASHES: besides, encoded slashes (`%2F`, `%5C`) are decoded.
 */
export type PathNormalization = (typeof PATH_NORMALIZATIONS)[number]
const PATH_NORMALIZATIONS = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'] as const

/** A server that is asked, over HTTP or over gRPC. */
export type ExternalAuthorizer =
  | { readonly over: 'http'; readonly settings: HttpAuthorizer }
  | { readonly over: 'grpc'; readonly settings: AuthorizerSettings }

/** What `envoyExtAuthzHttp` and `envoyExtAuthzGrpc` have in common. */
export interface AuthorizerSettings {
  /** `HOST` or `NAMESPACE/HOST`. */
  readonly service?: string
  readonly port?: number
  readonly timeout?: string
  /** Let through what could not be asked about. */
  readonly failOpen?: boolean
  /** HTTP status for what could not be asked about; 403 if absent. */
  readonly statusOnError?: string
  readonly clearRouteCache?: boolean
  readonly includeRequestBodyInCheck?: {
    readonly maxRequestBytes?: number
    readonly allowPartialMessage?: boolean
    readonly packAsBytes?: boolean
  }
}

export interface HttpAuthorizer extends AuthorizerSettings {
  readonly pathPrefix?: string
  readonly includeHeadersInCheck?: readonly string[]
  readonly includeRequestHeadersInCheck?: readonly string[]
  readonly includeAdditionalHeadersInCheck?: Readonly<Record<string, string>>
  readonly headersToUpstreamOnAllow?: readonly string[]
  readonly headersToDownstreamOnAllow?: readonly string[]
  readonly headersToDownstreamOnDeny?: readonly string[]
}

/** Key of the ConfigMap whose `data.mesh` it is, as with Istio. */
export const MESH_CONFIG_MAP = `${ROOT_NAMESPACE}/istio`

/** The settings in force; the defaults where none are given or they cannot be read. */
export function meshConfig(snapshot: Snapshot): MeshConfig {
  const map = snapshot.get('core/ConfigMap', MESH_CONFIG_MAP)
  return map ? configOf(map) : DEFAULTS
}

/** What stands in a ConfigMap, as it was written. @throws Error where that is no YAML, or no map */
export function writtenMeshConfig(map: ConfigMap): Readonly<Record<string, unknown>> {
  const written: unknown = parse(map.data?.['mesh'] ?? '') ?? {}
  if (!isFields(written)) throw new Error('it is no map of settings')
  return written
}

const NO_DEFAULTS: ClientDefaults = {}

const NO_EXPORT_DEFAULTS: ExportDefaults = {
  services: EVERYONE,
  virtualServices: EVERYONE,
  destinationRules: EVERYONE,
}

const DEFAULTS: MeshConfig = {
  pathNormalization: 'BASE',
  outboundTraffic: 'ALLOW_ANY',
  clients: NO_DEFAULTS,
  exportTo: NO_EXPORT_DEFAULTS,
  authorizers: new Map(),
  telemetryProviders: telemetryProviders(undefined),
}

const configOf = derive('mesh/config', (map: ConfigMap): MeshConfig => {
  let written: Readonly<Record<string, unknown>>
  try {
    written = writtenMeshConfig(map)
  } catch {
    return DEFAULTS
  }
  const { outboundTrafficPolicy, extensionProviders, pathNormalization } = written
  const paths = isFields(pathNormalization) ? pathNormalization['normalization'] : undefined
  const mode = isFields(outboundTrafficPolicy) ? outboundTrafficPolicy['mode'] : undefined
  const authorizers = new Map<string, ExternalAuthorizer>()
  for (const provider of Array.isArray(extensionProviders) ? extensionProviders : []) {
    if (!isFields(provider) || typeof provider['name'] !== 'string' || authorizers.has(provider['name'])) continue
    const { name, envoyExtAuthzHttp: http, envoyExtAuthzGrpc: grpc } = provider
    if (isFields(http)) authorizers.set(name as string, { over: 'http', settings: http })
    else if (isFields(grpc)) authorizers.set(name as string, { over: 'grpc', settings: grpc })
  }
  return {
    pathNormalization: PATH_NORMALIZATIONS.find((one) => one === paths) ?? 'BASE',
    outboundTraffic: mode === 'REGISTRY_ONLY' ? mode : 'ALLOW_ANY',
    clients: clientDefaults(written),
    ...retriesOf(written),
    exportTo: {
      services: exportDefault(written['defaultServiceExportTo']),
      virtualServices: exportDefault(written['defaultVirtualServiceExportTo']),
      destinationRules: exportDefault(written['defaultDestinationRuleExportTo']),
    },
    ...accessLogOf(written),
    authorizers,
    telemetryProviders: telemetryProviders(extensionProviders),
  }
})

function clientDefaults(written: Readonly<Record<string, unknown>>): ClientDefaults {
  const { localityLbSetting, zoneAwareLbSetting, connectTimeout, tcpKeepalive } = written
  const { h2UpgradePolicy, dnsRefreshRate, defaultTrafficPolicy } = written
  const found = {
    ...(isFields(localityLbSetting) ? { localityLbSetting } : {}),
    ...(isFields(zoneAwareLbSetting) ? { zoneAwareLbSetting } : {}),
    ...(typeof connectTimeout === 'string' ? { connectTimeout } : {}),
    ...(isFields(tcpKeepalive) ? { tcpKeepalive } : {}),
    ...(h2UpgradePolicy === 'UPGRADE' || h2UpgradePolicy === 'DO_NOT_UPGRADE' ? { h2UpgradePolicy } : {}),
    ...(typeof dnsRefreshRate === 'string' ? { dnsRefreshRate } : {}),
    ...(isFields(defaultTrafficPolicy) ? { defaultTrafficPolicy } : {}),
  }
  return Object.keys(found).length > 0 ? interned(JSON.stringify(found)) : NO_DEFAULTS
}

const interned = derive('mesh/config/clients', (text: string): ClientDefaults => JSON.parse(text))

function retriesOf({
  defaultHttpRetryPolicy: written,
}: Readonly<Record<string, unknown>>): Pick<MeshConfig, 'retries'> {
  if (!isFields(written)) return {}
  const { perTryTimeout: _, ...retries } = written
  return { retries: internedRetries(JSON.stringify(retries)) }
}

const internedRetries = derive('mesh/config/retries', (text: string): HttpRetry => JSON.parse(text))

/** An empty list is as none. */
function exportDefault(written: unknown): readonly string[] {
  const names = Array.isArray(written) ? written.filter((name) => typeof name === 'string') : []
  return names.length === 0 || names.includes('*') ? EVERYONE : internedNames(JSON.stringify(names))
}

const internedNames = derive('mesh/config/export-to', (text: string): readonly string[] => JSON.parse(text))

function accessLogOf(written: Readonly<Record<string, unknown>>): Pick<MeshConfig, 'accessLog'> {
  const { accessLogFile, accessLogEncoding, accessLogFormat } = written
  if ([accessLogFile, accessLogEncoding, accessLogFormat].every((each) => each === undefined)) return {}
  const accessLog: AccessLogFile = {
    path: typeof accessLogFile === 'string' ? accessLogFile : '/dev/stdout',
    encoding: accessLogEncoding === 'JSON' ? 'JSON' : 'TEXT',
    ...(typeof accessLogFormat === 'string' && accessLogFormat !== '' ? { format: accessLogFormat } : {}),
  }
  return { accessLog: internedLog(JSON.stringify(accessLog)) }
}

const internedLog = derive('mesh/config/access-log', (text: string): AccessLogFile => JSON.parse(text))
