/** What to do where no calls are recorded. */
export const RECORD_CALLS =
  'send some traffic; on a cluster, calls are recorded where a Telemetry has them logged: spec.accessLogging: [{providers: [{name: envoy}, {name: weft}]}]'
