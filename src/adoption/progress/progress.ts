import type { AuditFacts } from '../../management/audit/facts.ts'
import type { Application } from '../../resources/adoption.ts'
import { keyOf } from '../../resources/resource.ts'
import { compareTexts } from '../../resources/text-order.ts'

/** How far an adoption is, at one moment: for those who pay for it. What nobody observed is null, never zero. */
export interface Progress {
  /** RFC 3339. */
  readonly at: string
  readonly applications: readonly ApplicationProgress[]
  readonly all: Standing
  readonly teams: readonly (Standing & { readonly team: string })[]
  /** From the most critical on. */
  readonly criticalities: readonly (Standing & { readonly criticality: string })[]
  readonly spared: SparedDowntime
  readonly cost: ProxyCost
}

/** Counts of applications. */
export interface Standing {
  readonly applications: number
  /** Those that are to stay out of the mesh, not among the others. */
  readonly exempt: number
  /** With a proxy at every instance. */
  readonly inMesh: number
  /** That take mutual TLS alone, at all ports. */
  readonly strict: number
  /** For which policies say who may call. */
  readonly authorized: number
  /** Share of calls to them that came by mutual TLS, 0 to 1; null where no proxy saw any. */
  readonly encrypted: number | null
}

export interface ApplicationProgress {
  /** `namespace/name` */
  readonly application: string
  readonly team: string
  readonly criticality: string
  /** Why it is to stay out of the mesh. */
  readonly exempt?: string
  readonly instances: number
  readonly proxies: number
  readonly strict: boolean
  readonly authorized: boolean
  /** Calls that its proxies saw, and how many of them came by mutual TLS. */
  readonly calls: number
  readonly encryptedCalls: number
}

/** Requests that would have failed without proxies, as Envoys counted them since each of them started. */
export interface SparedDowntime {
  /** Requests that were answered well when they were sent again; null where no proxy could be asked. */
  readonly savedByRetry: number | null
  /** How often an instance that failed was left alone for a while. */
  readonly instancesLeftAlone: number | null
}

export interface ProxyCost {
  readonly proxies: number
  /** Proxies that answered, of which the rest is told. */
  readonly asked: number
  /** Bytes that they hold, all together; null where none answered. */
  readonly memory: number | null
}

/** A pod, as far as this asks. */
export interface CountedPod {
  /** `namespace/name` of what it is made for. */
  readonly workload: string
  readonly hasProxy: boolean
}

export interface ProgressSources {
  readonly at: Date
  readonly applications: readonly Application[]
  readonly pods: readonly CountedPod[]
  readonly facts: Pick<AuditFacts, 'edges' | 'workloads'>
  readonly spared: SparedDowntime
  readonly cost: ProxyCost
}

const CRITICALITIES = ['critical', 'high', 'medium', 'low', 'unsaid']

export function progressOf({ at, applications, pods, facts, spared, cost }: ProgressSources): Progress {
  const each = applications
    .map((application) => progressOfOne(application, pods, facts))
    .sort((a, b) => compareTexts(a.application, b.application))
  const teams = Map.groupBy(each, ({ team }) => team)
  const criticalities = Map.groupBy(each, ({ criticality }) => criticality)
  return {
    at: at.toISOString(),
    applications: each,
    all: standingOf(each),
    teams: [...teams]
      .sort(([a], [b]) => compareTexts(a, b))
      .map(([team, members]) => ({ team, ...standingOf(members) })),
    criticalities: CRITICALITIES.flatMap((criticality) => {
      const members = criticalities.get(criticality)
      return members ? [{ criticality, ...standingOf(members) }] : []
    }),
    spared,
    cost,
  }
}

function progressOfOne(
  application: Application,
  pods: readonly CountedPod[],
  { edges, workloads }: ProgressSources['facts'],
): ApplicationProgress {
  const { owner, criticality = 'unsaid', exempt, workloads: named = [] } = application.spec ?? {}
  const names = new Set(named.map(({ name }) => `${application.metadata.namespace}/${name}`))
  const own = pods.filter(({ workload }) => names.has(workload))
  const known = workloads.filter(({ namespace, workload }) => names.has(`${namespace}/${workload}`))
  const covered = known.length === names.size
  const seen = edges.filter(({ destination, mutualTls }) => names.has(destination) && mutualTls !== null)
  // A client alone has no ports that could take plaintext.
  const takesPlaintext = known.some(({ ports }) => ports.some(({ mtls }) => mtls !== 'STRICT'))
  return {
    application: keyOf(application),
    team: owner?.team ?? 'unsaid',
    criticality,
    ...(exempt ? { exempt: exempt.reason } : {}),
    instances: own.length,
    proxies: own.filter(({ hasProxy }) => hasProxy).length,
    strict: covered && !takesPlaintext,
    authorized: covered && known.every(({ ports, policies }) => ports.length === 0 || policies > 0),
    calls: seen.reduce((sum, { calls }) => sum + calls, 0),
    encryptedCalls: seen.reduce((sum, { calls, mutualTls }) => sum + calls * (mutualTls ?? 0), 0),
  }
}

function standingOf(applications: readonly ApplicationProgress[]): Standing {
  const counted = applications.filter(({ exempt }) => exempt === undefined)
  const inMesh = counted.filter(isInMesh)
  const calls = counted.reduce((sum, each) => sum + each.calls, 0)
  return {
    applications: counted.length,
    exempt: applications.length - counted.length,
    inMesh: inMesh.length,
    strict: inMesh.filter(({ strict }) => strict).length,
    authorized: inMesh.filter(({ authorized }) => authorized).length,
    encrypted: calls === 0 ? null : counted.reduce((sum, each) => sum + each.encryptedCalls, 0) / calls,
  }
}

/** Whether every instance that there is has a proxy. */
export function isInMesh({ instances, proxies }: Pick<ApplicationProgress, 'instances' | 'proxies'>): boolean {
  return instances > 0 && proxies === instances
}
