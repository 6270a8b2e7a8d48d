import { ISTIO_LABELS } from '../measurements/series.ts'
import { burnWindows } from './burn-windows.ts'
import { lengthText } from './length-of-days.ts'
import type { Objective } from './objective.ts'
import { windowAt } from './window.ts'

/** A group of rules, as Prometheus reads it from a file. */
export interface RuleGroup {
  readonly name: string
  readonly rules: readonly Rule[]
}

export type Rule = { readonly expr: string; readonly labels: Readonly<Record<string, string>> } & (
  | { readonly record: string }
  | { readonly alert: string; readonly annotations: Readonly<Record<string, string>> }
)

/** gRPC statuses by which a server says that it failed, as in golden signals. */
const GRPC_FAILURES = '2|4|12|13|14|15'
/** As in statuses: of 10 requests 9 are enough. */
const MOST_BAD = 0.9

/** A gateway or a client without a proxy is told of by the server's proxy, all others by the client's. */
const CLIENTS = 'source'

/**
 * The rules of Prometheus that come to the same as an objective: what share of requests is bad, over each window, and alerts by how fast the budget is used up.
 * Undefined where Prometheus has no such numbers: routes and hosts are in logs only.
 */
export function prometheusRules(objective: Objective, now: number): RuleGroup | undefined {
  const { resource, spec, counted, promised, errors, target, indicator } = objective
  if (errors.length > 0 || counted.route !== undefined || counted.host !== undefined) return undefined
  const { namespace = 'default', name } = resource.metadata
  const window = windowAt(spec, now)
  const labels = { slo: name, namespace }
  const windows = burnWindows(window.length)
  const lengths = [...new Set(windows.flatMap(({ long, short }) => [short, long]))].sort((a, b) => a - b)
  const recorded = (length: number) => `slo:bad_requests:ratio_rate${lengthText(length)}`
  const only = `{slo="${name}",namespace="${namespace}"}`
  const budget = number(1 - promised)
  return {
    name: `weft-slo-${namespace}-${name}`,
    rules: [
      ...lengths.map((length) => ({ record: recorded(length), expr: badShare(objective, length), labels })),
      { record: 'slo:objective:ratio', expr: `vector(${promised})`, labels },
      {
        record: 'slo:error_budget_left:ratio',
        expr: `1 - (${badShare(objective, window.length)}) / ${budget}`,
        labels: { ...labels, window: window.name },
      },
      ...(spec.alerting?.disabled ? [] : (['critical', 'warning'] as const)).map((severity) => ({
        alert: `${name}-budget-${severity === 'critical' ? 'burns-fast' : 'burns'}`,
        expr: windows
          .filter((each) => each.severity === severity)
          .map(({ long, short, factor }) => {
            const above = number(Math.min(factor * (1 - promised), MOST_BAD))
            return `(${recorded(long)}${only} > ${above} and ${recorded(short)}${only} > ${above})`
          })
          .join(' or '),
        labels: { ...spec.alerting?.labels, ...labels, severity },
        annotations: {
          summary: `the error budget of ${target} is used up too fast: ${number(promised * 100)} % are to be ${indicator}`,
          ...(spec.alerting?.runbook === undefined ? {} : { runbook_url: spec.alerting.runbook }),
        },
      })),
    ],
  }
}

function badShare({ counted }: Objective, length: number): string {
  const { source, destination, slowerThan } = counted
  const range = `[${lengthText(length)}]`
  const wanted = [
    `${ISTIO_LABELS.reporter}="${CLIENTS}"`,
    ...matchers({
      [ISTIO_LABELS.service]: destination?.service,
      [ISTIO_LABELS.workload]: destination?.workload,
      [ISTIO_LABELS.namespace]: destination?.namespace,
      [ISTIO_LABELS.sourceWorkload]: source?.workload,
      [ISTIO_LABELS.sourceNamespace]: source?.namespace,
    }),
  ]
  const rate = (metric: string, ...more: readonly string[]) =>
    `sum(rate(${metric}{${[...wanted, ...more].join(',')}}${range}))`
  const all = rate('istio_requests_total')
  const served = `${ISTIO_LABELS.code}!~"5..|0"`
  const grpc = `${ISTIO_LABELS.grpcStatus}!~"${GRPC_FAILURES}"`
  const good =
    slowerThan === undefined
      ? rate('istio_requests_total', served, grpc)
      : rate('istio_request_duration_milliseconds_bucket', served, grpc, `le="${slowerThan}"`)
  // Where there was none that was good, the sum of none is none, not zero.
  return `1 - (${good} or 0 * ${all}) / (${all} > 0)`
}

function matchers(wanted: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(wanted).flatMap(([label, value]) =>
    value === undefined ? [] : [`${label}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`],
  )
}

/** Without the dust of binary fractions. */
function number(value: number): string {
  return String(Number(value.toPrecision(12)))
}
