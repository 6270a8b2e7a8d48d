import { resolveHost } from '../../resources/host.ts'
import type { Destination, HttpMatch, HttpRoute, StringMatch, VirtualService } from '../../resources/istio.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { isVisible } from './virtual-services.ts'

/** Keys (`namespace/name`) of the VirtualServices to which a VirtualService leaves some of its requests. */
export function delegateKeys(virtualService: VirtualService): string[] {
  return (virtualService.spec?.http ?? []).flatMap((http) => delegateOf(http, virtualService) ?? [])
}

/**
 * A VirtualService with the routes of its delegates in the place of `delegate`, as Istio merges them: each route of the delegate takes the requests that
 * both it and the root's route match. Routes whose conditions exclude each other fall away, as do those of a delegate that is not there, or not exported to
 * the root's namespace.
 */
export function withDelegates(
  virtualService: VirtualService,
  delegates: PersistentMap<VirtualService>,
): VirtualService {
  const { spec } = virtualService
  if (!spec?.http?.some(({ delegate }) => delegate)) return virtualService
  const http = spec.http.flatMap((root): readonly HttpRoute[] => {
    const key = delegateOf(root, virtualService)
    if (key === undefined) return [root]
    const found = delegates.get(key)
    const delegate = found && isVisible(found, virtualService.metadata.namespace ?? '') ? found : undefined
    // Delegation has one level only.
    const routes = (delegate?.spec?.http ?? []).filter((route) => !route.delegate)
    return routes.flatMap((route) => merged(root, qualified(route, delegate?.metadata.namespace ?? '')) ?? [])
  })
  return { ...virtualService, spec: { ...spec, http } }
}

/** Key of the VirtualService to which a rule leaves its requests; undefined where it does not. */
export function delegateOf({ delegate }: HttpRoute, virtualService: VirtualService): string | undefined {
  if (!delegate?.name) return undefined
  return `${delegate.namespace || virtualService.metadata.namespace}/${delegate.name}`
}

/** Short host names mean services of the delegate's namespace, which is not where the route is going to be. */
function qualified(route: HttpRoute, namespace: string): HttpRoute {
  const full = (destination: Destination) => ({ ...destination, host: resolveHost(destination.host, namespace) })
  return {
    ...route,
    ...(route.route ? { route: route.route.map((each) => ({ ...each, destination: full(each.destination) })) } : {}),
    ...(route.mirror ? { mirror: full(route.mirror) } : {}),
    ...(route.mirrors
      ? { mirrors: route.mirrors.map((each) => ({ ...each, destination: full(each.destination) })) }
      : {}),
  }
}

/** What the delegate's route does not say is as the root's says. */
function merged(root: HttpRoute, route: HttpRoute): HttpRoute | undefined {
  const { delegate, match: rootMatches, name, ...defaults } = root
  const { match: matches, ...own } = route
  const names = [name, route.name].filter(Boolean).join('-')
  const common = { ...defaults, ...own, ...(names ? { name: names } : {}) }
  if (!rootMatches?.length) return matches?.length ? { ...common, match: matches } : common
  if (!matches?.length) return { ...common, match: rootMatches }
  const both = rootMatches.flatMap((outer) => matches.flatMap((inner) => mergedMatch(outer, inner) ?? []))
  return both.length > 0 ? { ...common, match: both } : undefined
}

/** Both conditions at once; undefined where they can't both hold, or where that can't be said in one. */
function mergedMatch(outer: HttpMatch, inner: HttpMatch): HttpMatch | undefined {
  const uri = mergedUri(outer.uri, inner.uri)
  if (uri === 'conflict') return undefined
  for (const field of ['scheme', 'method', 'authority', 'port', 'sourceNamespace'] as const)
    if (outer[field] !== undefined && inner[field] !== undefined) return undefined
  for (const field of ['headers', 'withoutHeaders', 'queryParams', 'sourceLabels'] as const)
    for (const key of Object.keys(outer[field] ?? {})) if (inner[field]?.[key] !== undefined) return undefined
  const name = [outer.name, inner.name].filter(Boolean).join('-')
  return {
    ...outer,
    ...inner,
    ...(uri ? { uri } : {}),
    ...(outer.headers || inner.headers ? { headers: { ...outer.headers, ...inner.headers } } : {}),
    ...(outer.withoutHeaders || inner.withoutHeaders
      ? { withoutHeaders: { ...outer.withoutHeaders, ...inner.withoutHeaders } }
      : {}),
    ...(outer.queryParams || inner.queryParams ? { queryParams: { ...outer.queryParams, ...inner.queryParams } } : {}),
    ...(outer.sourceLabels || inner.sourceLabels
      ? { sourceLabels: { ...outer.sourceLabels, ...inner.sourceLabels } }
      : {}),
    ignoreUriCase: outer.ignoreUriCase || inner.ignoreUriCase || false,
    ...(name ? { name } : {}),
  }
}

/** The narrower of the two, where one path lies within the other. */
function mergedUri(
  outer: StringMatch | undefined,
  inner: StringMatch | undefined,
): StringMatch | undefined | 'conflict' {
  if (!outer || !inner) return outer ?? inner
  const path = inner.exact ?? inner.prefix
  return outer.prefix !== undefined && path?.startsWith(outer.prefix) ? inner : 'conflict'
}
