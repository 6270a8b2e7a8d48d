import type * as core from '../resources/core.ts'
import { deriveFlatMap, deriveIndex, deriveOverlay } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { EndpointSet, Service } from './model.ts'
import { isHttp } from './protocol.ts'

/**
 * Services of type ExternalName that are another name of a Service of the cluster: its pods serve them, with their mTLS. Clients get that Service's own address from DNS, which
 * tells all connections but those of HTTP, so that only ports that may speak it are needed; what the ExternalName says of ports means nothing, as in Kubernetes.
 * @param all of the cluster, by host
 */
export function aliases(all: PersistentMap<Service>): PersistentMap<Service> {
  return served([byExternalName(all), all])
}

/** With what serves the aliases. */
export function withAliases(services: PersistentMap<Service>, sets: PersistentMap<EndpointSet>) {
  const byTarget = byAliased(services)
  return byTarget.size === 0 ? sets : together(sets, ofAliases([byTarget, sets]))
}

const byExternalName = deriveIndex<Service>('mesh/aliases/by-external-name', (_, { resource }) => {
  const { type, externalName } = (resource as core.Service).spec ?? {}
  return type === 'ExternalName' && externalName ? [externalName.toLowerCase().replace(/\.$/, '')] : []
})

const served = deriveFlatMap<[PersistentMap<PersistentMap<Service>>, PersistentMap<Service>], [], Service>(
  'mesh/aliases',
  (_, [named, target]) =>
    target?.resolution === 'endpoints'
      ? [...(named?.values() ?? [])].map((alias) => [alias.host, aliasOf(alias, target)] as const)
      : [],
)

function aliasOf(alias: Service, { host, ports }: Service): Service {
  const own = ports.filter(({ protocol }) => isHttp(protocol) || protocol === 'auto')
  return { ...alias, ports: own, resolution: 'endpoints', external: false, aliasOf: host }
}

const byAliased = deriveIndex<Service>('mesh/aliases/by-aliased', (_, { aliasOf }) => (aliasOf ? [aliasOf] : []))

const together = deriveOverlay<EndpointSet>('mesh/aliases/endpoints/together')

const ofAliases = deriveFlatMap<[PersistentMap<PersistentMap<Service>>, PersistentMap<EndpointSet>], [], EndpointSet>(
  'mesh/aliases/endpoints',
  (_, [named, set]) => (set ? [...(named?.keys() ?? [])].map((host) => [host, { ...set, host }] as const) : []),
)
