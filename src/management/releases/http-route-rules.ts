import { closest } from '../../resources/did-you-mean.ts'
import type { HTTPBackendRef, HTTPRoute, HTTPRouteRule } from '../../resources/gateway-api.ts'
import { serviceHost, serviceOfHost } from '../../resources/host.ts'
import { audienceName, gatewayApiHeader } from './audience.ts'
import type { Mirror, ReleaseObjects, RouteRule } from './routes.ts'
import { NoShift, type Shares } from './shares.ts'

type ServiceName = NonNullable<ReturnType<typeof serviceOfHost>>

/** The rules of HTTPRoutes that lead to a Service and to the Services of its versions, and nowhere else. */
export function httpRouteRules(host: string, objects: ReleaseObjects): readonly RouteRule[] {
  const service = serviceOfHost(host)
  if (!service) return []
  const versions = [service.name, ...objects.versionServices.map(({ name }) => name)]
  return objects.httpRoutes.flatMap((object) => {
    const namespace = object.metadata.namespace ?? ''
    const leadsThere = (ref: HTTPBackendRef) =>
      (ref.kind ?? 'Service') === 'Service' &&
      (ref.namespace ?? namespace) === service.namespace &&
      versions.includes(ref.name)
    const own = (object.spec?.parentRefs ?? []).some(
      ({ kind, name, namespace: of }) =>
        kind === 'Service' && name === service.name && (of ?? namespace) === service.namespace,
    )
    return (object.spec?.rules ?? []).flatMap((rule, index) => {
      const backends = rule.backendRefs ?? []
      return backends.length > 0 && backends.every(leadsThere)
        ? [ruleOf(service, object, rule, index, own, objects)]
        : []
    })
  })
}

function ruleOf(
  service: ServiceName,
  object: HTTPRoute,
  rule: HTTPRouteRule,
  index: number,
  own: boolean,
  objects: ReleaseObjects,
): RouteRule {
  const named = (version: string) => versionService(service, version, objects)
  return {
    object,
    path: ['spec', 'rules'],
    index,
    rule,
    name: rule.name,
    own,
    shares: sharesOf(rule),
    withShares: (shares) => ({ ...rule, backendRefs: backendRefs(rule, shares, named) }),
    narrowed: (audience) => {
      const matches = rule.matches?.length ? rule.matches : [{}]
      const narrow = matches.map((one) => ({ ...one, headers: [...(one.headers ?? []), gatewayApiHeader(audience)] }))
      return { ...rule, name: audienceName(audience), matches: narrow }
    },
    isFor: (audience) => {
      const wanted = gatewayApiHeader(audience)
      const matches = rule.matches ?? []
      return (
        matches.length > 0 &&
        matches.every(({ headers = [] }) =>
          headers.some(
            ({ name, value, type = 'Exact' }) =>
              name.toLowerCase() === wanted.name && value === wanted.value && type === (wanted.type ?? 'Exact'),
          ),
        )
      )
    },
    withMirror: (mirror) => mirrored(rule, mirror, named),
    target: (version) => ({ host: serviceHost(named(version), service.namespace), subset: '' }),
  }
}

function sharesOf({ backendRefs: refs = [] }: HTTPRouteRule): Shares {
  // A weight that is not written is 1 (BackendRef.weight).
  const total = refs.reduce((sum, { weight = 1 }) => sum + weight, 0) || 1
  return new Map(refs.map(({ name, weight = 1 }) => [name, Math.round((100 * weight) / total)]))
}

function backendRefs({ backendRefs: refs = [] }: HTTPRouteRule, shares: Shares, named: (version: string) => string) {
  const [first] = refs
  return [...shares].map(([version, weight]) => {
    const name = named(version)
    const like = refs.find((ref) => ref.name === name)
    const { filters: _, ...rest } = first ?? {}
    return { ...(like ?? rest), name, weight }
  })
}

function mirrored(rule: HTTPRouteRule, mirror: Mirror | undefined, named: (version: string) => string): HTTPRouteRule {
  const others = (rule.filters ?? []).filter(({ type }) => type !== 'RequestMirror')
  const { filters: _, ...rest } = rule
  const port = rule.backendRefs?.[0]?.port
  const added = mirror
    ? [
        {
          type: 'RequestMirror' as const,
          requestMirror: {
            backendRef: { name: named(mirror.version), ...(port === undefined ? {} : { port }) },
            percent: mirror.percent,
          },
        },
      ]
    : []
  const filters = [...others, ...added]
  return filters.length > 0 ? { ...rest, filters } : rest
}

/** The Service of a version, by its own name or by what it adds to that of the whole. @throws NoShift */
export function versionService({ name }: ServiceName, version: string, { versionServices }: ReleaseObjects): string {
  const names = versionServices.map((service) => service.name)
  const found = [version, `${name}-${version}`].find((each) => each === name || names.includes(each))
  if (found !== undefined) return found
  const near = closest(version, names)
  throw new NoShift(
    `no Service "${version}" has only pods of ${name}: ${names.length > 0 ? `there are ${names.join(', ')}` : 'there is none'}`,
    near ? `write ${near} if that was meant` : 'make one for each version, with its label in the selector',
  )
}
