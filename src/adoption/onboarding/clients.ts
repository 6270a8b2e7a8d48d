import { keyOf } from '../../resources/resource.ts'
import { workloadsOf } from '../estate/estate.ts'
import { complete } from './coverage.ts'
import { ownWorkloads } from './look.ts'
import type { Finding, Onboarding, StepName } from './onboarding.ts'
import { hostsOf } from './rules.ts'
import type { View } from './step.ts'
import { durationText, timeText } from './texts.ts'
import type { SeenClient, WorkloadName } from './world.ts'

/** A caller that was quiet for this many of its usual pauses, or of windows where it came once, may be gone. */
const PAUSES = 3

/**
 * Whether all who call the application use mutual TLS, for what is known: every client seen in the window; every one that calls seldom; every one that an
 * inventory names; and that none of them is about to lose its proxy.
 */
export async function allUseMutualTls(view: View, windowMs: number): Promise<readonly Finding[]> {
  const proxied = Math.max(view.onboarding.steps.proxies.since, view.onboarding.steps['proxy-canary'].since)
  const evidence = complete(view, windowMs, proxied)
  const ever = (await view.evidence.clients({ workloads: ownWorkloads(view), from: 0, to: view.now + 1 })).filter(
    ({ refused }) => !refused,
  )
  const from = view.now - windowMs
  return [
    ...evidence,
    ...ever.filter((client) => !client.mutualTls).flatMap((client) => plaintext(view, client, ever, from)),
    ...(await mayLoseProxy(view, ever)),
    ...declaredCallers(view, ever, from),
    used(view, ever, from),
  ]
}

/** One finding that says what was seen; it does not hold where nothing was. */
function used(view: View, ever: readonly SeenClient[], from: number): Finding {
  const seen = ever.filter(({ mutualTls, lastSeen }) => mutualTls && lastSeen >= from)
  const count = seen.reduce((sum, each) => sum + each.count, 0)
  const names = [...new Set(seen.map(callerName))].sort()
  const isCalled = hostsOf(view).length > 0 && view.onboarding.spec.limits.requests > 0
  if (names.length === 0 && !isCalled) return { holds: true, says: 'nobody calls it, as it is said to be' }
  if (names.length === 0)
    return {
      holds: false,
      says: 'nobody was seen to call it with mutual TLS',
      remedy: 'wait for calls; where nobody ever calls it, set spec.limits.requests to 0',
    }
  return { holds: true, says: `${names.join(', ')} used mutual TLS, ${Math.round(count)} times` }
}

/** Why a client that came in plaintext stands in the way; nothing where it has come with mutual TLS since, or has stopped. */
function plaintext(view: View, client: SeenClient, all: readonly SeenClient[], from: number): Finding[] {
  const { now } = view
  const { source, address, firstSeen, lastSeen, count, destination } = client
  const who = source.name === 'unknown' ? `somebody unknown${address ? ` at ${address}` : ''}` : nameOf(source)
  const often = count > 1 ? (lastSeen - firstSeen) / (count - 1) : undefined
  const says =
    `${who} called ${destination.name}:${destination.port} without mutual TLS, ${Math.round(count)} times since ${timeText(firstSeen)}, ` +
    `last ${durationText(now - lastSeen)} ago${often === undefined ? '' : `, every ${durationText(often)}`}`
  if (lastSeen >= from) return [{ holds: false, says, remedy: remedyFor(client) }]
  // Where a certificate may be that of several, mayLoseProxy looks whether all of them have proxies.
  const joined = all.some(
    (other) =>
      other.mutualTls &&
      other.lastSeen > lastSeen &&
      callersOf(view, other).some(({ namespace, name }) => namespace === source.namespace && name === source.name),
  )
  if (joined) return []
  // It is not in the window since it calls seldom, or since it has stopped: only time tells. Of one that came once nobody knows how often it calls: but for a window, at most.
  const left = PAUSES * (often ?? now - from) - (now - lastSeen)
  if (left < 0) return []
  const until = `it calls seldom, and was not seen to have changed; after another ${durationText(left)} of silence it counts as gone`
  return [{ holds: false, says: `${says}: ${until}`, remedy: remedyFor(client) }]
}

function remedyFor({ source }: SeenClient): string {
  if (source.name === 'unknown') return 'find out what has that address, and let it join the mesh or come by a gateway'
  return `let ${nameOf(source)} join the mesh first: weft adopt onboard`
}

/** Callers that came with mutual TLS, of whom some instance could come without. */
async function mayLoseProxy(view: View, ever: readonly SeenClient[]): Promise<readonly Finding[]> {
  const callers = new Map(
    ever
      .filter(({ mutualTls }) => mutualTls)
      .flatMap((client) => callersOf(view, client).map((each) => [nameOf(each), each])),
  )
  const instances = await view.instancesOf([...callers.values()])
  const bare = instances
    .filter(({ hasProxy }) => !hasProxy)
    .map(({ name, workload }) => ({
      holds: false,
      says: `${name} of caller ${nameOf(workload)} has no proxy`,
      remedy: 'wait until all its instances have one',
    }))
  const moving = view.onboardings
    .filter((other) => other.spec.application !== view.onboarding.spec.application && isMovingProxies(other))
    .filter((other) => workloadsOfApplication(view, other).some((workload) => callers.has(nameOf(workload))))
    .map((other) => ({
      holds: false,
      says: `caller ${other.spec.application} is in the middle of getting proxies, or of losing them`,
      remedy: 'wait until that is over',
    }))
  return [...bare, ...moving]
}

