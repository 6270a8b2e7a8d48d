import type { RouteConfiguration } from '#envoy/config/route/v3/route'
import type { VirtualHost } from '#envoy/config/route/v3/route_components'

/**
 * The virtual host of a route configuration for an authority: that of the exact name, else of the longest `*.suffix`, else of the longest
 * `prefix.*`, else `*`. Source: `domains` of `config.route.v3.VirtualHost`.
 */
export function virtualHostFor(configuration: RouteConfiguration, authority: string): VirtualHost | undefined {
  const whole = authority.toLowerCase()
  const host = configuration.ignorePortInHostMatching ? whole.replace(/:\d+$/, '') : whole
  let best: { readonly host: VirtualHost; readonly rank: number } | undefined
  for (const virtualHost of configuration.virtualHosts) {
    for (const domain of virtualHost.domains) {
      const rank = rankOf(domain.toLowerCase(), host)
      if (rank > (best?.rank ?? 0)) best = { host: virtualHost, rank }
    }
  }
  return best?.host
}

const EXACT = 3_000_000
const SUFFIX = 2_000_000
const PREFIX = 1_000_000

/** How well a domain fits, 0 for not at all. A wildcard stands for at least one character. */
function rankOf(domain: string, host: string): number {
  if (domain === host) return EXACT
  if (domain === '*') return 1
  if (domain.startsWith('*') && host.length >= domain.length && host.endsWith(domain.slice(1)))
    return SUFFIX + domain.length
  if (domain.endsWith('*') && host.length >= domain.length && host.startsWith(domain.slice(0, -1)))
    return PREFIX + domain.length
  return 0
}
