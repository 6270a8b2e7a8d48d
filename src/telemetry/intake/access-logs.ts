import { fromBinary } from '@bufbuild/protobuf'
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt'
import type { Address } from '#envoy/config/core/v3/address'
import { RequestMethod } from '#envoy/config/core/v3/base'
import {
  type AccessLogCommon,
  type HTTPAccessLogEntry,
  HTTPAccessLogEntry_HTTPVersion,
  type TCPAccessLogEntry,
} from '#envoy/data/accesslog/v3/accesslog'
import { type StreamAccessLogsMessage, StreamAccessLogsMessageSchema } from '#envoy/service/accesslog/v3/als'
import { LOG_NAMES, type LogName, SERVICE_TAG } from '../../translate/reporting/access-log-service.ts'
import { UNKNOWN } from '../measurements/series.ts'
import type { LogEntry, LogParty } from '../questions/logs.ts'
import type { SeenPlaintext } from '../store/evidence-store.ts'
import { hasFailed } from '../store/log-store.ts'
import type { Losses } from './losses.ts'
import { responseFlags } from './response-flags.ts'
import { type SeenCall, seenCall } from './seen-call.ts'
import { isRefusedByProxy, isWithoutTls, type SeenRefusal, seenRefusal } from './seen-refusal.ts'
import { type AddressOwner, NOBODY, type WorkloadAddresses } from './workload-addresses.ts'

export interface AccessLogContext {
  readonly addresses: WorkloadAddresses
  /** Of how many requests that went well one is logged. */
  readonly oneOf: number
  /** Ms since the epoch. */
  readonly now: number
  readonly losses: Losses
}

/** A clock that is further off, in ms, is not believed. A request may have taken long, and its log waited. */
const FUTURE_MS = 60_000
const PAST_MS = 86_400_000

/** Longer texts that clients made up are cut, in characters. */
const LONGEST = 1000

export interface ReadAccessLogs {
  readonly entries: readonly Omit<LogEntry, 'id'>[]
  readonly plaintext: readonly SeenPlaintext[]
  /** Those that came to the proxy of a server. */
  readonly calls: readonly SeenCall[]
  readonly refusals: readonly SeenRefusal[]
}

/**
 * Reads a StreamAccessLogsMessage.
 * @param pod whose proxy sends it: `NAMESPACE/NAME`
 * @param logName as the first message of its stream has it
 * @throws Error where it is none
 */
export function accessLogs(bytes: Uint8Array, pod: string, logName: string, context: AccessLogContext): ReadAccessLogs {
  const { logEntries } = fromBinary(StreamAccessLogsMessageSchema, bytes)
  const own = context.addresses.of(pod) ?? { ...NOBODY, namespace: pod.split('/')[0] ?? UNKNOWN }
  if (!isLogName(logName)) {
    context.losses.add('other log', logEntries.value?.logEntry.length ?? 0)
    return NOTHING
  }
  if (logName === LOG_NAMES.plaintext) {
    const entries: Omit<LogEntry, 'id'>[] = []
    const plaintext: SeenPlaintext[] = []
    const calls: SeenCall[] = []
    // Nothing takes plaintext where mutual TLS is STRICT: such a connection finds no filter chain (flag NR), and is known by this log alone, as is one whose TLS failed.
    for (const log of logEntries.case === 'tcpLogs' ? logEntries.value.logEntry : []) {
      const entry = connection(log, 'destination', own, context)
      const isRefused = isWithoutTls(entry.flags)
      if (isRefused) calls.push({ ...seenCall(entry, undefined), refused: true })
      if (isRefused || tlsFailureOf(log.commonProperties) !== '') entries.push(entry)
      else plaintext.push(...plaintextOf(log, own, context))
    }
    return { entries, plaintext, calls, refusals: refusalsIn(entries) }
  }
  if (logName === LOG_NAMES.failed) {
    const logs = logEntries.case === 'tcpLogs' ? logEntries.value.logEntry : []
    const failed = logs.filter((log) => tlsFailureOf(log.commonProperties) !== '')
    const entries = failed.map((log) => connection(log, 'destination', own, context))
    return { ...NOTHING, entries, refusals: refusalsIn(entries) }
  }
  const read = entriesOf(logEntries, logName === LOG_NAMES.client ? 'source' : 'destination', own, context)
  const entries = read.map(([, entry]) => entry)
  const calls = () => read.map(([log, entry]) => seenCall(entry, peerOf(log.commonProperties)))
  // Who refuses is where a call ends, whichever side it is on.
  const refusals = refusalsIn(
    read
      .filter(([, entry]) => isRefusedByProxy(entry))
      .map(([log, entry]) => ({ ...entry, ...common(log.commonProperties, 'destination', own, context) })),
  )
  switch (logName) {
    // Not among the entries: where they are all that is logged, nobody is to take them for all there was.
    case LOG_NAMES.refused:
      return { ...NOTHING, refusals, calls: calls() }
    case LOG_NAMES.refusedOutbound:
      return { ...NOTHING, refusals }
    case LOG_NAMES.server:
      return { ...NOTHING, refusals, entries, calls: calls() }
    default:
      return { ...NOTHING, refusals, entries }
  }
}

