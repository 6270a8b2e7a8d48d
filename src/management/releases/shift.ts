import { serviceOfHost } from '../../resources/host.ts'
import { displayName } from '../../resources/resource.ts'
import type { Audience } from './audience.ts'
import { httpRouteRules, versionService } from './http-route-rules.ts'
import type { Created, Edit, Mirror, ReleaseObjects, RouteRule, Shift, Target } from './routes.ts'
import { NoShift, type Shares } from './shares.ts'
import { missingSubsets, virtualServiceRules } from './virtual-service-rules.ts'

/** Which rule. */
export interface RuleChoice {
  /** Full name: `reviews.default.svc.cluster.local`. */
  readonly host: string
  /** `name` of the rule, or of its object; where absent, the last rule that leads to nothing but the host. */
  readonly route?: string
}

export interface ShiftRequest extends RuleChoice {
  readonly shares: Shares
  /** Whose requests; where absent, all that come to the rule. */
  readonly audience?: Audience
}

/** What has to be written so that requests to a host are spread as asked. @throws NoShift */
export function planShift(request: ShiftRequest, objects: ReleaseObjects): Shift {
  const { host, shares, audience } = request
  const { rule, forAudience } = chosen(request, objects, audience)
  const versions = [...shares.keys()]
  if (!rule) {
    if (audience)
      throw new NoShift(
        `no rule leads to ${host}, so there is none to except requests from`,
        `run weft shift first, for all requests`,
      )
    return newRoute(host, shares, objects)
  }
  const created = subsetsFor(rule, host, versions, objects)
  const targets = new Map(versions.map((version) => [version, rule.target(version)]))
  const shifted = forAudience?.withShares(shares)
  if (forAudience && shifted)
    return { edit: replaced(forAudience, shifted), created, before: forAudience.shares, targets }
  if (!audience) return { edit: replaced(rule, rule.withShares(shares)), created, before: rule.shares, targets }
  // Rules are tried in their order, so it comes before the one that it takes requests from.
  const after = { ...rule.narrowed(audience), ...pick(rule, rule.withShares(shares)) }
  const { object, path, index } = rule
  return { edit: { object, path, index, before: undefined, after }, created, before: rule.shares, targets }
}

/** What has to be written so that requests of some are treated as all others. @throws NoShift */
export function planNoAudience(choice: RuleChoice, audience: Audience, objects: ReleaseObjects): Shift {
  const { forAudience } = chosen(choice, objects, audience)
  if (!forAudience)
    throw new NoShift(
      `no rule is for requests to ${choice.host} with ${audience.by} ${audience.name}=${audience.value} alone`,
      'look at the routes with weft describe service',
    )
  const { object, path, index, rule, shares } = forAudience
  return {
    edit: { object, path, index, before: rule, after: undefined },
    created: [],
    before: shares,
    targets: new Map(),
  }
}

/** What has to be written so that a share of the requests is sent to one more version, or to none where `mirror` is undefined. @throws NoShift */
export function planMirror(choice: RuleChoice, mirror: Mirror | undefined, objects: ReleaseObjects): Shift {
  const { rule } = chosen(choice, objects)
  if (!rule)
    throw new NoShift(
      `no rule leads to ${choice.host}, so there is none to mirror`,
      'run weft shift first, with all requests to the version that has them',
    )
  const created = mirror ? subsetsFor(rule, choice.host, [mirror.version], objects) : []
  return { edit: replaced(rule, rule.withMirror(mirror)), created, before: rule.shares, targets: new Map() }
}

function replaced({ object, path, index, rule }: RouteRule, after: object): Edit {
  return { object, path, index, before: rule, after }
}

/** What of a rule is other than it was. */
function pick({ rule }: RouteRule, after: object): object {
  return Object.fromEntries(
    Object.entries(after).filter(([key, value]) => (rule as Record<string, unknown>)[key] !== value),
  )
}

