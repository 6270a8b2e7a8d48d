import { ROOT_NAMESPACE } from '../mesh/visibility.ts'
import type { Telemetry } from '../resources/istio.ts'
import { KIND } from '../resources/resource.ts'

/**
 * A Telemetry for the whole mesh that is in no file: requests are logged to the proxies' own output and to Weft's telemetry, where `sampling` percent of them are
 * traced, too. It is the youngest there can be, so that one that somebody writes for the whole mesh counts in its place.
 */
export function usualTelemetry(sampling: number): Telemetry {
  return {
    [KIND]: 'telemetry.istio.io/Telemetry',
    apiVersion: 'telemetry.istio.io/v1',
    kind: 'Telemetry',
    metadata: { name: 'weft-usual', namespace: ROOT_NAMESPACE, creationTimestamp: '9999-01-01T00:00:00Z' },
    spec: {
      accessLogging: [{ providers: [{ name: 'envoy' }, { name: 'weft' }] }],
      tracing: [{ providers: [{ name: 'weft' }], randomSamplingPercentage: sampling }],
    },
  }
}