function entriesOf(
  logs: StreamAccessLogsMessage['logEntries'],
  reporter: LogEntry['reporter'],
  own: AddressOwner,
  context: AccessLogContext,
) {
  if (logs.case === 'httpLogs')
    return logs.value.logEntry.map((log) => [log, request(log, reporter, own, context)] as const)
  return (logs.value?.logEntry ?? []).map((log) => [log, connection(log, reporter, own, context)] as const)
}

function refusalsIn(entries: readonly Omit<LogEntry, 'id'>[]): readonly SeenRefusal[] {
  return entries.flatMap((entry) => seenRefusal(entry) ?? [])
}

const NOTHING: ReadAccessLogs = { entries: [], plaintext: [], calls: [], refusals: [] }

function isLogName(name: string): name is LogName {
  return Object.values<string>(LOG_NAMES).includes(name)
}

type Common = Pick<
  LogEntry,
  | 'at'
  | 'reporter'
  | 'source'
  | 'destination'
  | 'service'
  | 'flags'
  | 'failure'
  | 'duration'
  | 'route'
  | 'cluster'
  | 'upstream'
  | 'mutualTls'
>

function common(
  given: AccessLogCommon | undefined,
  reporter: LogEntry['reporter'],
  own: AddressOwner,
  { addresses, now, losses }: AccessLogContext,
): Common {
  const cluster = given?.upstreamCluster ?? ''
  const upstream = addressOf(given?.upstreamRemoteAddress)
  const direct = addressOf(given?.downstreamDirectRemoteAddress ?? given?.downstreamRemoteAddress)
  const peer = peerOf(given)
  const source =
    reporter === 'source' ? party(own, direct) : party(ownerOfPeer(addresses, peer, hostOf(direct)) ?? NOBODY, direct)
  const called = reporter === 'source' ? (addresses.at(hostOf(upstream)) ?? NOBODY) : own
  return {
    at: timeOf(given?.startTime, now, losses),
    reporter,
    source,
    destination: party(called, reporter === 'source' ? upstream : addressOf(given?.downstreamLocalAddress)),
    service: calledService(given) || (reporter === 'source' ? hostOfCluster(cluster) : ''),
    flags: responseFlags(given?.responseFlags),
    failure: cut(
      given?.upstreamTransportFailureReason || tlsFailureOf(given) || given?.connectionTerminationDetails || '',
    ),
    duration: milliseconds(given?.duration),
    route: given?.routeName ?? '',
    cluster,
    upstream,
    mutualTls: reporter === 'source' ? null : peer !== undefined,
  }
}

function request(
  { commonProperties, protocolVersion, request, response }: HTTPAccessLogEntry,
  reporter: LogEntry['reporter'],
  own: AddressOwner,
  context: AccessLogContext,
): Omit<LogEntry, 'id'> {
  const shared = common(commonProperties, reporter, own, context)
  const authority = cut(request?.authority ?? '')
  const headers = response?.responseHeaders ?? {}
  const entry = {
    ...shared,
    kind: 'request' as const,
    service: shared.service || hostOf(authority),
    protocol: PROTOCOLS[protocolVersion] ?? '',
    method: RequestMethod[request?.requestMethod ?? 0]?.replace('METHOD_UNSPECIFIED', '') ?? '',
    path: cut(request?.originalPath || request?.path || ''),
    authority,
    status: response?.responseCode ?? 0,
    grpcStatus: response?.responseTrailers['grpc-status'] ?? headers['grpc-status'] ?? '',
    details: cut(response?.responseCodeDetails ?? ''),
    receivedBytes: Number(request?.requestBodyBytes ?? 0n),
    sentBytes: Number(response?.responseBodyBytes ?? 0n),
    requestId: cut(request?.requestId ?? ''),
    traceId: tracedIn(request?.requestHeaders['traceparent'] ?? ''),
  }
  return { ...entry, oneOf: hasFailed(entry) || REFUSALS.includes(entry.status) ? 1 : context.oneOf }
}

function connection(
  { commonProperties, connectionProperties }: TCPAccessLogEntry,
  reporter: LogEntry['reporter'],
  own: AddressOwner,
  context: AccessLogContext,
): Omit<LogEntry, 'id'> {
  const entry = {
    ...common(commonProperties, reporter, own, context),
    kind: 'connection' as const,
    protocol: 'TCP',
    method: '',
    path: '',
    authority: '',
    status: 0,
    grpcStatus: '',
    details: '',
    receivedBytes: Number(connectionProperties?.receivedBytes ?? 0n),
    sentBytes: Number(connectionProperties?.sentBytes ?? 0n),
    requestId: '',
    traceId: '',
  }
  return { ...entry, oneOf: hasFailed(entry) ? 1 : context.oneOf }
}