/** The rule that is meant, and the one for an audience alone where there is one. @throws NoShift where it cannot be told which is meant */
function chosen(
  { host, route }: RuleChoice,
  objects: ReleaseObjects,
  audience?: Audience,
): { readonly rule?: RouteRule; readonly forAudience?: RouteRule } {
  const all = [...virtualServiceRules(host, objects), ...httpRouteRules(host, objects)]
  const meant = all.filter(
    ({ name, object }) => route === undefined || name === route || object.metadata.name === route,
  )
  if (meant.length === 0 && route !== undefined) {
    const names = [...new Set(all.flatMap(({ name, object }) => [...(name ? [name] : []), object.metadata.name]))]
    throw new NoShift(
      `no rule called "${route}" leads to ${host} alone`,
      `name one of: ${names.join(', ') || 'there is none'}`,
    )
  }
  // Of several objects, the one for the host itself: others only pass requests on to it, as gateways do.
  const own = meant.filter((each) => each.own)
  const candidates = own.length > 0 ? own : meant
  const owners = new Set(candidates.map(({ object }) => object))
  if (owners.size > 1)
    throw new NoShift(
      `several objects route ${host}: ${[...owners].map(displayName).join(', ')}`,
      'name one of them, or of their rules, with --route',
    )
  const forAudience = audience && candidates.find((rule) => rule.isFor(audience))
  const rule = candidates.filter((each) => each !== forAudience).at(-1) ?? forAudience
  return { ...(rule ? { rule } : {}), ...(forAudience ? { forAudience } : {}) }
}

/** What versions a VirtualService's rule needs to be defined beside it. */
function subsetsFor(
  { path }: RouteRule,
  host: string,
  versions: readonly string[],
  objects: ReleaseObjects,
): Created[] {
  if (path.at(-1) !== 'http') return []
  const spec = missingSubsets(host, versions, objects)
  return spec ? [{ apiVersion: ISTIO, kind: 'DestinationRule', metadata: serviceName(host), spec }] : []
}

const ISTIO = 'networking.istio.io/v1'

/** An HTTPRoute where every version is named as the Service that it is, else a VirtualService. */
function newRoute(host: string, shares: Shares, objects: ReleaseObjects): Shift {
  const metadata = serviceName(host)
  const versions = [...shares.keys()]
  const services = versions.map((version) => objects.versionServices.find(({ name }) => name === version))
  if (services.every((service) => service !== undefined)) {
    const [port, ...others] = new Set(services.flatMap(({ ports }) => ports))
    if (port === undefined || others.length > 0)
      throw new NoShift(
        `the Services ${versions.join(', ')} have not one port, the same`,
        'write an HTTPRoute for each port first',
      )
    const parentRefs = [{ group: '', kind: 'Service', name: metadata.name }]
    const backendRefs = versions.map((name) => ({ name, port, weight: shares.get(name) }))
    const spec = { parentRefs, rules: [{ backendRefs }] }
    const target = (version: string): Target => ({
      host: host.replace(metadata.name, versionService(metadata, version, objects)),
      subset: '',
    })
    return {
      created: [{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata, spec }],
      before: undefined,
      targets: new Map(versions.map((version) => [version, target(version)])),
    }
  }
  const subsets = missingSubsets(host, versions, objects)
  const route = [...shares].map(([subset, weight]) => ({ destination: { host, subset }, weight }))
  return {
    created: [
      ...(subsets ? [{ apiVersion: ISTIO, kind: 'DestinationRule', metadata, spec: subsets }] : []),
      { apiVersion: ISTIO, kind: 'VirtualService', metadata, spec: { hosts: [host], http: [{ route }] } },
    ],
    before: undefined,
    targets: new Map(versions.map((subset) => [subset, { host, subset }])),
  }
}

function serviceName(host: string): { readonly name: string; readonly namespace: string } {
  const service = serviceOfHost(host)
  if (service) return service
  throw new NoShift(`${host} is no Service, and no route leads to it`, 'write a VirtualService for it first')
}
