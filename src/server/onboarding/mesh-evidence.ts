import { canaryName, canaryOwner } from '../../adoption/onboarding/look.ts'
import type {
  Coverage,
  Evidence,
  LearnedPolicies,
  ObjectChange,
  ObservedSignals,
  SeenClient,
  ServiceSignals,
  SignalsOf,
  SimulatedChange,
  WorkloadName,
} from '../../adoption/onboarding/world.ts'
import { callerText, callText } from '../../telemetry/answers/call-text.ts'
import type { CallsAnswer, SeenCalls } from '../../telemetry/questions/calls.ts'
import type { GraphAnswer, GraphEdge } from '../../telemetry/questions/graph.ts'
import type { IntakeStatus } from '../../telemetry/questions/intake.ts'
import type { LogsAnswer } from '../../telemetry/questions/logs.ts'
import type { PlaintextEvidence } from '../../telemetry/questions/plaintext.ts'
import type { TimeSpan } from '../../telemetry/questions/span-of-time.ts'
import type { LearnedAnswer, SimulationAnswer } from '../authorization-evidence.ts'
import type { RecentAnswers } from './recent-answers.ts'

/** Of the newest requests, so many say how long the longest took. */
const LOGGED = 1000

/** What a mesh's telemetry saw. */
export function meshEvidence(answers: RecentAnswers): Evidence {
  const seen = async () => {
    const [{ calls, oneOf }, plaintext] = await Promise.all([
      answers.get<CallsAnswer>('telemetry/calls?from=0'),
      answers.get<readonly PlaintextEvidence[]>('telemetry/plaintext?from=0'),
    ])
    const clients = calls.map((call) => clientOf(call, oneOf))
    return withPlaintext(clients, plaintext)
  }
  return {
    async coverage(): Promise<Coverage> {
      const [intake, newest] = await Promise.all([
        answers.get<IntakeStatus>('telemetry/intake'),
        answers.get<LogsAnswer>('telemetry/logs?last=1h&limit=1'),
      ])
      return { since: intake.oldest, until: newest.entries[0]?.at ?? null, problems: intake.problems }
    },
    async clients({ workloads, from, to }) {
      return (await seen()).filter(
        ({ destination, lastSeen, firstSeen }) => isOf(destination, workloads) && lastSeen >= from && firstSeen < to,
      )
    },
    async callees({ workloads, from, to }) {
      return (await seen()).filter(
        ({ source, lastSeen, firstSeen }) => isOf(source, workloads) && lastSeen >= from && firstSeen < to,
      )
    },
    async signals(asked) {
      const edges = await edgesTo(answers, asked)
      return edges.length === 0 ? undefined : signalsOf(edges, [])
    },
    async services(asked) {
      const edges = await edgesTo(answers, asked)
      const durations = (
        await Promise.all(asked.workloads.map((workload) => durationsOf(answers, workload, asked)))
      ).flat()
      const byService = Map.groupBy(edges, ({ service, protocol }) => JSON.stringify([service, protocol]))
      return [...byService.values()].flatMap((some): ServiceSignals[] => {
        const [first] = some
        if (!first) return []
        const timed = durations.length
        return [{ ...signalsOf(some, durations), host: first.service, protocol: first.protocol, timed }]
      })
    },
    learn: (asked) => learn(answers, asked),
    simulate: (change, time) => simulate(answers, change, time),
  }
}

/** Whether it is one of these workloads, or the canary of one. */
function isOf(party: WorkloadName, workloads: readonly WorkloadName[]): boolean {
  return workloads.some(
    ({ namespace, name }) => party.namespace === namespace && (party.name === name || party.name === canaryName(name)),
  )
}

/**
 * Clients, with those that are known by their connections alone. Of requests that went well only a share may be logged; of connections without a certificate each is, when it
 * ends: so neither alone knows of all.
 */
function withPlaintext(clients: readonly SeenClient[], plaintext: readonly PlaintextEvidence[]): readonly SeenClient[] {
  const isKnown = ({ mutualTls, refused }: SeenClient) => mutualTls || refused
  const all = new Map<string, SeenClient>()
  const add = (client: SeenClient, join: (a: SeenClient, b: SeenClient) => SeenClient) => {
    const there = all.get(keyOf(client))
    all.set(keyOf(client), there ? join(there, client) : client)
  }
  for (const { source, destination, firstSeen, lastSeen, connections } of plaintext)
    add(
      {
        source: { namespace: source.namespace, name: source.workload },
        address: source.address,
        destination: {
          namespace: destination.namespace,
          name: canaryOwner(destination.workload),
          port: destination.port,
        },
        ...{ mutualTls: false, refused: false, principal: null, count: connections, firstSeen, lastSeen },
      },
      (one, other) => ({ ...together(one, other), count: one.count + other.count }),
    )
  for (const client of clients.filter((each) => !isKnown(each))) {
    const { destination } = client
    add({ ...client, destination: { ...destination, name: canaryOwner(destination.name) } }, together)
  }
  return [...clients.filter(isKnown), ...all.values()]
}

function keyOf({ source, destination }: SeenClient): string {
  return JSON.stringify([source.namespace, source.name, destination.namespace, destination.name, destination.port])
}

/** The same client, seen in two ways. */
function together(one: SeenClient, other: SeenClient): SeenClient {
  return {
    ...one,
    firstSeen: Math.min(one.firstSeen, other.firstSeen),
    lastSeen: Math.max(one.lastSeen, other.lastSeen),
  }
}

