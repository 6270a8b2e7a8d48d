import { escapeRegex } from '../../resources/escape-regex.ts'

/** What came of the requests to a subset of a host, as proxies count it since their start. */
export interface Outcomes {
  readonly requests: number
  /** Answered with a status from 500, or not at all. */
  readonly errors: number
  /** How many requests took at most so many ms, by that number; cumulative. */
  readonly took: ReadonlyMap<number, number>
}

const NO_OUTCOMES: Outcomes = { requests: 0, errors: 0, took: new Map() }

/** The query to an Envoy's administration for the counters of a subset. */
export function outcomesQuery(host: string, subset: string): string {
  const name = `^cluster\\.outbound\\|[0-9]+\\|${escapeRegex(subset)}\\|${escapeRegex(host)}\\.upstream_rq_(completed|5xx|time)$`
  return `/stats?format=json&histogram_buckets=cumulative&filter=${encodeURIComponent(name)}`
}

/** What an Envoy answers to that, summed over the ports of the host. Source: "GET /stats?format=json" of Envoy's administration interface. */
export function outcomesOf(answer: string): Outcomes {
  const { stats = [] } = JSON.parse(answer) as EnvoyStats
  let [requests, errors] = [0, 0]
  const took = new Map<number, number>()
  for (const stat of stats) {
    if ('histograms' in stat) {
      for (const { buckets = [] } of Array.isArray(stat.histograms) ? stat.histograms : [])
        for (const { upper_bound, cumulative } of buckets)
          took.set(upper_bound, (took.get(upper_bound) ?? 0) + cumulative)
    } else if (stat.name.endsWith('.upstream_rq_completed')) requests += stat.value
    else if (stat.name.endsWith('.upstream_rq_5xx')) errors += stat.value
  }
  return { requests, errors, took }
}

interface EnvoyStats {
  readonly stats?: readonly (
    | { readonly name: string; readonly value: number }
    | { readonly histograms: readonly Histogram[] | object }
  )[]
}

interface Histogram {
  readonly buckets?: readonly { readonly upper_bound: number; readonly cumulative: number }[]
}

/** Of several proxies together. */
export function summed(all: readonly Outcomes[]): Outcomes {
  return all.reduce((a, b) => combined(a, b, 1), NO_OUTCOMES)
}

/** What came since. A proxy that was started anew meanwhile counts from nothing: then all that it tells is since. */
export function since(now: Outcomes, before: Outcomes): Outcomes {
  return now.requests < before.requests ? now : combined(now, before, -1)
}

function combined(a: Outcomes, b: Outcomes, sign: 1 | -1): Outcomes {
  const took = new Map(a.took)
  for (const [bound, count] of b.took) took.set(bound, (took.get(bound) ?? 0) + sign * count)
  return { requests: a.requests + sign * b.requests, errors: a.errors + sign * b.errors, took }
}

/** How many requests the times are known of: Envoys tell times some seconds later than counts. */
export function timed({ took }: Outcomes): number {
  return Math.max(0, ...took.values())
}

/**
 * The time in ms that a share of the requests did not exceed, to the bucket; undefined where there were none.
 * @param share from 0 to 1
 */
export function quantile({ took }: Outcomes, share: number): number | undefined {
  const bounds = [...took].sort(([a], [b]) => a - b)
  const total = bounds.at(-1)?.[1] ?? 0
  if (total === 0) return undefined
  return bounds.find(([, count]) => count >= share * total)?.[0]
}
