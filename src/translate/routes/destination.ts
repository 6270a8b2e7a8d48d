import type { RouteAction_HashPolicySchema } from '#envoy/config/route/v3/route_components'
import type { ClientPolicy } from '../../mesh/destination-rules.ts'
import type { Targets } from '../../mesh/routing/targets.ts'
import { effectiveTrafficPolicy } from '../../mesh/traffic-policy.ts'
import { resolveHost } from '../../resources/host.ts'
import type { ConsistentHash, Destination } from '../../resources/istio.ts'
import { envoyDuration } from './duration.ts'
import type { Init } from './init.ts'

export type HashPolicyInit = Init<typeof RouteAction_HashPolicySchema>

/** Istio's name of the cluster of a host's port, or of a subset of it. */
export function outboundCluster(host: string, port: number, subset = ''): string {
  return `outbound|${port}|${subset}|${host}`
}

/**
 * The cluster of a VirtualService's `destination`. Without a port it is the service's only one, else the one that the request came to, as Istio
 * does. The host may not exist: requests then get 503, and nothing else suffers.
 */
export function destinationCluster(
  destination: Destination,
  namespace: string,
  targets: Targets,
  requestPort: number,
): string {
  const host = resolveHost(destination.host, namespace)
  return outboundCluster(host, destinationPort(destination, host, targets, requestPort), destination.subset)
}

/** What the consistent hashing of the destinations' DestinationRules goes by, each once. */
export function hashPolicies(
  destinations: readonly { readonly destination: Destination }[],
  namespace: string,
  requestPort: number,
  targets: Targets,
): HashPolicyInit[] {
  const policies = new Map<string, HashPolicyInit>()
  for (const { destination } of destinations) {
    const host = resolveHost(destination.host, namespace)
    const port = destinationPort(destination, host, targets, requestPort)
    const hash = consistentHash(targets.policies.get(host), port, destination.subset)
    const policy = hash ? hashPolicy(hash) : undefined
    if (policy) policies.set(JSON.stringify(hash), policy)
  }
  return [...policies.values()]
}

/** The `consistentHash` for a port of a host, or of a subset of it. */
export function consistentHash(
  policy: ClientPolicy | undefined,
  port: number,
  subset: string | undefined,
): ConsistentHash | undefined {
  return effectiveTrafficPolicy(policy, port, subset).loadBalancer?.consistentHash
}

/** undefined where it names nothing to hash. */
export function hashPolicy(hash: ConsistentHash): HashPolicyInit | undefined {
  const { httpHeaderName, httpQueryParameterName, httpCookie, useSourceIp } = hash
  if (httpHeaderName) return { policySpecifier: { case: 'header', value: { headerName: httpHeaderName } } }
  if (httpCookie) {
    const { name, path = '', ttl } = httpCookie
    const lifetime = envoyDuration(ttl)
    const attributes = (httpCookie.attributes ?? []).map(({ name, value = '' }) => ({ name, value }))
    return {
      policySpecifier: { case: 'cookie', value: { name, path, attributes, ...(lifetime ? { ttl: lifetime } : {}) } },
    }
  }
  if (useSourceIp) return { policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } } }
  if (httpQueryParameterName)
    return { policySpecifier: { case: 'queryParameter', value: { name: httpQueryParameterName } } }
  return undefined
}

export function destinationPort(destination: Destination, host: string, targets: Targets, requestPort: number): number {
  if (destination.port?.number !== undefined) return destination.port.number
  const ports = targets.services.get(host)?.ports
  return ports?.length === 1 && ports[0] ? ports[0].number : requestPort
}
