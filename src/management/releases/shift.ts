import { closest } from '../../resources/did-you-mean.ts'
import { resolveHost, serviceOfHost } from '../../resources/host.ts'
import type { DestinationRule, VirtualService } from '../../resources/istio.ts'
import { displayName, type FieldPath, type Resource } from '../../resources/resource.ts'

/** Shares of the requests to a host, by subset; whole percents that add up to 100. */
export type Shares = ReadonlyMap<string, number>

export interface ShiftRequest {
  /** Full name: `reviews.default.svc.cluster.local`. */
  readonly host: string
  readonly shares: Shares
  /** `name` of the rule in the VirtualService; where absent, its last rule that leads to nothing but the host. */
  readonly route?: string
}

/** What there is that a shift may have to do with. */
export interface ShiftObjects {
  readonly virtualServices: readonly VirtualService[]
  readonly destinationRules: readonly DestinationRule[]
  /** Values of the label `version` that pods of the service carry. */
  readonly versions: readonly string[]
}

/** One field of an object that is there, to be set to something else. */
export interface Edit {
  readonly object: Resource
  readonly path: FieldPath
  readonly before: unknown
  readonly after: unknown
}

/** What has to be written for a shift: ordinary Istio objects. */
export interface Shift {
  readonly edit?: Edit
  /** Objects that there are none of yet, whole. */
  readonly created: readonly Created[]
  /** Shares as they are now; undefined where no rule says any. */
  readonly before: Shares | undefined
}

export interface Created {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec: unknown
}

/** Why there is no such shift, and what would be one. */
export class NoShift extends Error {
  readonly remedy: string
  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}

/** Reads `v1=90`, ... @throws NoShift */
export function parseShares(words: readonly string[]): Shares {
  const shares = new Map<string, number>()
  for (const word of words) {
    const [, subset = '', text = ''] = /^([^=]+)=(\d+)%?$/.exec(word) ?? []
    if (subset === '') throw new NoShift(`"${word}" is no share`, 'write SUBSET=PERCENT, such as v2=10')
    if (shares.has(subset)) throw new NoShift(`subset ${subset} is named twice`, 'name each once')
    shares.set(subset, Number(text))
  }
  const sum = [...shares.values()].reduce((total, share) => total + share, 0)
  if (sum !== 100) throw new NoShift(`the shares add up to ${sum}`, 'let them add up to 100')
  return shares
}

/** What has to be written so that requests to a host are spread as asked. @throws NoShift */
export function planShift(request: ShiftRequest, objects: ShiftObjects): Shift {
  const { host, shares } = request
  const created: Created[] = []
  const rule = subsetRule(request, objects)
  if (rule) created.push(rule)
  const found = ruleOf(request, objects.virtualServices)
  const route = (destination: object = {}) => routeOf(request, destination)
  if (!found) {
    const { name, namespace } = serviceName(host)
    const metadata = { name, namespace }
    created.push({
      apiVersion: ISTIO,
      kind: 'VirtualService',
      metadata,
      spec: { hosts: [host], http: [{ route: route() }] },
    })
    return { created, before: undefined }
  }
  const { object, index } = found
  const before = object.spec?.http?.[index]?.route ?? []
  // What is said of a destination besides stays: a port, headers.
  const known = new Map(before.map((each) => [each.destination.subset ?? '', each]))
  const [first] = before
  const after = [...shares].map(([subset, weight]) => {
    const like = known.get(subset)
    const port = (like ?? first)?.destination.port
    const destination = { host: (like ?? first)?.destination.host ?? host, subset, ...(port ? { port } : {}) }
    return { ...(like?.headers ? { headers: like.headers } : {}), destination, weight }
  })
  return { edit: { object, path: ['spec', 'http', index, 'route'], before, after }, created, before: sharesOf(before) }
}

const ISTIO = 'networking.istio.io/v1'

type Destinations = NonNullable<NonNullable<NonNullable<VirtualService['spec']>['http']>[number]['route']>

function sharesOf(route: Destinations): Shares {
  const [only, ...others] = route
  if (only && others.length === 0) return new Map([[only.destination.subset ?? '', 100]])
  return new Map(route.map(({ destination, weight }) => [destination.subset ?? '', weight ?? 0]))
}