/** @param oneOf of how many calls one is logged: how often somebody comes in plaintext is told by what was seen, not by what that is reckoned up to */
function clientOf(call: SeenCalls, oneOf: number): SeenClient {
  const { source, destination, principal, refused, firstSeen, lastSeen } = call
  const count = principal === null && !refused ? Math.max(1, call.count / oneOf) : call.count
  return {
    source: { namespace: source.namespace, name: source.workload },
    destination: { namespace: destination.namespace, name: destination.workload, port: destination.port },
    mutualTls: principal !== null,
    refused,
    principal,
    count,
    firstSeen,
    lastSeen,
  }
}

async function edgesTo(answers: RecentAnswers, { workloads, from, to }: SignalsOf): Promise<readonly GraphEdge[]> {
  const graph = await answers.get<GraphAnswer>(`telemetry/graph?${spanQuery({ from, to })}`)
  const nodes = new Set(
    graph.nodes
      .filter(({ kind, namespace, name }) => kind === 'workload' && isOf({ namespace, name }, workloads))
      .map(({ id }) => id),
  )
  return graph.edges.filter(({ destination, health }) => nodes.has(destination) && health !== 'idle')
}

/** @param durations of requests that were logged, in ms */
function signalsOf(edges: readonly GraphEdge[], durations: readonly number[]): ObservedSignals {
  const sum = (of: (edge: GraphEdge) => number) => edges.reduce((total, edge) => total + of(edge), 0)
  const most = (of: (edge: GraphEdge) => number | null) => {
    const known = edges.map(of).filter((value) => value !== null)
    return known.length === 0 ? null : Math.max(...known)
  }
  const failures: Record<string, number> = {}
  for (const { flags, count } of edges.flatMap((edge) => edge.flags)) failures[flags] = (failures[flags] ?? 0) + count
  const sorted = [...durations].sort((a, b) => a - b)
  return {
    requests: sum(({ signals }) => signals.requests),
    errors: sum(({ signals }) => signals.errors),
    connections: sum(({ signals }) => signals.connections),
    failedConnections: sum(({ signals }) => signals.failedConnections),
    saturated: sum(({ signals }) => signals.saturated),
    p50: most(({ signals }) => signals.p50),
    p90: most(({ signals }) => signals.p90),
    p99: most(({ signals }) => signals.p99),
    p999: sorted.length < LOGGED ? null : (sorted[Math.floor(sorted.length * 0.999)] ?? null),
    longest: sorted.at(-1) ?? null,
    failures,
  }
}

async function durationsOf(
  answers: RecentAnswers,
  { namespace, name }: WorkloadName,
  span: TimeSpan,
): Promise<number[]> {
  const query = new URLSearchParams({
    'destination.namespace': namespace,
    'destination.workload': name,
    limit: `${LOGGED}`,
  })
  const { entries } = await answers.get<LogsAnswer>(`telemetry/logs?${spanQuery(span)}&${query}`)
  return entries.filter(({ kind }) => kind === 'request').map(({ duration }) => Math.ceil(duration))
}

/**
 * By methods and paths where every call is logged. Where one in many is, rare ones are not known: then policies say only who may call, and there are none before
 * every caller that was counted was also logged.
 */
async function learn(answers: RecentAnswers, asked: SignalsOf): Promise<LearnedPolicies> {
  const { workloads, from, to } = asked
  const { calls, oneOf } = await answers.get<CallsAnswer>('telemetry/calls?from=0')
  const all = await Promise.all(
    workloads.map(({ namespace, name }) => {
      const query = new URLSearchParams({ namespace, workload: name, grain: oneOf > 1 ? 'principals' : 'paths' })
      return answers.get<LearnedAnswer>(`authorization/learned?${spanQuery({ from, to })}&${query}`)
    }),
  )
  const logged = new Set(
    calls
      .map((call) => clientOf(call, oneOf))
      .filter(({ destination, mutualTls, lastSeen }) => mutualTls && lastSeen >= from && isOf(destination, workloads))
      .map(({ source }) => `workload ${source.namespace}/${source.name}`),
  )
  const unlogged = (oneOf > 1 ? await edgesTo(answers, asked) : [])
    .map(({ source }) => source)
    .filter((source) => source.startsWith('workload ') && !logged.has(source))
    .map((source) => `${source} called it, and no call of it was logged, as one in ${oneOf} is`)
  const learned = all.flatMap((answer) => answer.workloads)
  return {
    policies: learned.flatMap(({ policy }) => (policy ? [{ ...policy }] : [])),
    without: [
      ...learned.flatMap(({ namespace, workload, policy, reason }) =>
        policy ? [] : [`no policy for ${namespace}/${workload}: ${reason}`],
      ),
      ...new Set(unlogged),
    ],
  }
}

async function simulate(
  answers: RecentAnswers,
  { put }: ObjectChange,
  { from, to }: TimeSpan,
): Promise<SimulatedChange> {
  const { calls, newlyDenied, notObserved } = await answers.mesh.post<SimulationAnswer>('authorization/simulation', {
    objects: put,
    from,
    to,
  })
  const text = ({ call }: { readonly call: SeenCalls }) =>
    `${callerText(call)} at ${call.destination.namespace}/${call.destination.workload} (${callText(call)}), ${Math.round(call.count)} times`
  return { calls, newlyDenied: newlyDenied.map(text), notObserved: notObserved.map(text) }
}

function spanQuery({ from, to }: TimeSpan): string {
  return `from=${Math.floor(from)}&to=${Math.ceil(to)}`
}
