import type { Application } from '../../resources/adoption.ts'
import { keyOf } from '../../resources/resource.ts'
import { compareTexts } from '../../resources/text-order.ts'
import type { Observed, ObservedCall } from './observed.ts'

/** What the traffic of one application showed: the fields of `status.observed`. */
export interface ApplicationTraffic {
  /** RFC 3339. */
  readonly since: string
  readonly until: string
  readonly protocols: readonly string[]
  /** Applications (`namespace/name`), and workloads that are of none. */
  readonly callers: readonly string[]
  /** Those of them that came without mutual TLS, or of whom nobody saw how they came: a gateway of the mesh is none of these. */
  readonly plaintextCallers: readonly string[]
  readonly callees: readonly string[]
  /** Of what it was asked, 0 to 1; absent where no proxy of the mesh saw any. */
  readonly plaintextShare?: number
}

/** What each application was seen to do, by `namespace/name`; those without traffic have no entry. */
export function trafficOfApplications(
  applications: readonly Application[],
  observed: Observed,
): ReadonlyMap<string, ApplicationTraffic> {
  const owners = new Map<string, string>(
    applications.flatMap((application) =>
      (application.spec?.workloads ?? []).map(
        ({ name }) => [`${application.metadata.namespace}/${name}`, keyOf(application)] as const,
      ),
    ),
  )
  const owner = (workload: string | undefined) =>
    workload === undefined ? undefined : (owners.get(workload) ?? workload)
  const found = new Map<string, ApplicationTraffic>()
  for (const key of applications.map(keyOf)) {
    const asked = observed.calls.filter((call) => owner(call.to) === key)
    const asking = observed.calls.filter((call) => owner(call.from) === key)
    // Counts of the two sides never agree wholly, so that a few calls of somebody else may be lost among many: each connection in plaintext is on record as well.
    const plain = observed.plaintext
      .filter(({ destination: { namespace, workload } }) => owner(`${namespace}/${workload}`) === key)
      .map(({ source: { namespace, workload } }) => (workload === 'unknown' ? undefined : `${namespace}/${workload}`))
    if (asked.length + asking.length + plain.length === 0) continue
    const share = plaintextShare(asked)
    const callers = (from: readonly (string | undefined)[]) =>
      sorted(from.map((each) => owner(each) ?? 'unknown')).filter((each) => each !== key)
    found.set(key, {
      since: new Date(observed.from).toISOString(),
      until: new Date(observed.to).toISOString(),
      protocols: sorted(asked.map(({ protocol }) => protocol.toUpperCase())),
      callers: callers([...asked.map(({ from }) => from), ...plain]),
      plaintextCallers: callers([
        ...asked.filter(({ mutualTls = 0 }) => mutualTls < 1).map(({ from }) => from),
        ...plain,
      ]),
      callees: sorted(asking.map(({ to, service }) => owner(to) ?? service)).filter((each) => each !== key),
      ...(share === undefined ? {} : { plaintextShare: share }),
    })
  }
  return found
}

function plaintextShare(calls: readonly ObservedCall[]): number | undefined {
  const seen = calls.filter(({ mutualTls }) => mutualTls !== undefined)
  const all = seen.reduce((sum, { count }) => sum + count, 0)
  if (all === 0) return undefined
  const plain = seen.reduce((sum, { count, mutualTls = 1 }) => sum + count * (1 - mutualTls), 0)
  return Math.round((plain / all) * 10_000) / 10_000
}

function sorted(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort(compareTexts)
}
