import type { ConfigurationChange } from '../questions/changes.ts'
import { FLAG_MEANINGS } from '../questions/flag-meanings.ts'
import type { LogEntry } from '../questions/logs.ts'
import type { Questions } from '../questions/questions.ts'
import type { SignalPoint } from '../questions/signals.ts'
import type { Party } from '../questions/span-of-time.ts'
import type { Failure, WhyAnswer, WhyQuestion } from '../questions/why.ts'
import { isParty } from '../store/party.ts'

/** A change counts as shortly before when it was at most so long before the first failure, in ms; and clocks and readings are so much apart. */
const SHORTLY_MS = 15 * 60_000
const SLACK_MS = 15_000
const FEW = 3
const MOST_LOGS = 500

type Asked = Pick<Questions, 'graph' | 'signals' | 'logs' | 'traces' | 'changes'>

/** Puts together what there is about failures of calls from one to another. */
export async function whyOf(asked: Asked, question: WhyQuestion): Promise<WhyAnswer> {
  const { from, to, source, destination } = question
  const span = { from, to }
  const step = Math.max(10_000, (to - from) / 60)
  const ends = { destination, ...(source ? { source } : {}) }
  const [graph, signals, failed, refused, traces] = await Promise.all([
    asked.graph({ ...span, around: destination }),
    asked.signals({ ...span, ...ends, step }),
    asked.logs({ ...span, ...ends, failed: true, limit: MOST_LOGS }),
    asked.logs({ ...span, ...ends, status: '4xx', limit: MOST_LOGS }),
    asked.traces({ ...span, party: partyOfTraces(destination), failed: true, limit: FEW }),
  ])
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  const edges = graph.edges.filter((edge) => {
    const [caller, callee] = [nodes.get(edge.source), nodes.get(edge.destination)]
    return (
      (!source || (caller !== undefined && isParty({ ...caller, workload: caller.name }, source))) &&
      callee !== undefined &&
      isParty({ ...callee, workload: callee.name, service: edge.service }, destination)
    )
  })
  const since = firstFailure(signals.series[0]?.points ?? [])
  const changes = await changesBefore(asked, question, since)
  const byPolicy = refused.entries.filter(({ details }) => isPolicy(details))
  return {
    ...span,
    edges,
    failures: failuresOf(edges, [...failed.entries, ...byPolicy]),
    since,
    changes,
    traces,
  }
}

/** Spans say whose they are, and not by which service they were called. */
function partyOfTraces({ service: _, ...party }: Party): Party {
  return party
}

/** When the first point with failures began that has one without before it. */
function firstFailure(points: readonly SignalPoint[]): number | null {
  const isBad = ({ errors, failedConnections }: SignalPoint) => errors + failedConnections > 0
  const isGood = (point: SignalPoint) => !isBad(point) && point.requests + point.connections > 0
  const firstGood = points.findIndex(isGood)
  const first = points.findIndex((point, i) => i > firstGood && isBad(point))
  return firstGood < 0 || first < 0 ? null : (points[first]?.at ?? null)
}

async function changesBefore(
  asked: Asked,
  { from, to }: WhyQuestion,
  since: number | null,
): Promise<readonly ConfigurationChange[]> {
  const span = since === null ? { from, to } : { from: since - SHORTLY_MS, to: since + SLACK_MS }
  return asked.changes({ ...span, limit: 10 })
}

interface Kind {
  count: number
  readonly code: string
  readonly flags: string
  readonly logs: LogEntry[]
}

function failuresOf(edges: WhyAnswer['edges'], logs: readonly LogEntry[]): readonly Failure[] {
  const kinds = new Map<string, Kind>()
  const kind = (code: string, flags: string): Kind => {
    const found = kinds.get(`${code} ${flags}`) ?? { count: 0, code, flags, logs: [] }
    kinds.set(`${code} ${flags}`, found)
    return found
  }
  for (const log of logs) kind(log.kind === 'request' ? String(log.status) : '', log.flags).logs.push(log)
  // Metrics count all, and know the flags; what nobody logged is still told.
  for (const { flags, count } of edges.flatMap((edge) => edge.flags)) {
    const same = [...kinds.values()].filter((each) => each.flags === flags)
    if (same.length === 0) kind('', flags).count += count
    const logged = same.reduce((sum, { logs }) => sum + logs.length, 0)
    for (const each of same) each.count += (count * each.logs.length) / logged
  }
  return [...kinds.values()]
    .map((each): Failure => {
      const { code, flags, logs } = each
      const sources = logs.filter(({ reporter }) => reporter === 'source')
      return {
        code,
        flags,
        count: Math.round(each.count) || sources.length || logs.length,
        ...explained(each),
        logs: (sources.length > 0 ? sources : logs).slice(0, FEW),
      }
    })
    .sort((a, b) => b.count - a.count)
}

function explained({ code, flags, logs }: Kind): Pick<Failure, 'meaning' | 'look' | 'flagMeanings'> {
  const names = flags === '' ? [] : flags.split(',')
  const flagMeanings = FLAG_MEANINGS.filter(({ flag }) => names.includes(flag))
  const policy = logs.find(({ details }) => isPolicy(details))
  if (policy)
    return {
      meaning: policy.details.startsWith('jwt')
        ? 'The request has no token that is believed.'
        : `A policy refuses it (${policy.details}).`,
      look: policy.details.startsWith('jwt')
        ? 'RequestAuthentication of the called workload, and the token that the client sends'
        : 'AuthorizationPolicies of the called workload; `weft authz check` tells which one decides',
      flagMeanings,
    }
  const [first] = flagMeanings
  if (first) {
    const failure = logs.find(({ failure }) => failure !== '')?.failure
    return {
      meaning: failure ? `${first.meaning} Envoy says: ${failure}` : first.meaning,
      look: first.look,
      flagMeanings,
    }
  }
  return {
    meaning: `The called application itself answered ${code || 'nothing'}.`,
    look: 'The log of the called application at that time; what it calls itself may be the cause',
    flagMeanings,
  }
}

function isPolicy(details: string): boolean {
  return details.startsWith('rbac_access_denied') || details.startsWith('jwt_authn')
}
