import { create } from '@bufbuild/protobuf'
import { type Route, RouteSchema, type VirtualHost } from '#envoy/config/route/v3/route_components'
import { endpointSets } from '../../mesh/endpoints.ts'
import { hasMembers } from '../../mesh/member-services.ts'
import type { Endpoint, EndpointSet, Service, ServicePort } from '../../mesh/model.ts'
import { isHttp } from '../../mesh/protocol.ts'
import type { Client } from '../../mesh/routing/client.ts'
import { services } from '../../mesh/services.ts'
import { deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { directCluster } from '../direct-clusters.ts'
import { aliasesOf } from './host-aliases.ts'
import { timeouts } from './route-action.ts'
import { ANY_REQUEST } from './route-match.ts'
import { domainsOf, virtualHost } from './virtual-host.ts'

/** A headless Service with HTTP ports, whose members are called by names of their own: `db-0.db`, as a StatefulSet's are. */
export interface MemberHosts {
  readonly service: Service
  /** By port number: the names of members that take no mesh mTLS, where some others do; absent where none does. */
  readonly plain: Readonly<Record<number, readonly string[]>>
}

/** By host. Changes with who takes mTLS, not with who is ready. */
export function memberHosts(snapshot: Snapshot): PersistentMap<MemberHosts> {
  return members([services(snapshot), endpointSets(snapshot)])
}

const members = deriveMap<[PersistentMap<Service>, PersistentMap<EndpointSet>], [], MemberHosts>(
  'translate/routes/members',
  (_, [service, set]) => {
    if (!service || !hasMembers(service)) return undefined
    const ports = service.ports.filter(({ protocol }) => isHttp(protocol))
    return ports.length > 0 ? { service, plain: plainMembers(ports, set?.endpoints ?? []) } : undefined
  },
)

function plainMembers(ports: readonly ServicePort[], endpoints: readonly Endpoint[]): MemberHosts['plain'] {
  const plain: Record<number, readonly string[]> = {}
  for (const { number } of ports) {
    const [secured, others] = [true, false].map((is) =>
      endpoints.filter(({ mtlsPorts }) => mtlsPorts.includes(number) === is),
    )
    if (secured?.length) plain[number] = (others ?? []).flatMap(({ workload }) => workload?.split('/')[1] ?? []).sort()
  }
  return plain
}

/** Whether clients in one namespace call its members otherwise than others do. */
export function differsByNamespace({ service }: MemberHosts, namespace: string): boolean {
  return service.namespace === namespace || !service.exportTo.includes('*')
}

/**
 * Requests to a member by its own name go to where they were going, which is that member, with mesh mTLS where it takes that. What routes say of the
 * Service does not count: they would send to any member.
 */
export function memberVirtualHosts({ service, plain }: MemberHosts, { namespace }: Client): VirtualHost[] {
  const { host, ports, exportTo } = service
  if (!exportTo.includes('*') && !exportTo.includes(namespace)) return []
  // The name without a namespace is good in its own.
  const names = aliasesOf(host).filter((name) => name.includes('.') || service.namespace === namespace)
  return ports
    .filter(({ protocol }) => isHttp(protocol))
    .flatMap((port) => {
      const others = plain[port.number]
      const hosts = (member: string, takesMtls: boolean) =>
        virtualHost(
          `${member}.${host}:${port.number}`,
          names.flatMap((name) => domainsOf(`${member}.${name}`, port.number)),
          [memberRoute(directCluster(service, port, takesMtls), `${host}:${port.number}/*`)],
        )
      return [hosts('*', others !== undefined), ...(others ?? []).map((member) => hosts(member, false))]
    })
}

function memberRoute(cluster: string, operation: string): Route {
  return create(RouteSchema, {
    name: 'member',
    match: ANY_REQUEST,
    decorator: { operation },
    action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: cluster }, ...timeouts(undefined) } },
  })
}
