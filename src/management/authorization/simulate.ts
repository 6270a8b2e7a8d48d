import { inboundPorts } from '../../mesh/inbound-ports.ts'
import { meshConfig } from '../../mesh/mesh-config.ts'
import type { Workload } from '../../mesh/model.ts'
import { requestAuthentications } from '../../mesh/selected-policies.ts'
import type { Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { SeenCalls } from '../../telemetry/questions/calls.ts'
import type { Call } from '../../translate/prediction/authorization/call.ts'
import { type Decision, decide, type InForce, type Step } from '../../translate/prediction/authorization/decide.ts'
import { podsByWorkload } from './callees.ts'
import { inForceAt } from './in-force.ts'

/** What a change would do to calls that were seen. */
export interface Simulation {
  /** Kinds of calls that were judged, and how many calls these were. */
  readonly kinds: number
  readonly calls: number
  readonly newlyDenied: readonly JudgedCalls[]
  readonly newlyAllowed: readonly JudgedCalls[]
  /** The change looks at what is not recorded, such as a header: nothing can be said. */
  readonly notObserved: readonly JudgedCalls[]
  /** Calls to workloads that are not there any more, or of which the mesh does not know the port: not judged. */
  readonly gone: number
}

export interface JudgedCalls {
  readonly call: SeenCalls
  readonly before: Decision['outcome']
  readonly after: Decision['outcome']
  /** What decides after the change: policies and mutual TLS, with their reasons. */
  readonly steps: readonly Step[]
  /** What a policy looks at that is not recorded. */
  readonly lacks: readonly string[]
}

/**
 * Replays calls against a mesh as it is, and as it would be. A decision that rests on what is not recorded (headers, tokens, addresses) is told as such.
 */
export function simulate(before: Snapshot, after: Snapshot, calls: readonly SeenCalls[]): Simulation {
  const callees = podsByWorkload(before)
  const callers = new Callers(callees)
  const found = {
    newlyDenied: [] as JudgedCalls[],
    newlyAllowed: [] as JudgedCalls[],
    notObserved: [] as JudgedCalls[],
  }
  let [kinds, counted, gone] = [0, 0, 0]
  for (const call of calls) {
    const [callee] = callees.get(`${call.destination.namespace}/${call.destination.workload}`) ?? []
    const places = callee && [before, after].map((snapshot) => inForce(snapshot, callee, call.destination.port))
    const [was, becomes] = places ?? []
    if (!callee || !was || !becomes) {
      gone += call.count
      continue
    }
    kinds++
    counted += call.count
    if (isSame(was, becomes)) continue
    const old = judged(before, callee, call, was, callers)
    const fresh = judged(after, callee, call, becomes, callers)
    const token = call.kind === 'request' && !sameObjects(was.tokens, becomes.tokens) ? ['token'] : []
    const lacks = [...new Set([...old.lacks, ...fresh.lacks, ...token])]
    const { steps, outcome } = fresh.decision
    const result: JudgedCalls = { call, before: old.decision.outcome, after: outcome, steps, lacks }
    if (lacks.length > 0) found.notObserved.push(result)
    else if (old.decision.allowed && !fresh.decision.allowed) found.newlyDenied.push(result)
    else if (!old.decision.allowed && fresh.decision.allowed) found.newlyAllowed.push(result)
  }
  return { kinds, calls: counted, gone, ...found }
}

interface Place {
  readonly inForce: InForce
  readonly tokens: readonly Resource[]
}

function inForce(snapshot: Snapshot, callee: Workload, port: number): Place | undefined {
  const inbound = inboundPorts(snapshot, callee).find((each) => each.port === port)
  if (!inbound && callee.role === 'sidecar') return undefined
  return { inForce: inForceAt(snapshot, callee, inbound), tokens: requestAuthentications(snapshot, callee) }
}

/** Whether nothing changes for a callee: objects that did not change are the same ones. */
function isSame(a: Place, b: Place): boolean {
  return (
    a.inForce.mtls === b.inForce.mtls &&
    a.inForce.authorizer === b.inForce.authorizer &&
    sameObjects(a.inForce.policies, b.inForce.policies) &&
    sameObjects(a.tokens, b.tokens)
  )
}

function sameObjects(some: readonly unknown[], others: readonly unknown[]): boolean {
  return some.length === others.length && some.every((each, i) => each === others[i])
}

interface Judged {
  readonly decision: Decision
  readonly lacks: readonly string[]
}

function judged(snapshot: Snapshot, callee: Workload, seen: SeenCalls, place: Place, callers: Callers): Judged {
  const lacks = new Set<string>()
  const call = recorded(snapshot, callee, seen, callers, (what) => lacks.add(what))
  // Requests without a token pass; whether these had one is not recorded, so policies that ask are told so.
  const decision = decide(call, { taken: true, says: 'tokens are not recorded' }, place.inForce)
  // A connection that never gets through is judged by what is known of it.
  if (decision.outcome === 'connection refused') return { decision, lacks: [] }
  if (decision.asks !== undefined) lacks.add(`the answer of ${decision.asks}`)
  return { decision, lacks: [...lacks] }
}

/** A call of the kind that was seen; `miss` is told what a policy asks for that is not recorded. */
function recorded(
  snapshot: Snapshot,
  callee: Workload,
  seen: SeenCalls,
  callers: Callers,
  miss: (what: string) => void,
): Call {
  const { principal, kind, method, path, example, host, destination } = seen
  const missing = <T>(what: string, value: T): T => {
    miss(what)
    return value
  }
  const headers = new Proxy<Record<string, string>>(
    {},
    { get: (_, name) => missing(`header ${String(name)}`, undefined) },
  )
  const http: Call['http'] = {
    method,
    scheme: 'http',
    get authority() {
      return host ?? missing('host', '')
    },
    get path() {
      return path === null ? missing('path', '/') : example
    },
    headers,
  }
  const address = callers.addressOf(seen)
  return {
    ...(principal === null ? {} : { principal }),
    get peerAddress() {
      return address ?? missing('address of the caller', '')
    },
    get clientAddress() {
      return missing('address of the original client', '')
    },
    destinationAddress: callee.address,
    port: destination.port,
    get serverName() {
      return missing('server name of TLS', '')
    },
    ...(kind === 'request' ? { http, paths: meshConfig(snapshot).pathNormalization } : {}),
    get claims() {
      return missing('token', {})
    },
  }
}

/** Where callers are. */
class Callers {
  readonly #pods: ReadonlyMap<string, readonly Workload[]>

  constructor(pods: ReadonlyMap<string, readonly Workload[]>) {
    this.#pods = pods
  }

  /** Undefined where it has several, or is not known. */
  addressOf({ source }: SeenCalls): string | undefined {
    const [only, ...more] = this.#pods.get(`${source.namespace}/${source.workload}`) ?? []
    return more.length > 0 ? undefined : only?.address
  }
}
