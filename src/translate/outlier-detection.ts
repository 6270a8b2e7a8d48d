import type { OutlierDetectionSchema } from '#envoy/config/cluster/v3/outlier_detection'
import type { OutlierDetection } from '../resources/istio.ts'
import { envoyDuration } from './routes/duration.ts'
import type { Init } from './routes/init.ts'

/**
 * `outlierDetection` as Istio reads it: only what counts errors in a row ejects, success rates never do, and a count of 0 turns that kind of
 * error off.
 */
export function outlierDetection(from: OutlierDetection): Init<typeof OutlierDetectionSchema> {
  const interval = envoyDuration(from.interval)
  const baseEjectionTime = envoyDuration(from.baseEjectionTime)
  const { consecutive5xxErrors, consecutiveGatewayErrors, consecutiveLocalOriginFailures } = from
  const split = from.splitExternalLocalOriginErrors ?? false
  return {
    enforcingSuccessRate: 0,
    ...(consecutive5xxErrors !== undefined
      ? { consecutive5xx: consecutive5xxErrors || 5, enforcingConsecutive5xx: enforcing(consecutive5xxErrors) }
      : {}),
    ...(consecutiveGatewayErrors !== undefined
      ? {
          consecutiveGatewayFailure: consecutiveGatewayErrors || 5,
          enforcingConsecutiveGatewayFailure: enforcing(consecutiveGatewayErrors),
        }
      : {}),
    ...(interval ? { interval } : {}),
    ...(baseEjectionTime ? { baseEjectionTime } : {}),
    ...(from.maxEjectionPercent ? { maxEjectionPercent: from.maxEjectionPercent } : {}),
    ...(split
      ? {
          splitExternalLocalOriginErrors: true,
          enforcingLocalOriginSuccessRate: 0,
          ...(consecutiveLocalOriginFailures ? { consecutiveLocalOriginFailure: consecutiveLocalOriginFailures } : {}),
        }
      : {}),
  }
}

function enforcing(count: number): number {
  return count > 0 ? 100 : 0
}
