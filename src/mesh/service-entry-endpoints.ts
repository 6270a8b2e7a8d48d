import type * as core from '../resources/core.ts'
import { isWildcard, serviceHost } from '../resources/host.ts'
import type * as istio from '../resources/istio.ts'
import { deriveFlatMap, deriveOverlay } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { localityNamed } from './locality.ts'
import type { Endpoint } from './model.ts'
import { spiffeId } from './trust-domains.ts'

/** By host: endpoints that are written down in the service itself. Their addresses may be DNS names where it is resolved by DNS. */
export function inlineEndpoints(snapshot: Snapshot): PersistentMap<readonly Endpoint[]> {
  return together(
    ofServiceEntries([snapshot.all('networking.istio.io/ServiceEntry')]),
    ofExternalNames([snapshot.all('core/Service')]),
  )
}

const together = deriveOverlay<readonly Endpoint[]>('mesh/endpoints/inline')

const ofServiceEntries = deriveFlatMap<[PersistentMap<istio.ServiceEntry>], [], readonly Endpoint[]>(
  'mesh/endpoints/service-entries',
  (_, [entry]) =>
    (entry?.spec?.hosts ?? []).flatMap((written) => {
      const host = written.toLowerCase()
      const endpoints = entryEndpoints(host, entry as istio.ServiceEntry)
      return endpoints.length > 0 ? [[host, endpoints] as const] : []
    }),
)

function entryEndpoints(host: string, entry: istio.ServiceEntry): readonly Endpoint[] {
  const { endpoints = [], ports = [], resolution, workloadSelector } = entry.spec as istio.ServiceEntrySpec
  if (endpoints.length > 0) return endpoints.map((endpoint) => entryEndpoint(endpoint, entry))
  // "If no endpoints are specified, the proxy will resolve the DNS address specified in the hosts field, if wildcards are not used."
  if (!resolution?.includes('DNS') || isWildcard(host) || workloadSelector) return []
  const served = Object.fromEntries(ports.map(({ number, targetPort }) => [number, targetPort ?? number]))
  return [{ address: host, ports: served, labels: {}, mtlsPorts: [], weight: 1, healthy: true }]
}

function entryEndpoint(endpoint: istio.ServiceEntryEndpoint, entry: istio.ServiceEntry): Endpoint {
  const { address = '', labels = {}, locality, serviceAccount, weight } = endpoint
  const ports: Record<number, number> = {}
  for (const { number, name, targetPort } of entry.spec?.ports ?? [])
    ports[number] = endpoint.ports?.[name] ?? targetPort ?? number
  const namespace = entry.metadata.namespace ?? ''
  const takesMtls = labels['security.istio.io/tlsMode'] === 'istio'
  return {
    address,
    ports,
    labels,
    ...(serviceAccount ? { identity: spiffeId(namespace, serviceAccount) } : {}),
    mtlsPorts: takesMtls ? Object.keys(ports).map(Number) : [],
    ...(locality ? { locality: localityNamed(locality) } : {}),
    weight: weight && weight > 0 ? weight : 1,
    healthy: true,
  }
}

const ofExternalNames = deriveFlatMap<[PersistentMap<core.Service>], [], readonly Endpoint[]>(
  'mesh/endpoints/external-names',
  (_, [service]) => {
    const spec = service?.spec
    if (!service || spec?.type !== 'ExternalName' || !spec.externalName) return []
    const ports = Object.fromEntries((spec.ports ?? []).map(({ port }) => [port, port]))
    const endpoint = { address: spec.externalName, ports, labels: {}, mtlsPorts: [], weight: 1, healthy: true }
    return [[serviceHost(service.metadata.name, service.metadata.namespace ?? ''), [endpoint]]]
  },
)
