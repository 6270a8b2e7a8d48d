import { gatewaysOf, MESH } from '../../mesh/routing/virtual-services.ts'
import type { Gateway, VirtualService } from '../../resources/istio.ts'
import { deriveFromReads } from '../../store/derive.ts'
import type { Snapshot } from '../../store/snapshot.ts'

/** By `namespace/name` of the Istio Gateways that they name, there or not: VirtualServices. */
export const gatewayVirtualServices = deriveFromReads(
  'analysis/virtual-services-by-gateway',
  (snapshot: Snapshot): ReadonlyMap<string, readonly VirtualService[]> => {
    const bindings = [...snapshot.all('networking.istio.io/VirtualService').values()].flatMap((resource) =>
      [...new Set(gatewaysOf(resource))].filter((key) => key !== MESH).map((key) => ({ key, resource })),
    )
    const byGateway = Map.groupBy(bindings, ({ key }) => key)
    return new Map([...byGateway].map(([key, bound]) => [key, bound.map(({ resource }) => resource)]))
  },
)

/** The Istio Gateways that a VirtualService names and that exist. */
export function boundGateways(snapshot: Snapshot, resource: VirtualService): readonly Gateway[] {
  return gatewaysOf(resource).flatMap((key) => snapshot.get('networking.istio.io/Gateway', key) ?? [])
}

/**
 * The hosts of a Gateway's server that VirtualServices of a namespace may claim: `hosts` may limit each to a namespace (`ns/host`, `./host`), as
 * told in Istio's `Server.hosts`.
 */
export function serverHosts(
  hosts: readonly string[] | undefined,
  gatewayNamespace: string,
  virtualServiceNamespace: string,
): readonly string[] {
  return (hosts ?? []).flatMap((written) => {
    const [first = '', second] = written.toLowerCase().split('/')
    if (second === undefined) return [first]
    const namespace = first === '.' ? gatewayNamespace : first
    return namespace === '*' || namespace === virtualServiceNamespace ? [second] : []
  })
}
