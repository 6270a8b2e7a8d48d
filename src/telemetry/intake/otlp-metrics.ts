import { ExportMetricsServiceRequestSchema } from '#proto/opentelemetry/proto/collector/metrics/v1/metrics_service'
import type { KeyValue } from '#proto/opentelemetry/proto/common/v1/common'
import {
  AggregationTemporality,
  type HistogramDataPoint,
  type Metric,
  type NumberDataPoint,
} from '#proto/opentelemetry/proto/metrics/v1/metrics'
import { bucketOf, type Measurement, noMeasurement } from '../measurements/measurement.ts'
import { ofOtlp } from '../measurements/metric-names.ts'
import { seriesKey } from '../measurements/series.ts'
import type { Losses } from './losses.ts'
import { type OtlpFormat, otlpMessage, textOf } from './otlp-values.ts'

type Counted = Map<string, Measurement>

/**
 * What is counted in an ExportMetricsServiceRequest: Istio's metrics as differences (delta temporality). Others are left out, and those that count from a beginning too, as it
 * takes the one before to know what is new; `leftOut` is how many points these were.
 * @throws Error where it is none
 */
export function otlpMeasurements(
  bytes: Uint8Array,
  format: OtlpFormat,
  losses: Losses,
): { readonly counted: ReadonlyMap<string, Measurement>; readonly leftOut: number } {
  const counted: Counted = new Map()
  let leftOut = 0
  for (const { scopeMetrics } of otlpMessage(ExportMetricsServiceRequestSchema, bytes, format).resourceMetrics)
    for (const metric of scopeMetrics.flatMap(({ metrics }) => metrics))
      if (!take(metric, counted)) leftOut += pointsOf(metric)
  if (leftOut > 0) losses.add('other metric', leftOut)
  return { counted, leftOut }
}

function take({ name, data }: Metric, counted: Counted): boolean {
  const metric = ofOtlp(name)
  if (!metric || !('field' in metric)) return false
  const { field } = metric
  if (data.case !== 'sum' && data.case !== 'histogram') return false
  if (data.value.aggregationTemporality !== AggregationTemporality.DELTA) return false
  if (data.case === 'sum')
    for (const point of data.value.dataPoints) measurement(counted, point.attributes)[field] += numberOf(point)
  else
    for (const point of data.value.dataPoints) {
      const sum = measurement(counted, point.attributes)
      sum[field] += positive(point.sum ?? 0)
      if (metric.buckets) addBuckets(sum, point)
    }
  return true
}

/** What OTLP calls data points: at least one, so that a metric without any is counted, too. */
function pointsOf({ data }: Metric): number {
  return Math.max(1, data.value?.dataPoints.length ?? 0)
}

function addBuckets({ buckets }: Measurement, { bucketCounts, explicitBounds }: HistogramDataPoint): void {
  for (const [i, count] of bucketCounts.entries()) {
    const place = bucketOf(explicitBounds[i] ?? Number.POSITIVE_INFINITY)
    buckets[place] = (buckets[place] ?? 0) + Number(count)
  }
}

function numberOf({ value }: NumberDataPoint): number {
  return positive(value.case === undefined ? 0 : Number(value.value))
}

function positive(value: number): number {
  return Number.isFinite(value) && value > 0 ? value : 0
}

function measurement(counted: Counted, attributes: readonly KeyValue[]): Measurement {
  const labels = new Map(attributes.map(({ key, value }) => [key, textOf(value)]))
  const key = seriesKey((label) => labels.get(label))
  let found = counted.get(key)
  if (!found) {
    found = noMeasurement()
    counted.set(key, found)
  }
  return found
}
