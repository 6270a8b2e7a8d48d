/** Host names as Istio writes and matches them. */

/** The suffix of the names that Services have in a cluster. */
export const CLUSTER_DOMAIN = 'cluster.local'

/** The full name of a Service: `reviews.default.svc.cluster.local`. */
export function serviceHost(name: string, namespace: string, domain = CLUSTER_DOMAIN): string {
  return `${name}.${namespace}.svc.${domain}`
}

/**
 * What a host means in an object of a namespace: a name without a dot is that of a Service in the object's own namespace,
 * any other is taken as it is (`Destination.host` in Istio's VirtualService reference). Wildcards are taken as they are.
 * Host names have no case: the result is in lower case.
 */
export function resolveHost(host: string, namespace: string, domain = CLUSTER_DOMAIN): string {
  const name = host.toLowerCase()
  return name.includes('.') || name.includes('*') || name === '' ? name : serviceHost(name, namespace, domain)
}

/** The name and namespace in a Service's full name; `undefined` for any other host. */
export function serviceOfHost(
  host: string,
  domain = CLUSTER_DOMAIN,
): { readonly name: string; readonly namespace: string } | undefined {
  const suffix = `.svc.${domain}`
  if (!host.endsWith(suffix)) return undefined
  const [name, namespace, ...rest] = host.slice(0, -suffix.length).split('.')
  return name && namespace && rest.length === 0 ? { name, namespace } : undefined
}

/** What the name of a member of a headless Service says (`db-0.db.shop.svc.cluster.local`); `undefined` for any other host. */
export function memberOfHost(host: string): { readonly member: string; readonly serviceHost: string } | undefined {
  const dot = host.indexOf('.')
  const whole = host.slice(dot + 1)
  const isMember = dot > 0 && !isWildcard(host) && serviceOfHost(whole)
  return isMember ? { member: host.slice(0, dot), serviceHost: whole } : undefined
}

/** Whether a host is a pattern: `*` or `*.example.com`. */
export function isWildcard(host: string): boolean {
  return host.startsWith('*')
}

/**
 * Whether every host that `host` stands for is one that `pattern` stands for. Both may be wildcards:
 * `*.example.com` contains `a.example.com`, `a.b.example.com` and `*.b.example.com`, but not `example.com`.
 */
export function hostMatches(pattern: string, host: string): boolean {
  if (!isWildcard(pattern)) return pattern === host
  const suffix = pattern.slice(1)
  if (isWildcard(host)) return host.slice(1).endsWith(suffix)
  return host.length > suffix.length && host.endsWith(suffix)
}

/** Whether there is a host that both stand for: `*.com` and `*.example.com` have many. */
export function hostsOverlap(a: string, b: string): boolean {
  return hostMatches(a, b) || hostMatches(b, a)
}

/** The hosts that both stand for, as one host or pattern; `undefined` where there are none. */
export function hostIntersection(a: string, b: string): string | undefined {
  if (hostMatches(a, b)) return b
  return hostMatches(b, a) ? a : undefined
}

/** For sorting, most specific first: exact hosts before wildcards, longer before shorter, else by the alphabet. */
export function compareHosts(a: string, b: string): number {
  const wildcards = Number(isWildcard(a)) - Number(isWildcard(b))
  if (wildcards !== 0) return wildcards
  if (a.length !== b.length) return b.length - a.length
  return a < b ? -1 : a > b ? 1 : 0
}

/** Of some hosts and patterns the most specific one that matches `host`. */
export function mostSpecificMatch(host: string, patterns: Iterable<string>): string | undefined {
  let best: string | undefined
  for (const pattern of patterns) {
    if (hostMatches(pattern, host) && (best === undefined || compareHosts(pattern, best) < 0)) best = pattern
  }
  return best
}
