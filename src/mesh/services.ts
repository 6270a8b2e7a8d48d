import type * as core from '../resources/core.ts'
import { isWildcard, serviceHost } from '../resources/host.ts'
import type * as istio from '../resources/istio.ts'
import { deriveFlatMap, deriveIndex, deriveMap, deriveOverlay, perSnapshot } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { aliases } from './external-names.ts'
import { memberServices } from './member-services.ts'
import { meshConfig } from './mesh-config.ts'
import { type Service, type ServicePort, WELL_KNOWN } from './model.ts'
import { protocolNamed, servicePortProtocol } from './protocol.ts'
import { exportedTo } from './visibility.ts'

/** Every service of the mesh, by host. A Kubernetes Service hides a ServiceEntry that claims its host; that hides a member of a headless Service. */
export const services = perSnapshot((snapshot): PersistentMap<Service> => {
  const byDefault = meshConfig(snapshot).exportTo.services
  const ofCluster = fromKubernetes([snapshot.all('core/Service')], byDefault)
  const entries = fromServiceEntries([snapshot.all('networking.istio.io/ServiceEntry')], byDefault)
  return together(memberServices(snapshot, ofCluster), entries, ofCluster, aliases(ofCluster))
})

/** The services that every namespace sees. */
export function publicServices(snapshot: Snapshot): PersistentMap<Service> {
  return exportedToAll([services(snapshot)])
}

/** By namespace: the services that it sees because their `exportTo` names it. */
export function restrictedServices(snapshot: Snapshot): PersistentMap<PersistentMap<Service>> {
  return exportedByName(services(snapshot))
}

const together = deriveOverlay<Service>('mesh/services')

const exportedToAll = deriveMap<[PersistentMap<Service>], [], Service>('mesh/services/public', (_, [service]) =>
  service?.exportTo.includes('*') ? service : undefined,
)

const exportedByName = deriveIndex<Service>('mesh/services/restricted', (_, service) =>
  service.exportTo.filter((namespace) => namespace !== '*'),
)

const fromKubernetes = deriveFlatMap<[PersistentMap<core.Service>], [readonly string[]], Service>(
  'mesh/services/kubernetes',
  (_, [resource], byDefault) => {
    if (!resource) return []
    const service = kubernetesService(resource, byDefault)
    return [[service.host, service]]
  },
)

function kubernetesService(resource: core.Service, byDefault: readonly string[]): Service {
  const { name, namespace = '', annotations, creationTimestamp = '' } = resource.metadata
  const spec = resource.spec ?? {}
  const headless = spec.clusterIP === 'None'
  const addresses = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : [])
  const exportTo = annotations?.['networking.istio.io/exportTo']?.split(',').map((to) => to.trim())
  return {
    host: serviceHost(name, namespace),
    name,
    namespace,
    ports: (spec.ports ?? []).map((port) => servicePort(port, annotations)).filter((port) => port.protocol !== 'udp'),
    addresses: headless ? [] : addresses.filter((address) => address !== ''),
    resolution: spec.type === 'ExternalName' ? 'dns' : 'endpoints',
    headless,
    external: spec.type === 'ExternalName',
    exportTo: exportedTo(exportTo, namespace, byDefault),
    createdAt: creationTimestamp,
    resource,
  }
}

function servicePort(port: core.ServicePort, annotations: Readonly<Record<string, string>> | undefined): ServicePort {
  const localPort = Number(annotations?.[`${WELL_KNOWN.localPort}.${port.port}`])
  return {
    number: port.port,
    name: port.name ?? '',
    protocol: servicePortProtocol(port),
    ...(Number.isInteger(localPort) ? { localPort } : {}),
  }
}

const RESOLUTIONS = {
  NONE: 'passthrough',
  STATIC: 'endpoints',
  DNS: 'dns',
  DNS_ROUND_ROBIN: 'first-of-dns',
  DYNAMIC_DNS: 'dns',
} as const

const fromServiceEntries = deriveFlatMap<[PersistentMap<istio.ServiceEntry>], [readonly string[]], Service>(
  'mesh/services/service-entries',
  (_, [resource], byDefault) =>
    (resource?.spec?.hosts ?? []).map((host) => entryService(host, resource as istio.ServiceEntry, byDefault)),
)

function entryService(
  writtenHost: string,
  resource: istio.ServiceEntry,
  byDefault: readonly string[],
): [string, Service] {
  const { name, namespace = '', creationTimestamp = '' } = resource.metadata
  const { ports, addresses, resolution, location, exportTo, subjectAltNames } = resource.spec as istio.ServiceEntrySpec
  const host = writtenHost.toLowerCase()
  return [
    host,
    {
      host,
      name,
      namespace,
      ports: (ports ?? []).map(({ number, name, protocol }) => ({ number, name, protocol: protocolNamed(protocol) })),
      addresses: addresses ?? [],
      // A name that is known does not have to wait for a request.
      resolution: resolution === 'DYNAMIC_DNS' && isWildcard(host) ? 'dynamic' : RESOLUTIONS[resolution ?? 'NONE'],
      headless: false,
      external: location !== 'MESH_INTERNAL',
      exportTo: exportedTo(exportTo, namespace, byDefault),
      createdAt: creationTimestamp,
      ...(subjectAltNames ? { subjectAltNames } : {}),
      resource,
    },
  ]
}
