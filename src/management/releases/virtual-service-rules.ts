import { closest } from '../../resources/did-you-mean.ts'
import { resolveHost } from '../../resources/host.ts'
import type { DestinationRule, HttpRoute, VirtualService } from '../../resources/istio.ts'
import { displayName } from '../../resources/resource.ts'
import { audienceName, istioHeaders } from './audience.ts'
import type { Mirror, ReleaseObjects, RouteRule } from './routes.ts'
import { NoShift, type Shares } from './shares.ts'

/** The rules of VirtualServices that lead to a host and nowhere else. */
export function virtualServiceRules(host: string, { virtualServices }: ReleaseObjects): readonly RouteRule[] {
  return virtualServices.flatMap((object) => {
    const namespace = object.metadata.namespace ?? ''
    const isHost = (written: string) => resolveHost(written, namespace) === host
    const own = (object.spec?.hosts ?? []).some(isHost)
    return (object.spec?.http ?? []).flatMap((rule, index) => {
      const route = rule.route ?? []
      return route.length > 0 && route.every(({ destination }) => isHost(destination.host))
        ? [ruleOf(host, object, rule, index, own)]
        : []
    })
  })
}

function ruleOf(host: string, object: VirtualService, rule: HttpRoute, index: number, own: boolean): RouteRule {
  return {
    object,
    path: ['spec', 'http'],
    index,
    rule,
    name: rule.name,
    own,
    shares: sharesOf(rule),
    withShares: (shares) => ({ ...rule, route: routeOf(host, rule, shares) }),
    narrowed: (audience) => {
      const matches = rule.match?.length ? rule.match : [{}]
      const match = matches.map((one) => ({ ...one, headers: { ...one.headers, ...istioHeaders(audience) } }))
      return { ...rule, name: audienceName(audience), match }
    },
    isFor: (audience) => {
      const [[header, wanted] = ['', {}]] = Object.entries(istioHeaders(audience))
      const matches = rule.match ?? []
      return (
        matches.length > 0 &&
        matches.every(({ headers }) => JSON.stringify(headers?.[header]) === JSON.stringify(wanted))
      )
    },
    withMirror: (mirror) => mirrored(host, rule, mirror),
    target: (subset) => ({ host, subset }),
  }
}

function sharesOf({ route = [] }: HttpRoute): Shares {
  const [only, ...others] = route
  if (only && others.length === 0) return new Map([[only.destination.subset ?? '', 100]])
  return new Map(route.map(({ destination, weight }) => [destination.subset ?? '', weight ?? 0]))
}

function routeOf(host: string, { route = [] }: HttpRoute, shares: Shares) {
  const known = new Map(route.map((each) => [each.destination.subset ?? '', each]))
  const [first] = route
  return [...shares].map(([subset, weight]) => {
    const like = known.get(subset)
    const port = (like ?? first)?.destination.port
    const destination = { host: (like ?? first)?.destination.host ?? host, subset, ...(port ? { port } : {}) }
    return { ...(like?.headers ? { headers: like.headers } : {}), destination, weight }
  })
}

/** Of `mirror`, `mirrorPercent`, `mirrorPercentage` and `mirrors`, which say the same, only the last is written. */
function mirrored(host: string, rule: HttpRoute, mirror: Mirror | undefined): HttpRoute {
  const {
    mirror: _,
    mirrorPercent: _percent,
    mirrorPercentage: _percentage,
    mirrors: _mirrors,
    ...rest
  } = rule as HttpRoute & {
    readonly mirrorPercent?: number
  }
  if (!mirror) return rest
  const [first] = rule.route ?? []
  const destination = { ...first?.destination, host: first?.destination.host ?? host, subset: mirror.version }
  return { ...rest, mirrors: [{ destination, percentage: { value: mirror.percent } }] }
}

/**
 * The DestinationRule that defines the versions as subsets; undefined where there is one that does.
 * @throws NoShift where the one that is there lacks a subset, or where no pod is of such a version
 */
export function missingSubsets(
  host: string,
  wanted: readonly string[],
  { destinationRules, versions }: ReleaseObjects,
): Pick<NonNullable<DestinationRule['spec']>, 'host' | 'subsets'> | undefined {
  const rules = destinationRules.filter(
    ({ spec, metadata }) => resolveHost(spec?.host ?? '', metadata.namespace ?? '') === host,
  )
  const defined = rules.flatMap(({ spec }) => (spec?.subsets ?? []).map(({ name }) => name))
  const missing = wanted.filter((subset) => !defined.includes(subset))
  const [first] = missing
  if (first === undefined) return undefined
  const known = rules.length > 0 ? defined : versions
  if (rules.length > 0 || !missing.every((subset) => versions.includes(subset))) {
    const near = closest(first, known)
    const where =
      rules.length > 0 ? `${rules.map(displayName).join(', ')} defines` : `pods of ${host} have as label "version"`
    throw new NoShift(
      `there is no subset "${first}" of ${host}: ${where} ${known.join(', ') || 'none'}`,
      near ? `write ${near} if that was meant` : 'add it to a DestinationRule, or name another',
    )
  }
  // All that there are: the next shift may be to another.
  return { host, subsets: versions.map((subset) => ({ name: subset, labels: { version: subset } })) }
}