/** The workloads that a client may be: where several share a ServiceAccount, a certificate does not tell which of them it was. */
function callersOf({ estate }: View, { source, principal }: SeenClient): readonly WorkloadName[] {
  if (source.name !== 'unknown') return [{ namespace: source.namespace, name: source.name }]
  const [, home, account] = /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(principal ?? '') ?? []
  return workloadsOf(estate)
    .filter(
      ({ namespace, template }) => namespace === home && (template.spec?.serviceAccountName ?? 'default') === account,
    )
    .map(({ namespace, name }) => ({ namespace, name }))
}

/** For people: by its certificate where that alone is known. */
function callerName({ source, principal }: SeenClient): string {
  return source.name === 'unknown' && principal !== null ? principal : nameOf(source)
}

const MOVING: ReadonlySet<string> = new Set(['writing', 'settling', 'watching', 'tidying', 'unwriting', 'unsettling'])
const PROXY_STEPS: readonly StepName[] = ['permissive', 'gateway', 'proxy-canary', 'proxies']

function isMovingProxies({ steps, wish }: Onboarding): boolean {
  if (steps['proxy-canary'].state === 'done' && steps.proxies.state !== 'done') return true
  if (typeof wish === 'object' && PROXY_STEPS.includes(wish.undo)) return true
  return MOVING.has(steps.proxies.state) || MOVING.has(steps['proxy-canary'].state)
}

/** The workloads that an application on its way names. */
export function workloadsOfApplication(
  { applications }: Pick<View, 'applications'>,
  { spec }: Onboarding,
): readonly WorkloadName[] {
  const application = applications.find((each) => keyOf(each) === spec.application)
  const namespace = application?.metadata.namespace ?? 'default'
  return (application?.spec?.workloads ?? []).map(({ name }) => ({ namespace, name }))
}

/** Who is said to call it, and was not seen to. */
function declaredCallers(view: View, ever: readonly SeenClient[], from: number): readonly Finding[] {
  const key = view.onboarding.spec.application
  return view.applications.flatMap((caller) => {
    const home = caller.metadata.namespace ?? 'default'
    const calls = (caller.spec?.dependencies?.applications ?? []).some(
      ({ name, namespace = home }) => `${namespace}/${name}` === key,
    )
    const isSeen = ever.some(
      ({ source, mutualTls, lastSeen }) =>
        mutualTls &&
        lastSeen >= from &&
        source.namespace === home &&
        caller.spec?.workloads.some(({ name }) => name === source.name),
    )
    if (!calls || isSeen || keyOf(caller) === key) return []
    return [
      {
        holds: false,
        says: `${keyOf(caller)} is said to call it, and was not seen to in the window`,
        remedy: 'wait for a call of it, widen the window, or take it out of spec.dependencies of that Application',
      },
    ]
  })
}

export function nameOf({ namespace, name }: WorkloadName): string {
  return `${namespace}/${name}`
}

/** Who was refused since a step, and was not before. @param since ms since the epoch */
export async function newlyRefused(view: View, since: number): Promise<readonly Finding[]> {
  const fresh = await freshlyRefused(view, since)
  return fresh.length === 0 ? [{ holds: true, says: 'nobody was refused' }] : fresh.map(refusedText)
}

/**
 * Of those who were refused since a step was done: whom the mesh knows, as a workload or as one who was served before. A stranger who is turned away is what policies are for.
 * @param since ms since the epoch
 * @param isOurs whether it is this step that refuses such a client
 */
export async function knownRefused(
  view: View,
  since: number,
  isOurs: (client: SeenClient) => boolean,
): Promise<readonly Finding[]> {
  const fresh = (await freshlyRefused(view, since)).filter(isOurs)
  if (fresh.length === 0) return []
  const before = await view.evidence.clients({ workloads: ownWorkloads(view), from: 0, to: since })
  const served = new Set(before.filter(({ refused }) => !refused).map(({ source }) => nameOf(source)))
  const known = new Set([...workloadsOf(view.estate).map(nameOf), ...served])
  return fresh.filter(({ source }) => known.has(nameOf(source))).map(refusedText)
}

async function freshlyRefused(view: View, since: number): Promise<readonly SeenClient[]> {
  const workloads = ownWorkloads(view)
  const before = await view.evidence.clients({
    workloads,
    from: since - view.onboarding.spec.windows.baseline,
    to: since,
  })
  const now = await view.evidence.clients({ workloads, from: since, to: view.now + 1 })
  const known = new Set(before.filter(({ refused }) => refused).map(kindOf))
  return now.filter((client) => client.refused && !known.has(kindOf(client)))
}

function refusedText({ source, destination, count }: SeenClient): Finding {
  return {
    holds: false,
    says: `${nameOf(source)} was refused by ${nameOf(destination)}, ${Math.round(count)} times`,
    remedy: 'see weft authz check',
  }
}

function kindOf({ source, destination, principal }: SeenClient): string {
  return JSON.stringify([nameOf(source), nameOf(destination), destination.port, principal])
}
