import { table } from '../table.ts'
import { type ClusterFilter, clusterName } from './cluster-name.ts'
import {
  type ConfigDump,
  type Route,
  type RouteConfiguration,
  type RoutesSection,
  type StringMatcher,
  section,
} from './dump.ts'
import { routeFrom, type Sources } from './sources.ts'

/** The route configurations that a proxy has, by name: those named after `fqdn`, or with a route to it. */
export function routes(dump: ConfigDump, filter: Pick<ClusterFilter, 'fqdn'>): readonly RouteConfiguration[] {
  const all = section<RoutesSection>(dump, 'RoutesConfigDump')
  return [...(all.static_route_configs ?? []), ...(all.dynamic_route_configs ?? [])]
    .map(({ route_config }) => route_config)
    .filter((config) => filter.fqdn === undefined || isFor(config, filter.fqdn))
    .sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1))
}

export function routeTable(shown: readonly RouteConfiguration[], sources: Sources): string {
  const rows = shown.flatMap(({ name = '(inline)', virtual_hosts = [] }) =>
    virtual_hosts.flatMap(({ name: virtualHost = '', domains, routes = [] }) =>
      routes.map((route, place) => [
        name,
        domainsText(domains),
        matchText(route),
        actionText(route),
        routeFrom(sources, name, { virtualHost, place }),
      ]),
    ),
  )
  return table(['NAME', 'DOMAINS', 'MATCH', 'ROUTE', 'FROM'], distinct(rows), ['FROM'])
}

function isFor({ name = '', virtual_hosts = [] }: RouteConfiguration, fqdn: string): boolean {
  const clusters = virtual_hosts.flatMap(({ routes = [] }) =>
    routes.flatMap((route) => clustersOf(route).map((to) => to.name)),
  )
  const hosts = [name, ...clusters.map((cluster) => clusterName(cluster).fqdn)]
  return hosts.some((host) => host === fqdn || host.startsWith(`${fqdn}.`))
}

/** The longest is the least ambiguous; the others are its short forms. */
function domainsText(domains: readonly string[]): string {
  const longest = domains.reduce((best, domain) => (domain.length > best.length ? domain : best), '')
  return domains.length > 1 ? `${longest} + ${domains.length - 1} more` : longest
}

function matchText({ match }: Route): string {
  const path =
    match.path ??
    (match.path_separated_prefix !== undefined ? `${match.path_separated_prefix}/*` : undefined) ??
    (match.safe_regex ? `~ ${match.safe_regex.regex}` : `${match.prefix ?? ''}*`)
  const headers = (match.headers ?? []).map(({ name, string_match, invert_match }) => {
    const text = name === ':method' || name === ':authority' || name === ':scheme' ? name.slice(1) : name
    return `${invert_match ? 'not ' : ''}${text}${string_match ? stringText(string_match) : ''}`
  })
  const parameters = (match.query_parameters ?? []).map(
    ({ name, string_match }) => `?${name}${string_match ? stringText(string_match) : ''}`,
  )
  return [path, ...headers, ...parameters].join(' ')
}

function stringText({ exact, prefix, suffix, contains, safe_regex }: StringMatcher): string {
  if (exact !== undefined) return `=${exact}`
  if (prefix !== undefined) return `=${prefix}*`
  if (suffix !== undefined) return `=*${suffix}`
  if (contains !== undefined) return `=*${contains}*`
  return safe_regex ? `~${safe_regex.regex}` : ''
}

function actionText(route: Route): string {
  const { redirect, direct_response, typed_per_filter_config: filters = {} } = route
  // Of filters set for this route alone, such as faults.
  const set = Object.keys(filters).map((name) => name.slice(name.lastIndexOf('.') + 1))
  const suffix = set.length > 0 ? ` with ${set.join(', ')}` : ''
  if (redirect) return `redirect${redirectText(redirect)}${suffix}`
  if (direct_response) return `answer ${direct_response.status}${suffix}`
  const to = clustersOf(route)
  const total = to.reduce((sum, { weight }) => sum + weight, 0)
  const texts = to.map(({ name, weight }) =>
    to.length > 1 ? `${name} (${Math.round((weight * 1000) / total) / 10} %)` : name,
  )
  return (texts.join(', ') || '-') + suffix
}

function redirectText({
  https_redirect,
  host_redirect,
  path_redirect,
  prefix_rewrite,
}: NonNullable<Route['redirect']>): string {
  const parts = [https_redirect ? 'https' : undefined, host_redirect, path_redirect ?? prefix_rewrite].filter(Boolean)
  return parts.length > 0 ? ` to ${parts.join(' ')}` : ''
}

function clustersOf({ route }: Route): readonly { readonly name: string; readonly weight: number }[] {
  if (route?.cluster) return [{ name: route.cluster, weight: 1 }]
  return (route?.weighted_clusters?.clusters ?? []).map(({ name, weight = 0 }) => ({ name, weight }))
}

/** Filter chains of one port often have the same routes inline. */
function distinct(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return [...new Map(rows.map((row) => [row.join('\n'), row])).values()]
}
