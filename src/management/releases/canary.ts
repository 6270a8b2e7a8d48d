import { type Outcomes, quantile, timed } from './outcomes.ts'

/** When a release is taken back. */
export interface Limits {
  /** Share of failed requests, from 0 to 1. */
  readonly errorRate: number
  /** Time that 99 of 100 requests must stay under, in ms; unlimited where absent. */
  readonly latencyMs?: number
  /** Of fewer requests nothing is concluded. */
  readonly requests: number
}

export type Verdict =
  | { readonly kind: 'good' }
  /** Not enough requests to tell. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'bad'; readonly why: string }

/** What the requests to the new version say of it. */
export function verdict(outcomes: Outcomes, limits: Limits): Verdict {
  const { requests, errors } = outcomes
  if (requests < limits.requests) return { kind: 'unknown' }
  const rate = errors / requests
  if (rate > limits.errorRate)
    return {
      kind: 'bad',
      why: `${percent(rate)} of ${requests} requests failed, more than ${percent(limits.errorRate)}`,
    }
  const latency = quantile(outcomes, 0.99)
  if (limits.latencyMs !== undefined && latency !== undefined && latency > limits.latencyMs)
    return {
      kind: 'bad',
      why: `99 % of ${requests} requests took up to ${latency} ms, more than ${limits.latencyMs} ms`,
    }
  if (limits.latencyMs !== undefined && timed(outcomes) < limits.requests) return { kind: 'unknown' }
  return { kind: 'good' }
}

/** For people. */
export function outcomesText(outcomes: Outcomes): string {
  const { requests, errors } = outcomes
  if (requests === 0) return 'no requests yet'
  const latency = quantile(outcomes, 0.99)
  return `${requests} requests, ${percent(errors / requests)} failed${latency === undefined ? '' : `, p99 ${latency} ms`}`
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}
