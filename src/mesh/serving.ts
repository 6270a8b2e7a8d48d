import type * as core from '../resources/core.ts'
import { serviceHost } from '../resources/host.ts'
import type { Sidecar } from '../resources/istio.ts'
import { KIND } from '../resources/resource.ts'
import { deriveFlatMap, deriveIndex, deriveMap, perSnapshot } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { endpointSets, servingIdentities } from './endpoints.ts'
import type { EndpointSet, Service } from './model.ts'
import { servicePortProtocol } from './protocol.ts'
import { services } from './services.ts'
import { ROOT_NAMESPACE } from './visibility.ts'

/** What clients have to know of all that serve a service, ready or not. Changes far less often than its endpoints do. */
export interface Serving {
  /** Their SPIFFE IDs, sorted. */
  readonly identities: readonly string[]
  /**
   * Ports of the service (numbers) whose clients may speak HTTP/2 though the application speaks HTTP/1.1: all that serve them have a proxy of the mesh, take mesh mTLS, and
   * know the port for one of HTTP/1.1. So it is for a port that nobody serves: who will, is most likely of the mesh, too.
   */
  readonly http2Ports: readonly number[]
}

/** By host. */
export const serving = perSnapshot((snapshot): PersistentMap<Serving> => {
  return summaries([services(snapshot), endpointSets(snapshot), servingIdentities(snapshot), doubts(snapshot)])
})

const summaries = deriveMap<
  [
    PersistentMap<Service>,
    PersistentMap<EndpointSet>,
    PersistentMap<readonly string[]>,
    PersistentMap<readonly number[]>,
  ],
  [],
  Serving
>('mesh/serving', (_, [service, set, identities = [], doubtful]) => {
  if (!service) return undefined
  const { [KIND]: kind } = service.resource
  const isOfPods = kind === 'core/Service' && Object.keys(selectorOf(service.resource as core.Service)).length > 0
  const http2Ports = service.ports.flatMap(({ number, protocol }) => {
    const isSealed = set?.endpoints.every(({ ports, mtlsPorts }) => !(number in ports) || mtlsPorts.includes(number))
    const may = isOfPods && protocol === 'http' && !doubtful?.includes(number) && isSealed !== false
    return may ? [number] : []
  })
  return identities.length > 0 || http2Ports.length > 0 ? { identities, http2Ports } : undefined
})

/**
 * By host: ports declared as HTTP that the proxy of some pod may know for something else, as another Service says so of the same pods, or a Sidecar. That proxy would pass
 * HTTP/2 on to the application.
 */
function doubts(snapshot: Snapshot): PersistentMap<readonly number[]> {
  const all = snapshot.all('core/Service')
  const sidecars = deviating([snapshot.all('networking.istio.io/Sidecar')])
  const [http, others] = [httpByNamespace(withHttp([all])), othersByNamespace(withOthers([all]))]
  const bySidecars = sidecarsByNamespace(sidecars)
  return doubtful([http, others, bySidecars], bySidecars.get(ROOT_NAMESPACE) !== undefined)
}

type Services = PersistentMap<core.Service>

const portsOf = (service: core.Service) => service.spec?.ports ?? []
const isHttp1 = (port: core.ServicePort) => servicePortProtocol(port) === 'http'
const isOther = (port: core.ServicePort) => !isHttp1(port) && servicePortProtocol(port) !== 'udp'

const withHttp = deriveMap<[Services], [], core.Service>('mesh/serving/http', (_, [service]) =>
  service && portsOf(service).some(isHttp1) ? service : undefined,
)
const withOthers = deriveMap<[Services], [], core.Service>('mesh/serving/others', (_, [service]) =>
  service && portsOf(service).some(isOther) ? service : undefined,
)
const deviating = deriveMap<[PersistentMap<Sidecar>], [], Sidecar>('mesh/serving/sidecars', (_, [sidecar]) => {
  const { ingress, inboundConnectionPool } = sidecar?.spec ?? {}
  return ingress?.length || inboundConnectionPool?.http?.useClientProtocol ? sidecar : undefined
})

const httpByNamespace = deriveIndex<core.Service>('mesh/serving/http/by-namespace', namespaceOf)
const othersByNamespace = deriveIndex<core.Service>('mesh/serving/others/by-namespace', namespaceOf)
const sidecarsByNamespace = deriveIndex<Sidecar>('mesh/serving/sidecars/by-namespace', namespaceOf)

function namespaceOf(_: string, { metadata: { namespace = '' } }: core.Service | Sidecar): readonly string[] {
  return [namespace]
}

const doubtful = deriveFlatMap<
  [PersistentMap<Services>, PersistentMap<Services>, PersistentMap<PersistentMap<Sidecar>>],
  [boolean],
  readonly number[]
>('mesh/serving/doubts', (_, [http, others, sidecars], everywhere) => {
  if (!http || !(others || sidecars || everywhere)) return []
  const suspects = [...(others?.values() ?? [])]
  return [...http.values()].flatMap((service) => {
    const same = suspects.filter((other) => mayShareAPod(service, other))
    const isDoubtful = (port: core.ServicePort) =>
      same.some((other) => portsOf(other).some((its) => isOther(its) && mayBeOne(port, its, other === service)))
    const ports = portsOf(service).filter((port) => isHttp1(port) && (sidecars || everywhere || isDoubtful(port)))
    const { name, namespace = '' } = service.metadata
    return ports.length > 0 ? [[serviceHost(name, namespace), ports.map(({ port }) => port)] as const] : []
  })
})

/** Whether there may be a pod that both select. */
function mayShareAPod(one: core.Service, other: core.Service): boolean {
  const [a, b] = [selectorOf(one), selectorOf(other)]
  return Object.keys(b).length > 0 && Object.entries(a).every(([name, value]) => (b[name] ?? value) === value)
}

function selectorOf({ spec }: core.Service): Readonly<Record<string, string>> {
  return spec?.selector ?? {}
}

/** Whether two ports of Services may be one of a pod. Only the pod tells which number a name stands for: it may be that of another Service. */
function mayBeOne(a: core.ServicePort, b: core.ServicePort, ofOneService: boolean): boolean {
  const [x, y] = [a.targetPort || a.port, b.targetPort || b.port]
  return typeof x === typeof y ? x === y : !ofOneService
}