function routeOf({ host, shares }: ShiftRequest, rest: object) {
  return [...shares].map(([subset, weight]) => ({ destination: { host, subset, ...rest }, weight }))
}

/** The rule to change. @throws NoShift where it cannot be told which is meant */
function ruleOf({ host, route }: ShiftRequest, all: readonly VirtualService[]) {
  const candidates = all.flatMap((object) => {
    const namespace = object.metadata.namespace ?? ''
    const http = object.spec?.http ?? []
    const leadsThere = (index: number) => {
      const destinations = http[index]?.route ?? []
      return (
        destinations.length > 0 &&
        destinations.every(({ destination }) => resolveHost(destination.host, namespace) === host)
      )
    }
    const indexes = http.map((_, index) => index).filter(leadsThere)
    const named = route === undefined ? indexes : indexes.filter((index) => http[index]?.name === route)
    const index = named.at(-1)
    return index === undefined ? [] : [{ object, index }]
  })
  if (candidates.length === 0 && route !== undefined)
    throw new NoShift(`no rule called "${route}" leads to ${host} alone`, `name one of: ${ruleNames(host, all)}`)
  // Of several, the one for the host itself: others only pass requests on to it, as gateways do.
  const own = candidates.filter(({ object }) => {
    const namespace = object.metadata.namespace ?? ''
    return (object.spec?.hosts ?? []).some((written) => resolveHost(written, namespace) === host)
  })
  const [only, ...others] = own.length > 0 ? own : candidates
  if (others.length > 0)
    throw new NoShift(
      `several VirtualServices route ${host}: ${[only, ...others].map((each) => displayName(each?.object as Resource)).join(', ')}`,
      'name one of their rules with --route',
    )
  return only
}

function ruleNames(host: string, all: readonly VirtualService[]): string {
  const names = all.flatMap(({ spec, metadata }) =>
    (spec?.http ?? []).flatMap(({ name, route = [] }) =>
      name && route.every(({ destination }) => resolveHost(destination.host, metadata.namespace ?? '') === host)
        ? name
        : [],
    ),
  )
  return names.join(', ') || 'none has a name'
}

/** The DestinationRule that the shares need and that is not there yet. @throws NoShift where one is there that lacks a subset */
function subsetRule({ host, shares }: ShiftRequest, { destinationRules, versions }: ShiftObjects): Created | undefined {
  const rules = destinationRules.filter(
    ({ spec, metadata }) => resolveHost(spec?.host ?? '', metadata.namespace ?? '') === host,
  )
  const defined = rules.flatMap(({ spec }) => (spec?.subsets ?? []).map(({ name }) => name))
  const missing = [...shares.keys()].filter((subset) => !defined.includes(subset))
  const [wanted] = missing
  if (wanted === undefined) return undefined
  const known = rules.length > 0 ? defined : versions
  if (rules.length > 0 || !missing.every((subset) => versions.includes(subset))) {
    const near = closest(wanted, known)
    const where =
      rules.length > 0 ? `${rules.map(displayName).join(', ')} defines` : `pods of ${host} have as label "version"`
    throw new NoShift(
      `there is no subset "${wanted}" of ${host}: ${where} ${known.join(', ') || 'none'}`,
      near ? `write ${near} if that was meant` : 'add it to a DestinationRule, or name another',
    )
  }
  const { name, namespace } = serviceName(host)
  // All that there are: the next shift may be to another.
  const subsets = versions.map((subset) => ({ name: subset, labels: { version: subset } }))
  return { apiVersion: ISTIO, kind: 'DestinationRule', metadata: { name, namespace }, spec: { host, subsets } }
}

function serviceName(host: string): { readonly name: string; readonly namespace: string } {
  const service = serviceOfHost(host)
  if (service) return service
  throw new NoShift(`${host} is no Service, and no VirtualService routes it`, 'write a VirtualService for it first')
}

/** An object with an edit made. */
export function edited({ object, path, after }: Edit): Resource {
  const copy = structuredClone({ ...object }) as Resource
  let parent: Record<string | number, unknown> = copy as unknown as Record<string, unknown>
  for (const part of path.slice(0, -1)) parent = parent[part] as Record<string | number, unknown>
  parent[path.at(-1) as string | number] = after
  return copy
}
