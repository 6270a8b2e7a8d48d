import type { EndpointSlice, Service } from '../../resources/core.ts'
import { localPortOf } from './services.ts'

/** A port of a Service, as a program without a proxy gets there: what DNS and kube-proxy do on a node. */
export interface ReachablePort {
  /** Names and address of the Service, as the program may call it. */
  readonly hosts: readonly string[]
  readonly port: number
  /** Port at which what is not HTTP is taken in, where there is one. */
  readonly localPort?: number
  /** `address:port` of ready pods. */
  readonly endpoints: readonly string[]
}

/** All ports of all Services with pods, for programs in `namespace`. */
export function reachablePorts(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  namespace: string,
): ReachablePort[] {
  const slicesOf = Map.groupBy(slices, ({ metadata }) => metadata.ownerReferences?.[0]?.name ?? '')
  return services.flatMap((service) => {
    const { name, namespace: home = 'default' } = service.metadata
    if (service.spec?.type === 'ExternalName') return []
    const own = (slicesOf.get(name) ?? []).filter(({ metadata }) => (metadata.namespace ?? 'default') === home)
    const long = `${name}.${home}`
    const { clusterIP } = service.spec ?? {}
    const hosts = [
      ...(home === namespace ? [name] : []),
      long,
      `${long}.svc`,
      `${long}.svc.cluster.local`,
      ...(clusterIP && clusterIP !== 'None' ? [clusterIP] : []),
    ]
    return (service.spec?.ports ?? []).map((port) => {
      const local = localPortOf(service, port.port)
      return {
        hosts,
        port: port.port,
        ...(local === undefined ? {} : { localPort: local }),
        endpoints: own.flatMap((slice) => endpointsOf(slice, port.name)),
      }
    })
  })
}

function endpointsOf({ endpoints = [], ports = [] }: EndpointSlice, name: string | undefined): string[] {
  const target = ports.find((port) => port.name === name)?.port
  if (target === undefined) return []
  return endpoints
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses }) => addresses.map((address) => `${address}:${target}`))
}
