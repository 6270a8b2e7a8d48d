import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { type CircuitBreakers, CircuitBreakersSchema } from '#envoy/config/cluster/v3/circuit_breaker'
import type { TcpKeepaliveSchema } from '#envoy/config/core/v3/address'
import type { Http2ProtocolOptionsSchema } from '#envoy/config/core/v3/protocol'
import { HttpProtocolOptionsSchema } from '#envoy/extensions/upstreams/http/v3/http_protocol_options'
import type { Protocol } from '../mesh/model.ts'
import { isHttp, isHttp2 } from '../mesh/protocol.ts'
import type { EffectiveTrafficPolicy } from '../mesh/traffic-policy.ts'
import type { ConnectionPool } from '../resources/istio.ts'
import { envoyDuration } from './routes/duration.ts'
import type { Init } from './routes/init.ts'
import { typedConfig } from './typed-config.ts'

/** No limit: Envoy's own 1024 would cut off busy services that never asked for a limit. */
const UNLIMITED = 0xffff_ffff

/** `connectionPool` and `retryBudget` as limits; without them there are none. */
export function circuitBreakers(policy: EffectiveTrafficPolicy): CircuitBreakers {
  if (!policy.connectionPool && !policy.retryBudget) return NO_LIMITS
  const { tcp, http } = policy.connectionPool ?? {}
  const { percent, minRetryConcurrency } = policy.retryBudget ?? {}
  const budget = {
    ...(percent !== undefined ? { budgetPercent: { value: percent } } : {}),
    ...(minRetryConcurrency !== undefined ? { minRetryConcurrency } : {}),
  }
  return create(CircuitBreakersSchema, {
    thresholds: [
      {
        maxConnections: tcp?.maxConnections ?? UNLIMITED,
        maxPendingRequests: http?.http1MaxPendingRequests ?? UNLIMITED,
        maxRequests: http?.http2MaxRequests ?? UNLIMITED,
        maxRetries: http?.maxRetries ?? UNLIMITED,
        trackRemaining: true,
        ...(policy.retryBudget ? { retryBudget: budget } : {}),
      },
    ],
  })
}

// Made once: most clusters have no limits.
const NO_LIMITS = create(CircuitBreakersSchema, {
  thresholds: [
    {
      maxConnections: UNLIMITED,
      maxPendingRequests: UNLIMITED,
      maxRequests: UNLIMITED,
      maxRetries: UNLIMITED,
      trackRemaining: true,
    },
  ],
})

/** `connectionPool.tcp.tcpKeepalive`, for a cluster's upstreamConnectionOptions. */
export function tcpKeepalive(pool: ConnectionPool | undefined): Init<typeof TcpKeepaliveSchema> | undefined {
  const keepalive = pool?.tcp?.tcpKeepalive
  if (!keepalive) return undefined
  const [time, interval] = [seconds(keepalive.time), seconds(keepalive.interval)]
  return {
    ...(keepalive.probes ? { keepaliveProbes: keepalive.probes } : {}),
    ...(time !== undefined ? { keepaliveTime: time } : {}),
    ...(interval !== undefined ? { keepaliveInterval: interval } : {}),
  }
}

function seconds(text: string | undefined): number | undefined {
  const duration = envoyDuration(text)
  return duration && Number(duration.seconds ?? 0n)
}

interface TlsOfHttp {
  readonly autoSni?: boolean
  readonly verifyHost?: boolean
  readonly negotiated?: boolean
  readonly isUpgradable?: boolean
}

/** The extension of a cluster that says how HTTP is spoken. */
export const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

/**
 * How HTTP is spoken to a cluster; nothing where it is not HTTP, or may be anything. `autoSni` takes the TLS server name from the request's
 * host: then also for a port that is declared HTTPS, as HTTP is sent there by routes and has its TLS added on the way. `negotiated` leaves it to the
 * server which version of HTTP is spoken inside of TLS. `isUpgradable`: its servers' proxies take HTTP/2 for an application that speaks HTTP/1.1.
 */
export function httpProtocolOptions(
  protocol: Protocol,
  policy: EffectiveTrafficPolicy,
  tls: TlsOfHttp = {},
): Record<string, Any> {
  if (!isHttp(protocol) && protocol !== 'auto' && !tls.autoSni) return {}
  const isPlain = !policy.connectionPool && !policy.outlierDetection && !tls.autoSni && !tls.negotiated
  return { [HTTP_PROTOCOL_OPTIONS]: isPlain ? plainOptions(protocol, tls) : protocolOptions(protocol, policy, tls) }
}

/** What most clusters have, made once for each protocol. */
function plainOptions(protocol: Protocol, { isUpgradable }: TlsOfHttp): Any {
  if (protocol === 'http' && isUpgradable) return PLAIN.upgraded
  return isHttp2(protocol) ? PLAIN.http2 : protocol === 'auto' ? PLAIN.auto : PLAIN.http
}