/** Why TLS with the client did not come about; empty where it did, and where there was none: then Envoy names what made it see that. */
function tlsFailureOf(given: AccessLogCommon | undefined): string {
  return given?.tlsProperties ? given.downstreamTransportFailureReason : ''
}

function plaintextOf(
  { commonProperties }: TCPAccessLogEntry,
  own: AddressOwner,
  { addresses, now, losses }: AccessLogContext,
): SeenPlaintext[] {
  if (peerOf(commonProperties) !== undefined) return []
  const address = hostOf(
    addressOf(commonProperties?.downstreamDirectRemoteAddress ?? commonProperties?.downstreamRemoteAddress),
  )
  const owner = addresses.at(address)
  const port = Number(addressOf(commonProperties?.downstreamLocalAddress).split(':').at(-1)) || 0
  return [
    {
      source: {
        namespace: owner?.namespace ?? UNKNOWN,
        workload: owner?.workload ?? UNKNOWN,
        address,
        inMesh: owner ? owner.inMesh : null,
      },
      destination: { namespace: own.namespace, workload: own.workload, port },
      at: timeOf(commonProperties?.startTime, now, losses),
      connections: 1,
    },
  ]
}

/** Statuses that are logged every time, too. */
const REFUSALS: readonly number[] = [401, 403]

const PROTOCOLS: Readonly<Record<number, string>> = {
  [HTTPAccessLogEntry_HTTPVersion.HTTP10]: 'HTTP/1.0',
  [HTTPAccessLogEntry_HTTPVersion.HTTP11]: 'HTTP/1.1',
  [HTTPAccessLogEntry_HTTPVersion.HTTP2]: 'HTTP/2',
  [HTTPAccessLogEntry_HTTPVersion.HTTP3]: 'HTTP/3',
}

function party({ namespace, workload, version }: AddressOwner, address: string): LogParty {
  return { namespace, workload, version, address }
}

/** The SPIFFE ID of a client that showed a certificate, and was believed. */
function peerOf(given: AccessLogCommon | undefined): string | undefined {
  if (given?.downstreamTransportFailureReason) return undefined
  const names = given?.tlsProperties?.peerCertificateProperties?.subjectAltName ?? []
  for (const { san } of names) if (san.case === 'uri' && san.value.startsWith('spiffe://')) return san.value
  return undefined
}

/** Whoever shows a certificate is of its namespace, and the workload of its service account, where that has one only. */
function ownerOfPeer(addresses: WorkloadAddresses, peer: string | undefined, host: string): AddressOwner | undefined {
  const [, namespace, account] = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/(.+)$/.exec(peer ?? '') ?? []
  const there = addresses.at(host)
  if (namespace === undefined || account === undefined || there?.namespace === namespace) return there
  return addresses.ofAccount(namespace, account) ?? { ...NOBODY, namespace }
}

/** `host:port`; the path of a Unix socket; empty for what is neither. */
function addressOf(given: Address | undefined): string {
  if (given?.address.case === 'pipe') return given.address.value.path
  if (given?.address.case !== 'socketAddress') return ''
  const { address, portSpecifier } = given.address.value
  const port = portSpecifier.case === 'portValue' ? portSpecifier.value : 0
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

/** Empty where a proxy does not say it, or as the cluster is that of no service, which Envoy tells by a dash. */
function calledService(given: AccessLogCommon | undefined): string {
  const host = given?.customTags[SERVICE_TAG] ?? ''
  return host === '-' ? '' : host
}

/** `reviews.default.svc.cluster.local` of `outbound|9080|v1|reviews.default.svc.cluster.local`. */
function hostOfCluster(cluster: string): string {
  return cluster.split('|')[3] ?? ''
}

/** The id of a trace that was sampled, from a W3C traceparent. */
function tracedIn(traceparent: string): string {
  const [, traceId, flags] = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/.exec(traceparent) ?? []
  return traceId !== undefined && (Number.parseInt(flags ?? '0', 16) & 1) === 1 ? traceId : ''
}

function timeOf(given: Timestamp | undefined, now: number, losses: Losses): number {
  const at = given ? Number(given.seconds) * 1000 + given.nanos / 1e6 : now
  if (at <= now + FUTURE_MS && at >= now - PAST_MS) return at
  losses.add('wrong clock')
  return now
}

function milliseconds(given: Duration | undefined): number {
  return given ? Number(given.seconds) * 1000 + given.nanos / 1e6 : 0
}

function cut(text: string): string {
  return text.slice(0, LONGEST)
}
