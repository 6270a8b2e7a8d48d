import type { FlagMeaning } from './logs.ts'

/** Envoy's response flags in plain words: what each means in this mesh, and where to look. Source: "Response flags" in Envoy's documentation of access logs. */
export const FLAG_MEANINGS: readonly FlagMeaning[] = [
  {
    flag: 'UF',
    name: 'UpstreamConnectionFailure',
    meaning:
      'No connection to the called pod could be made: nothing listens there, or the two sides do not agree on mutual TLS.',
    look: 'Is the pod ready, and is its port the targetPort of the Service? With TLS errors: PeerAuthentication of the called and DestinationRule tls of the caller',
  },
  {
    flag: 'UH',
    name: 'NoHealthyUpstream',
    meaning:
      'There is no endpoint that may be called: the Service has none that are ready, its subset selects none, or all were ejected.',
    look: 'The selector of the Service, readiness of its pods, the labels of the DestinationRule subset, and outlierDetection',
  },
  {
    flag: 'UO',
    name: 'UpstreamOverflow',
    meaning: 'A circuit breaker was open: more connections or waiting requests than allowed.',
    look: 'connectionPool of the DestinationRule, and whether the called workload is too slow or has too few replicas',
  },
  {
    flag: 'NR',
    name: 'NoRouteFound',
    meaning: 'No route is for this request: its host, path, port or headers match nothing.',
    look: 'hosts and match of VirtualServices and HTTPRoutes; `weft route` tells which would be taken',
  },
  {
    flag: 'NC',
    name: 'NoClusterFound',
    meaning: 'The route leads to a destination that does not exist.',
    look: 'destination host and subset of the VirtualService or the backendRefs of the HTTPRoute; `weft analyze` names them',
  },
  {
    flag: 'URX',
    name: 'UpstreamRetryLimitExceeded',
    meaning: 'It was tried as often as allowed and failed each time.',
    look: 'What the tries themselves failed of: logs of the same request id; retries of the VirtualService',
  },
  {
    flag: 'UC',
    name: 'UpstreamConnectionTermination',
    meaning: 'The called side closed the connection before it had answered in full.',
    look: 'Did the called pod end or crash? Is its keep-alive shorter than the idle timeout of connectionPool? Calls in plaintext to a workload that demands mutual TLS end so, too: DestinationRule tls of the caller, PeerAuthentication of the called',
  },
  {
    flag: 'UR',
    name: 'UpstreamRemoteReset',
    meaning: 'The called application reset the request.',
    look: 'The log of the called application, and its limits',
  },
  {
    flag: 'LR',
    name: 'LocalReset',
    meaning: 'The proxy reset the request itself, often as a connection ended under it.',
    look: 'Was the proxy draining or reconfigured at that time?',
  },
  {
    flag: 'UT',
    name: 'UpstreamRequestTimeout',
    meaning: 'The answer took longer than the route allows.',
    look: 'timeout and retries.perTryTimeout of the VirtualService, timeouts of the HTTPRoute, and durations of the called workload',
  },
  {
    flag: 'UPE',
    name: 'UpstreamProtocolError',
    meaning: 'The called side answered with something that is not the protocol that was spoken.',
    look: 'appProtocol or the port name of the Service: does the application speak HTTP/2 where it says so?',
  },
  {
    flag: 'UMSDR',
    name: 'UpstreamMaxStreamDurationReached',
    meaning: 'The request was open for longer than a stream may be.',
    look: 'maxRequestDuration or the grpc-timeout header of the client',
  },
  {
    flag: 'DC',
    name: 'DownstreamConnectionTermination',
    meaning: 'The client went away before it had its answer.',
    look: 'The timeout of the client, or of the route before it, beside the durations here',
  },
  {
    flag: 'DPE',
    name: 'DownstreamProtocolError',
    meaning: 'The client sent something that is not valid HTTP.',
    look: 'Does the client speak another protocol to a port that is declared as HTTP?',
  },
  {
    flag: 'DR',
    name: 'DownstreamRemoteReset',
    meaning: 'The client reset the request.',
    look: 'Timeouts and cancellations in the client',
  },
  {
    flag: 'UAEX',
    name: 'UnauthorizedExternalService',
    meaning: 'An external authorization service refused the request, or did not answer.',
    look: 'The CUSTOM AuthorizationPolicy and the service of its provider',
  },
  {
    flag: 'RL',
    name: 'RateLimited',
    meaning: 'There were more requests than a rate limit allows.',
    look: 'The rate limit that is set for this workload or route',
  },
  {
    flag: 'RLSE',
    name: 'RateLimitServiceError',
    meaning: 'The rate limit service did not answer.',
    look: 'The rate limit service',
  },
  {
    flag: 'DI',
    name: 'DelayInjected',
    meaning: 'A delay was injected on purpose.',
    look: 'fault of the VirtualService',
  },
  {
    flag: 'FI',
    name: 'FaultInjected',
    meaning: 'The answer was made up on purpose.',
    look: 'fault.abort of the VirtualService',
  },
  {
    flag: 'DT',
    name: 'DurationTimeout',
    meaning: 'The request or connection was open for longer than allowed.',
    look: 'maxConnectionDuration of the DestinationRule',
  },
  {
    flag: 'SI',
    name: 'StreamIdleTimeout',
    meaning: 'Nothing was sent for longer than allowed.',
    look: 'idleTimeout of connectionPool, and whether one side hangs',
  },
  {
    flag: 'IH',
    name: 'InvalidEnvoyRequestHeaders',
    meaning: 'A header of the request has a value that Envoy does not take.',
    look: 'x-envoy headers that the client sets',
  },
  {
    flag: 'OM',
    name: 'OverloadManager',
    meaning: 'The proxy is overloaded and turned the request away.',
    look: 'CPU and memory of the proxy, beside its limits',
  },
  {
    flag: 'DO',
    name: 'DropOverload',
    meaning: 'The request was dropped, as the destination is overloaded.',
    look: 'Load of the called workload',
  },
  {
    flag: 'DF',
    name: 'DnsResolutionFailed',
    meaning: 'The name of the destination could not be resolved.',
    look: 'hosts and endpoints of the ServiceEntry, and the DNS that the proxy asks',
  },
  {
    flag: 'LH',
    name: 'FailedLocalHealthCheck',
    meaning: 'A health check failed in this proxy.',
    look: 'Health of the called workload',
  },
  {
    flag: 'NFCF',
    name: 'NoFilterConfigFound',
    meaning: 'A filter of the proxy has no configuration yet, and refuses until it has.',
    look: '`weft proxy-status`: has the proxy what it should have?',
  },
]
