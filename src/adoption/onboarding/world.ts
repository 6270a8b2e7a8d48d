import type { Application } from '../../resources/adoption.ts'
import type { TimeSpan } from '../../telemetry/questions/span-of-time.ts'
import type { Estate, EstateObject } from '../estate/estate.ts'
import type { Onboarding } from './onboarding.ts'

/**
 * All that onboarding knows of, and does to, what is outside of it: a mesh on a laptop, a cluster, a git repository that something else
 * applies, or a model of one in tests. Nothing here decides anything.
 */
export interface World {
  readonly clock: Clock
  readonly objects: Objects
  readonly mesh: MeshState
  readonly evidence: Evidence
  readonly journal: Journal
  /** What runs now: workloads, Services, policies. */
  estate(): Promise<Estate>
  /** The whole inventory: what is not in it cannot be told from a stranger. */
  applications(): Promise<readonly Application[]>
}

/** Times of two kinds: one that people read, which may jump, and one that only goes on. */
export interface Clock {
  /** Ms since the epoch. */
  now(): number
  /** Ms since this process began to count; never jumps. */
  elapsed(): number
  /** Resolves after so many ms, or when `signal` is aborted. */
  wait(ms: number, signal?: AbortSignal): Promise<void>
}

export interface ObjectName {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** What is to be written, as one change: one commit where there is git. */
export interface ObjectChange {
  readonly put: readonly EstateObject[]
  readonly remove: readonly ObjectName[]
}

/** Where objects are written: files of a laptop, the API server of a cluster, a git repository. */
export interface Objects {
  /** As it is written there, without `status`; undefined where there is none. */
  read(name: ObjectName): Promise<EstateObject | undefined>
  /** All of a kind, in all namespaces. @param apiVersion of any version of its group */
  list(kind: Pick<ObjectName, 'apiVersion' | 'kind'>): Promise<readonly EstateObject[]>
  /**
   * Writes all of it. To write the same again changes nothing: who was killed in between does so.
   * @param says one line about it, for the commit
   */
  write(change: ObjectChange, says: string): Promise<void>
}

/** Whether what was written is in force. */
export type InForce =
  | { readonly state: 'in force' }
  /** The servers have not read it: where somebody else applies what is committed, that may take its time. */
  | { readonly state: 'unread'; readonly why: string }
  | { readonly state: 'waiting'; readonly why: string }
  /** Nobody but a person makes the next instance anew, by this command. */
  | { readonly state: 'by hand'; readonly why: string; readonly command: string }
  /** A proxy refused it, or an instance cannot be started with it. */
  | { readonly state: 'refused'; readonly why: string }

/** A pod of a workload. */
export interface Instance {
  readonly name: string
  readonly workload: WorkloadName
  readonly ready: boolean
  readonly hasProxy: boolean
  /** Of its containers, all together. */
  readonly restarts: number
}

export interface WorkloadName {
  readonly namespace: string
  readonly name: string
}

export interface MeshState {
  /** Whether servers have read this, and all proxies and pods are as it asks. */
  inForce(change: ObjectChange): Promise<InForce>
  /** The pods of these workloads that are not ending. */
  instances(workloads: readonly WorkloadName[]): Promise<readonly Instance[]>
}

/** Since when what is seen is complete, and whether it is now. */
export interface Coverage {
  /** Ms since the epoch; null where nothing was ever seen. */
  readonly since: number | null
  /** When the newest of it is of. */
  readonly until: number | null
  /** Why it is not complete now: telemetry that was lost, proxies that do not answer; empty where it is. */
  readonly problems: readonly string[]
}

/** Who called a workload, as the workload's own proxies saw it: all calls of one client to one port in one manner. */
export interface SeenClient {
  readonly source: WorkloadName
  /** Address of one of its connections, where it is known. */
  readonly address?: string
  readonly destination: WorkloadName & { readonly port: number }
  readonly mutualTls: boolean
  /** Refused by a policy, or cut off for want of a certificate. */
  readonly refused: boolean
  /** SPIFFE ID without its scheme; null without mutual TLS. */
  readonly principal: string | null
  readonly count: number
  /** Ms since the epoch. */
  readonly firstSeen: number
  readonly lastSeen: number
}

/** What came of requests and connections, as clients' proxies saw it, else the servers'. */
export interface ObservedSignals {
  readonly requests: number
  readonly errors: number
  readonly connections: number
  readonly failedConnections: number
  readonly saturated: number
  /** Ms; null where nothing was timed. */
  readonly p50: number | null
  readonly p90: number | null
  readonly p99: number | null
  /** Of 999 in 1000 requests; null where there were too few to tell. */
  readonly p999: number | null
  /** The longest that is known; null where none is. */
  readonly longest: number | null
  /** How many failed, by Envoy's response flags; `''` for what the application answered itself. */
  readonly failures: Readonly<Record<string, number>>
}

export interface SignalsOf extends TimeSpan {
  readonly workloads: readonly WorkloadName[]
}

/** A port of a Service that is called, by how. */
export interface ServiceSignals extends ObservedSignals {
  /** Full host name. */
  readonly host: string
  readonly protocol: 'http' | 'grpc' | 'tcp'
  /** Of how many requests it is known how long each took: the longest is of these. */
  readonly timed: number
}

/** What a change of policies would do to calls that were seen. */
export interface SimulatedChange {
  /** Calls that were judged. */
  readonly calls: number
  /** Who would be refused: in words, such as `shop/cart (GET /items), 12 times`. */
  readonly newlyDenied: readonly string[]
  /** What cannot be told, by what is recorded. */
  readonly notObserved: readonly string[]
}

/** Policies that allow what was seen, and what no policy can be made of. */
export interface LearnedPolicies {
  readonly policies: readonly EstateObject[]
  /** Why there is none for a workload: in words. */
  readonly without: readonly string[]
}

/** What telemetry saw. Nobody fills gaps: what was not seen is not told. */
export interface Evidence {
  coverage(): Promise<Coverage>
  /** Who called these workloads, in a time. */
  clients(asked: SignalsOf): Promise<readonly SeenClient[]>
  /** Whom these workloads called, as the callees' own proxies saw it. */
  callees(asked: SignalsOf): Promise<readonly SeenClient[]>
  /** What calls to these workloads came to; undefined where no proxy saw any. */
  signals(asked: SignalsOf): Promise<ObservedSignals | undefined>
  /** The same by the host that was called. */
  services(asked: SignalsOf): Promise<readonly ServiceSignals[]>
  /** Policies for these workloads that allow the calls of a time. */
  learn(asked: SignalsOf): Promise<LearnedPolicies>
  /** Replays calls of a time against the mesh with a change. */
  simulate(change: ObjectChange, time: TimeSpan): Promise<SimulatedChange>
}

/** Where it is kept how far everybody is. What `save` has returned from is there after a crash. */
export interface Journal {
  load(application: string): Promise<Onboarding | undefined>
  list(): Promise<readonly Onboarding[]>
  save(onboarding: Onboarding): Promise<void>
}
