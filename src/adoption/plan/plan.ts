import type { Application } from '../../resources/adoption.ts'
import { keyOf } from '../../resources/resource.ts'
import { compareTexts } from '../../resources/text-order.ts'
import { type Bucket, bucketsOf, nameOf, traitsOf } from './buckets.ts'
import { type CallGraph, callGraph } from './call-graph.ts'
import { type Forecast, forecast } from './forecast.ts'
import { inOrder, type Ordered } from './order.ts'
import { type Approaches, compareApproaches } from './risk.ts'
import { wavesOf } from './waves.ts'

/** How a company's applications join the mesh. Every application stands in exactly one of `joined`, `waves` and `exempt`. */
export interface Plan {
  /** RFC 3339. */
  readonly at: string
  /** In the mesh already, with the day. */
  readonly joined: readonly { readonly application: string; readonly on: string }[]
  /** Gateways in front of these come before any sidecar. */
  readonly gateways: readonly Step[]
  readonly waves: readonly Wave[]
  readonly exempt: readonly Step[]
  readonly buckets: readonly Bucket[]
  readonly approaches: Approaches
  readonly forecast: Forecast
  /** What could not be planned well, and why. */
  readonly remarks: readonly string[]
}

export interface Step {
  /** `namespace/name`. */
  readonly application: string
  /** Why it stands where it stands; never empty. */
  readonly why: readonly string[]
}

export interface Wave {
  /** From 1. */
  readonly number: number
  readonly teams: readonly string[]
  readonly steps: readonly (Step & {
    readonly bucket: string
    readonly team?: string
    readonly band: Ordered['difficulty']['band']
    /** After which wave it can go STRICT: when all its callers are in. Absent where some never will be. */
    readonly strictAfter?: number
  })[]
}

export interface PlanOptions {
  readonly at: Date
  /** Applications that joined, with the day (RFC 3339): from them comes the pace. */
  readonly joined?: ReadonlyMap<string, string>
  /** Most applications of a wave after the first. */
  readonly waveSize?: number
}

/** Applications in a wave, where nobody says otherwise. */
const WAVE_SIZE = 8

/** A plan for these applications: the same for the same, in whatever order they are given. */
export function planOf(
  given: readonly Application[],
  { at, joined = new Map(), waveSize = WAVE_SIZE }: PlanOptions,
): Plan {
  const applications = given.toSorted((a, b) => compareTexts(keyOf(a), keyOf(b)))
  const graph = callGraph(applications)
  const isExempt = ({ spec }: Application) => spec?.exempt !== undefined
  const exempt = applications.filter((each) => isExempt(each) && !joined.has(keyOf(each)))
  const open = applications.filter((each) => !isExempt(each) && !joined.has(keyOf(each)))
  const ordered = inOrder(open, graph, new Set(joined.keys()))
  const { groups, remarks } = wavesOf(ordered, waveSize)
  const waveOf = new Map(groups.flatMap((group, i) => group.map(({ key }) => [key, i + 1] as const)))
  const excluded = new Set(exempt.map(keyOf))
  const waves = groups.map(
    (group, i): Wave => ({
      number: i + 1,
      teams: teamsOf(group),
      steps: group.map((each) => stepOf(each, i + 1, graph, waveOf, excluded)),
    }),
  )
  const known = new Set(applications.map(keyOf))
  return {
    at: at.toISOString(),
    joined: [...joined]
      .filter(([key]) => known.has(key))
      .map(([application, on]) => ({ application, on }))
      .sort((a, b) => compareTexts(a.application, b.application)),
    gateways: gatewaysOf(open, graph),
    waves,
    exempt: exempt.map((application) => ({
      application: keyOf(application),
      why: [`exempt: ${application.spec?.exempt?.reason}`],
    })),
    buckets: bucketsOf(open),
    approaches: compareApproaches(groups),
    forecast: forecast(
      groups.map((group) => group.length),
      [...joined.values()],
      at,
    ),
    remarks: [...remarks, ...hidden(applications)],
  }
}

function teamsOf(group: readonly Ordered[]): string[] {
  return [...new Set(group.flatMap(({ application }) => application.spec?.owner?.team ?? []))].sort(compareTexts)
}

function stepOf(
  { application, key, difficulty }: Ordered,
  wave: number,
  graph: CallGraph,
  waveOf: ReadonlyMap<string, number>,
  exempt: ReadonlySet<string>,
): Wave['steps'][number] {
  const callers = graph.callers.get(key) ?? []
  const never = [...callers.filter((caller) => exempt.has(caller)), ...(graph.strangers.get(key) ?? [])]
  const later = callers.filter((caller) => (waveOf.get(caller) ?? 0) > wave)
  const last = Math.max(wave, ...callers.map((caller) => waveOf.get(caller) ?? 0))
  const team = application.spec?.owner?.team
  return {
    application: key,
    bucket: nameOf(traitsOf(application)),
    band: difficulty.band,
    ...(team === undefined ? {} : { team }),
    ...(never.length > 0 ? {} : { strictAfter: last }),
    why: [`${difficulty.band}: ${difficulty.reasons.join('; ')}`, strictReason(callers, later, never, last)],
  }
}

function strictReason(
  callers: readonly string[],
  later: readonly string[],
  never: readonly string[],
  last: number,
): string {
  if (never.length > 0)
    return `it cannot go STRICT while ${named(never)} ${never.length === 1 ? 'calls' : 'call'} it from outside of the mesh`
  if (callers.length === 0) return 'nobody in the inventory calls it: it can go STRICT when traffic shows the same'
  if (later.length === 0) return `all its callers (${named(callers)}) are in by then, so that STRICT can follow at once`
  return `${named(later)} ${later.length === 1 ? 'calls' : 'call'} it and ${later.length === 1 ? 'comes' : 'come'} later: PERMISSIVE until after wave ${last}`
}

function named(keys: readonly string[]): string {
  return keys.length <= 4 ? keys.join(', ') : `${keys.slice(0, 3).join(', ')} and ${keys.length - 3} more`
}

/** The edge: what calls others, or was seen to be called, and nobody in the inventory calls; over HTTP. */
function gatewaysOf(open: readonly Application[], graph: CallGraph): readonly Step[] {
  return open
    .filter((application) => {
      const key = keyOf(application)
      const isKnown = (graph.callees.get(key) ?? []).length > 0 || application.status?.observed !== undefined
      const { protocol } = traitsOf(application)
      return isKnown && !graph.callers.has(key) && (protocol === 'http' || protocol === 'grpc')
    })
    .map((application) => ({
      application: keyOf(application),
      why: [
        'nobody inside calls it, so its callers come from outside: a gateway in front ends TLS and routes before any proxy stands beside it',
      ],
    }))
}

/** What nobody has said, and what the plan would be better with. */
function hidden(applications: readonly Application[]): string[] {
  const unseen = applications.filter(({ status }) => status?.observed === undefined).length
  return unseen === 0
    ? []
    : [
        `of ${unseen} of ${applications.length} applications no traffic was seen: who calls them is only what they say themselves (weft adopt import --with-traffic)`,
      ]
}