function protocolOptions(protocol: Protocol, policy: EffectiveTrafficPolicy, tls: TlsOfHttp): Any {
  const { http, tcp } = policy.connectionPool ?? {}
  const idleTimeout = envoyDuration(http?.idleTimeout)
  const maxConnectionDuration = envoyDuration(tcp?.maxConnectionDuration)
  const maxRequests = http?.maxRequestsPerConnection
  const [interval, timeout] = [
    envoyDuration(http?.http2KeepAlive?.interval),
    envoyDuration(http?.http2KeepAlive?.timeout),
  ]
  const http2 = {
    maxConcurrentStreams: http?.maxConcurrentStreams || 1_073_741_824,
    // Without a timeout Envoy takes none of it, and without an interval it asks nothing.
    ...(interval ? { connectionKeepalive: { interval, timeout: timeout ?? ASK_AFTER_SILENCE.timeout } } : {}),
  }
  const isUpgraded = tls.isUpgradable && protocol === 'http' && isUpgradedByItself(policy.connectionPool)
  const common = {
    ...(idleTimeout ? { idleTimeout } : {}),
    ...(maxConnectionDuration ? { maxConnectionDuration } : {}),
    ...(maxRequests ? { maxRequestsPerConnection: maxRequests } : {}),
  }
  const errorCodes = policy.outlierDetection?.outlierDetectionHttpErrorCodes ?? []
  return typedConfig(HttpProtocolOptionsSchema, {
    upstreamProtocolOptions: tls.negotiated
      ? { case: 'autoConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions: http2 } }
      : isUpgraded
        ? { case: 'explicitHttpConfig', value: { protocolConfig: upgraded(http2) } }
        : protocolChoice(protocol, http, http2),
    ...(Object.keys(common).length > 0 ? { commonHttpProtocolOptions: common } : {}),
    ...(tls.autoSni
      ? { upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: tls.verifyHost ?? false } }
      : {}),
    ...(errorCodes.length > 0 ? { outlierDetection: { errorMatcher: anyStatusOf(errorCodes) } } : {}),
  })
}

/** Not where somebody chose, nor where there are limits that mean connections of HTTP/1.1: one of HTTP/2 takes any number of requests. */
function isUpgradedByItself({ tcp, http }: ConnectionPool = {}): boolean {
  const isChosen =
    http?.useClientProtocol || (http?.h2UpgradePolicy !== undefined && http.h2UpgradePolicy !== 'DEFAULT')
  const limits = [tcp?.maxConnections, http?.http1MaxPendingRequests, http?.maxRequestsPerConnection]
  return !isChosen && limits.every((limit) => !limit)
}

type Http2 = Init<typeof Http2ProtocolOptionsSchema>

/**
 * WebSockets go over it, too. All requests to a server are on one connection, so it is asked whether there is still somebody: requests would be lost until TCP
 * gives up.
 */
function upgraded(options: Http2) {
  const value: Http2 = { connectionKeepalive: ASK_AFTER_SILENCE, ...options, allowConnect: true }
  return { case: 'http2ProtocolOptions', value } as const
}

const ASK_AFTER_SILENCE = { interval: { seconds: 30n, nanos: 0 }, timeout: { seconds: 10n, nanos: 0 } }

type Choice = Init<typeof HttpProtocolOptionsSchema>['upstreamProtocolOptions']

function protocolChoice(
  protocol: Protocol,
  http: ConnectionPool['http'],
  http2ProtocolOptions: Http2,
): NonNullable<Choice> {
  const http2 = { case: 'http2ProtocolOptions', value: http2ProtocolOptions } as const
  if (isHttp2(protocol)) return { case: 'explicitHttpConfig', value: { protocolConfig: http2 } }
  if (http?.h2UpgradePolicy === 'UPGRADE' && isHttp(protocol))
    return { case: 'explicitHttpConfig', value: { protocolConfig: upgraded(http2ProtocolOptions) } }
  if (protocol === 'auto' || http?.useClientProtocol)
    return { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions } }
  return { case: 'explicitHttpConfig', value: { protocolConfig: { case: 'httpProtocolOptions', value: {} } } }
}

function anyStatusOf(codes: readonly number[]) {
  const rules = codes.map((code) => ({
    rule: {
      case: 'httpResponseHeadersMatch' as const,
      value: {
        headers: [
          {
            name: ':status',
            headerMatchSpecifier: {
              case: 'stringMatch' as const,
              value: { matchPattern: { case: 'exact' as const, value: String(code) } },
            },
          },
        ],
      },
    },
  }))
  const [only] = rules
  if (rules.length === 1 && only) return only
  return { rule: { case: 'orMatch' as const, value: { rules } } }
}

const PLAIN = {
  http: protocolOptions('http', {}, {}),
  http2: protocolOptions('http2', {}, {}),
  auto: protocolOptions('auto', {}, {}),
  upgraded: protocolOptions('http', {}, { isUpgradable: true }),
} as const
