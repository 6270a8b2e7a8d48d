import type { RetryPolicySchema } from '#envoy/config/route/v3/route_components'
import { PreviousHostsPredicateSchema } from '#envoy/extensions/retry/host/previous_hosts/v3/previous_hosts'
import { PreviousPrioritiesConfigSchema } from '#envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config'
import type { HTTPRouteRule } from '../../resources/gateway-api.ts'
import type { HttpRetry } from '../../resources/istio.ts'
import { typedConfig } from '../typed-config.ts'
import { envoyDuration } from './duration.ts'
import type { Init } from './init.ts'

type RetryPolicyInit = Init<typeof RetryPolicySchema>

/**
 * What is retried where nobody says otherwise, as with Istio since 1.24: failures before which the application has not seen the request.
 * Not 503, which an application may give after it did its work.
 */
const SAFE_TO_RETRY = 'connect-failure,refused-stream,unavailable,cancelled,reset-before-request,retriable-status-codes'

const previousHosts = typedConfig(PreviousHostsPredicateSchema, {})
const previousPriorities = typedConfig(PreviousPrioritiesConfigSchema, { updateFrequency: 2 })

/**
 * How often a retry may choose anew where it came upon a host that it was at before. Istio's 5 are too few while most endpoints of a small service end: those that
 * fail at once have the fewest requests under way, and are chosen most. A choice costs next to nothing.
 */
const CHOICES = 20n

/** With consistent hashing a retry goes to the same host again: that is where the request belongs. */
function defaultPolicy(consistentHash: boolean): RetryPolicyInit {
  return {
    retryOn: SAFE_TO_RETRY,
    numRetries: 2,
    hostSelectionRetryMaxAttempts: CHOICES,
    retryHostPredicate: consistentHash ? [] : [AVOID_PREVIOUS_HOSTS],
  }
}

const AVOID_PREVIOUS_HOSTS = {
  name: 'envoy.retry_host_predicates.previous_hosts',
  configType: { case: 'typedConfig', value: previousHosts },
} as const

/** `retries` of an HTTPRoute of a VirtualService. `attempts: 0` means none; undefined fields are those of the default. */
export function istioRetryPolicy(retry: HttpRetry | undefined, consistentHash: boolean): RetryPolicyInit | undefined {
  const policy = defaultPolicy(consistentHash)
  if (!retry) return policy
  if (!retry.attempts || retry.attempts < 0) return undefined
  const { perTryTimeout, backoff, retryIgnorePreviousHosts, retryRemoteLocalities } = retry
  return {
    ...policy,
    numRetries: retry.attempts,
    ...(retry.retryOn ? retryConditions(retry.retryOn) : {}),
    ...(perTryTimeout === undefined ? {} : { perTryTimeout: envoyDuration(perTryTimeout) }),
    ...(backoff === undefined ? {} : { retryBackOff: { baseInterval: envoyDuration(backoff) } }),
    ...(retryIgnorePreviousHosts === undefined
      ? {}
      : { retryHostPredicate: retryIgnorePreviousHosts ? [AVOID_PREVIOUS_HOSTS] : [] }),
    ...(retryRemoteLocalities
      ? {
          retryPriority: {
            name: 'envoy.retry_priorities.previous_priorities',
            configType: { case: 'typedConfig', value: previousPriorities },
          },
        }
      : {}),
  }
}

/**
 * `retry` and `timeouts.backendRequest` of a rule of an HTTPRoute: the latter bounds each try.
 * @param byDefault the mesh config's, for rules without `retry`
 */
export function apiRetryPolicy(
  rule: Pick<HTTPRouteRule, 'timeouts' | 'retry'>,
  consistentHash: boolean,
  byDefault: HttpRetry | undefined,
): RetryPolicyInit | undefined {
  const policy = rule.retry ? defaultPolicy(consistentHash) : istioRetryPolicy(byDefault, consistentHash)
  if (!policy) return undefined
  const backendRequest = envoyDuration(rule.timeouts?.backendRequest)
  const backoff = envoyDuration(rule.retry?.backoff)
  return {
    ...policy,
    ...(backendRequest === undefined ? {} : { perTryTimeout: backendRequest }),
    ...(backoff === undefined ? {} : { retryBackOff: { baseInterval: backoff } }),
    ...(rule.retry?.attempts === undefined ? {} : { numRetries: rule.retry.attempts }),
    ...(rule.retry?.codes ? { retriableStatusCodes: [...rule.retry.codes] } : {}),
  }
}

/** `retryOn`: Envoy's conditions with HTTP status codes among them. */
function retryConditions(retryOn: string): RetryPolicyInit {
  const parts = retryOn
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  const isCode = (part: string) => /^[1-5]\d\d$/.test(part)
  const codes = parts.filter(isCode).map(Number)
  const conditions = parts.filter((part) => !isCode(part))
  if (codes.length > 0 && !conditions.includes('retriable-status-codes')) conditions.push('retriable-status-codes')
  return { retryOn: conditions.join(','), retriableStatusCodes: codes }
}
