import type { ResponseFlags } from '#envoy/data/accesslog/v3/accesslog'

/** Envoy's short names of the flags, as in texts of access logs. */
const NAMES: {
  readonly [name in Exclude<keyof ResponseFlags, '$typeName' | '$unknown' | 'responseFromCacheFilter'>]: string
} = {
  failedLocalHealthcheck: 'LH',
  noHealthyUpstream: 'UH',
  upstreamRequestTimeout: 'UT',
  localReset: 'LR',
  upstreamRemoteReset: 'UR',
  upstreamConnectionFailure: 'UF',
  upstreamConnectionTermination: 'UC',
  upstreamOverflow: 'UO',
  noRouteFound: 'NR',
  delayInjected: 'DI',
  faultInjected: 'FI',
  rateLimited: 'RL',
  unauthorizedDetails: 'UAEX',
  rateLimitServiceError: 'RLSE',
  downstreamConnectionTermination: 'DC',
  upstreamRetryLimitExceeded: 'URX',
  streamIdleTimeout: 'SI',
  invalidEnvoyRequestHeaders: 'IH',
  downstreamProtocolError: 'DPE',
  upstreamMaxStreamDurationReached: 'UMSDR',
  noFilterConfigFound: 'NFCF',
  durationTimeout: 'DT',
  upstreamProtocolError: 'UPE',
  noClusterFound: 'NC',
  overloadManager: 'OM',
  dnsResolutionFailure: 'DF',
  downstreamRemoteReset: 'DR',
}

/** By their short names, separated by commas. */
export function responseFlags(flags: ResponseFlags | undefined): string {
  if (!flags) return ''
  return (Object.keys(NAMES) as (keyof typeof NAMES)[])
    .filter((name) => flags[name])
    .map((name) => NAMES[name])
    .join(',')
}
