import type { Measured } from '../measurements/measured.ts'
import { type SeriesLabels, UNKNOWN } from '../measurements/series.ts'
import type { Party } from '../questions/span-of-time.ts'
import { isParty } from '../store/party.ts'

/** A series, and how much of it counts. */
export interface Counted extends Measured {
  /** 0 to 1. */
  readonly share: number
}

/**
 * Most requests are told twice, by the proxies of both sides: they count as the client's proxy tells them. Of what servers' proxies tell, what comes from clients
 * whose own proxy tells nothing counts.
 * @param all everything that was told of the destinations in question
 */
export function countedOnce(all: readonly Measured[]): readonly Counted[] {
  const telling = new Set(all.filter(isFromSource).map(({ labels }) => labels.sourcePrincipal))
  // A client in the mesh that used plaintext is nobody to its server. What clients say that they sent so is taken off what came so.
  const sentPlain = sums(all.filter((each) => isFromSource(each) && securityOf(each.labels) === 'plaintext'))
  const cameUnknown = sums(all.filter((each) => !isFromSource(each) && isUnknown(each.labels.sourcePrincipal)))
  return all.flatMap((each) => {
    if (isFromSource(each)) return [{ ...each, share: 1 }]
    const { sourcePrincipal } = each.labels
    if (!isUnknown(sourcePrincipal)) return telling.has(sourcePrincipal) ? [] : [{ ...each, share: 1 }]
    const key = callee(each.labels)
    const came = cameUnknown.get(key) ?? 0
    const rest = came > 0 ? Math.max(0, 1 - (sentPlain.get(key) ?? 0) / came) : 1
    // The two sides are not read at the same moment: a little that is left over is nothing.
    return rest < 0.02 ? [] : [{ ...each, share: rest }]
  })
}

/** Of what has one of these flags, a client's proxy may have had no connection to anybody. Source: "Response flags" in Envoy's documentation of access logs. */
const NOT_CONNECTED = new Set('UF UH UO NR NC DF FI DC RL UAEX RLSE IH SI UMSDR NFCF DPE DT OM LR LH'.split(' '))

/** How something came or went: with mutual TLS where a certificate of the other side was seen. Undefined where it may not have been sent at all. */
export function securityOf({
  reporter,
  principal,
  security,
  flags,
}: SeriesLabels): 'mutual_tls' | 'plaintext' | undefined {
  if (reporter !== 'source') return security === 'mutual_tls' ? 'mutual_tls' : 'plaintext'
  if (!isUnknown(principal)) return 'mutual_tls'
  return flags.split(',').some((flag) => NOT_CONNECTED.has(flag)) ? undefined : 'plaintext'
}

function isFromSource({ labels }: Measured): boolean {
  return labels.reporter === 'source'
}

export function isUnknown(name: string): boolean {
  return name === '' || name === UNKNOWN
}

function callee({ namespace, workload }: SeriesLabels): string {
  return `${namespace}/${workload}`
}

function sums(series: readonly Measured[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const { labels, total } of series) {
    const key = callee(labels)
    sums.set(key, (sums.get(key) ?? 0) + total.requests + total.closed)
  }
  return sums
}

/** Whether the callee is what is wanted. */
export function isDestination(labels: SeriesLabels, wanted: Party | undefined): boolean {
  return isParty(labels, wanted)
}

/** Whether the caller is what is wanted. */
export function isSource(labels: SeriesLabels, wanted: Party | undefined): boolean {
  if (!wanted) return true
  const { namespace, workload, app, version } = wanted
  return (
    (namespace === undefined || namespace === labels.sourceNamespace) &&
    (workload === undefined || workload === labels.sourceWorkload) &&
    (app === undefined || app === labels.sourceApp) &&
    (version === undefined || version === labels.sourceVersion)
  )
}
