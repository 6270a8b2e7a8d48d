import { table } from '../table.ts'
import {
  addressText,
  type ConfigDump,
  type FilterChain,
  type Listener,
  type ListenersSection,
  type NetworkFilter,
  section,
} from './dump.ts'

export interface ListenerFilter {
  readonly address?: string
  readonly port?: string
}

/** The listeners that a proxy has, by address. */
export function listeners(dump: ConfigDump, filter: ListenerFilter): readonly Listener[] {
  const all = section<ListenersSection>(dump, 'ListenersConfigDump')
  return [
    ...(all.static_listeners ?? []),
    ...(all.dynamic_listeners ?? []).flatMap(({ active_state, warming_state }) => active_state ?? warming_state ?? []),
  ]
    .map(({ listener }) => listener)
    .filter((listener) => {
      const { address = '', port = '' } = place(listener)
      return (filter.address ?? address) === address && (filter.port ?? port) === port
    })
    .sort((a, b) => Number(place(a).port) - Number(place(b).port) || (place(a).address < place(b).address ? -1 : 1))
}

export function listenerTable(shown: readonly Listener[]): string {
  const rows = shown.flatMap((listener) => {
    const { address, port } = place(listener)
    const chains = [
      ...(listener.filter_chains ?? []),
      ...(listener.default_filter_chain ? [listener.default_filter_chain] : []),
    ]
    return chains.map((chain) => [address, port, matchText(chain), destinationText(chain)])
  })
  return table(['ADDRESS', 'PORT', 'MATCH', 'DESTINATION'], rows)
}

function place({ address }: Listener): { readonly address: string; readonly port: string } {
  const socket = address?.socket_address
  return socket
    ? { address: socket.address, port: String(socket.port_value ?? 0) }
    : { address: addressText(address ?? {}), port: '-' }
}

/** Envoy's names of what a connection begins with, for people. */
const TRANSPORTS: Readonly<Record<string, string>> = { tls: 'TLS', raw_buffer: 'plaintext' }

function matchText({ filter_chain_match: match }: FilterChain): string {
  const parts = [
    ...(match?.destination_port === undefined ? [] : [`port ${match.destination_port}`]),
    ...(match?.transport_protocol ? [TRANSPORTS[match.transport_protocol] ?? match.transport_protocol] : []),
    ...(match?.server_names?.length ? [`for ${match.server_names.join(', ')}`] : []),
    ...(match?.application_protocols?.length ? [`ALPN ${match.application_protocols.join(', ')}`] : []),
  ]
  return parts.join('; ') || 'all'
}

function destinationText({ filters = [] }: FilterChain): string {
  const terminal = filters.findLast(({ typed_config }) => typed_config && destination(typed_config))
  return (terminal?.typed_config && destination(terminal.typed_config)) ?? filters.map(({ name }) => name).join(', ')
}

function destination({
  rds,
  scoped_routes,
  route_config,
  cluster,
  weighted_clusters,
}: NetworkFilter): string | undefined {
  if (rds) return `routes ${rds.route_config_name}`
  if (scoped_routes) return `routes by host (${scoped_routes.name})`
  if (route_config)
    return `inline routes to ${inlineClusters(route_config.virtual_hosts).join(', ') || route_config.name}`
  if (cluster) return `cluster ${cluster}`
  return (
    weighted_clusters &&
    `clusters ${weighted_clusters.clusters.map(({ name, weight }) => `${name} (${weight})`).join(', ')}`
  )
}

function inlineClusters(
  hosts: readonly { readonly routes?: readonly { readonly route?: { readonly cluster?: string } }[] }[] = [],
) {
  return [...new Set(hosts.flatMap(({ routes = [] }) => routes.flatMap(({ route }) => route?.cluster ?? [])))]
}
