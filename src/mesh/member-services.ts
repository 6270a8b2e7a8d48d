import { memberOfHost, resolveHost } from '../resources/host.ts'
import type { DestinationRule, VirtualService } from '../resources/istio.ts'
import { deriveFlatMap, deriveIndex, deriveOverlay } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { EndpointSet, Service } from './model.ts'
import { isHttp } from './protocol.ts'
import { destinationHosts } from './routing/destinations.ts'
import { hostsOf } from './routing/virtual-services.ts'

/** Whether pods behind a Service are called by addresses and names of their own. */
export function hasMembers({ headless, resolution }: Service): boolean {
  return headless && resolution === 'endpoints'
}

/**
 * Members of headless Services that VirtualServices or DestinationRules call by their own names (`db-0.db.shop.svc.cluster.local`), by that name: each is a
 * service of its own, of the one pod and with the Service's HTTP ports. All others need none, as requests for them go where they were going.
 */
export function memberServices(snapshot: Snapshot, all: PersistentMap<Service>): PersistentMap<Service> {
  return members([all, namedMembers(snapshot)])
}

/** With what serves the members that are services of their own. */
export function withMembers(services: PersistentMap<Service>, sets: PersistentMap<EndpointSet>) {
  const byService = membersByService(services)
  return byService.size === 0 ? sets : together(sets, ofMembers([byService, sets]))
}

interface Named {
  readonly host: string
}

/** By the host of their Service: the names of members that are written somewhere. */
function namedMembers(snapshot: Snapshot): PersistentMap<PersistentMap<Named>> {
  return namesByService(
    names([snapshot.all('networking.istio.io/VirtualService'), snapshot.all('networking.istio.io/DestinationRule')]),
  )
}

const names = deriveFlatMap<[PersistentMap<VirtualService>, PersistentMap<DestinationRule>], [], Named>(
  'mesh/members/names',
  (_, [virtualService, rule]) => {
    const ruled = rule?.spec?.host === undefined ? [] : [resolveHost(rule.spec.host, rule.metadata.namespace ?? '')]
    const routed = virtualService ? [...hostsOf(virtualService), ...destinationHosts(virtualService)] : []
    return [...ruled, ...routed].filter(memberOfHost).map((host) => [host, { host }] as const)
  },
)

const namesByService = deriveIndex<Named>('mesh/members/names-by-service', (host) => {
  const member = memberOfHost(host)
  return member ? [member.serviceHost] : []
})

const members = deriveFlatMap<[PersistentMap<Service>, PersistentMap<PersistentMap<Named>>], [], Service>(
  'mesh/members/services',
  (_, [service, named]) =>
    service && named && hasMembers(service)
      ? [...named.keys()].map((host) => [host, memberService(host, service)] as const)
      : [],
)

function memberService(host: string, service: Service): Service {
  const ports = service.ports.filter(({ protocol }) => isHttp(protocol))
  return { ...service, host, name: `${memberOfHost(host)?.member}.${service.name}`, ports, headless: false }
}

/** By the host of their Service: the members that are services of their own. */
export const membersByService = deriveIndex<Service>('mesh/members/by-service', (host, { resolution, resource }) => {
  const member = memberOfHost(host)
  return member && resolution === 'endpoints' && resource.kind === 'Service' ? [member.serviceHost] : []
})

const together = deriveOverlay<EndpointSet>('mesh/members/endpoints/together')

const ofMembers = deriveFlatMap<[PersistentMap<PersistentMap<Service>>, PersistentMap<EndpointSet>], [], EndpointSet>(
  'mesh/members/endpoints',
  (_, [services, set]) =>
    [...(services?.keys() ?? [])].flatMap((host): [string, EndpointSet][] => {
      const { member } = memberOfHost(host) ?? {}
      const own = set?.endpoints.filter(({ workload }) => workload?.split('/')[1] === member) ?? []
      // Members may need each other to become ready: who calls one wants that one.
      return own.length > 0 ? [[host, { host, endpoints: own.map((each) => ({ ...each, healthy: true })) }]] : []
    }),
)
