import { add, type Measurement, noMeasurement, quantile } from '../measurements/measurement.ts'
import type { SeriesLabels } from '../measurements/series.ts'
import type { GoldenSignals } from '../questions/signals.ts'

/** gRPC statuses by which a server says that it failed, rather than its client: unknown, deadline, unimplemented, internal, unavailable, data loss. */
const GRPC_FAILURES: ReadonlySet<string> = new Set(['2', '4', '12', '13', '14', '15'])

/** Envoy's response flags that say that something was full. */
const FULL: ReadonlySet<string> = new Set(['UO', 'RL', 'RLSE', 'DO', 'OM'])

/** Whether requests of this series failed. */
export function isFailure({ code, grpcStatus }: Pick<SeriesLabels, 'code' | 'grpcStatus'>): boolean {
  const status = Number(code)
  return status >= 500 || status === 0 || GRPC_FAILURES.has(grpcStatus)
}

/** Whether connections of this series failed. */
export function isFailedConnection({ flags }: Pick<SeriesLabels, 'flags'>): boolean {
  return flags !== '-' && flags !== '' && flags !== 'unknown'
}

/** Sums up series to golden signals. */
export class SignalSum {
  readonly sum: Measurement = noMeasurement()
  #errors = 0
  #saturated = 0
  #failedConnections = 0

  /** @param share of the series that counts, 0 to 1 */
  add(labels: SeriesLabels, measurement: Measurement, share: number): void {
    add(this.sum, measurement, share)
    const requests = measurement.requests * share
    const connections = measurement.closed * share
    if (isFailure(labels)) this.#errors += requests
    if (isFailedConnection(labels)) this.#failedConnections += connections
    if (labels.flags.split(',').some((flag) => FULL.has(flag))) this.#saturated += requests + connections
  }

  /** Adds what another one has summed up. */
  merge(other: SignalSum): void {
    add(this.sum, other.sum)
    this.#errors += other.#errors
    this.#saturated += other.#saturated
    this.#failedConnections += other.#failedConnections
  }

  /** @param milliseconds how long it was counted */
  signals(milliseconds: number): GoldenSignals {
    const { requests, durations, buckets, closed, received, sent } = this.sum
    return {
      requests: rounded(requests),
      errors: rounded(this.#errors),
      requestRate: requests / (milliseconds / 1000),
      errorShare: requests > 0 ? this.#errors / requests : 0,
      p50: quantile(buckets, 0.5),
      p90: quantile(buckets, 0.9),
      p99: quantile(buckets, 0.99),
      meanDuration: requests > 0 ? durations / requests : null,
      saturated: rounded(this.#saturated),
      connections: rounded(closed),
      failedConnections: rounded(this.#failedConnections),
      receivedBytes: rounded(received),
      sentBytes: rounded(sent),
    }
  }
}

/** Counts of whole things stay whole. */
function rounded(count: number): number {
  return Math.round(count * 1000) / 1000
}
