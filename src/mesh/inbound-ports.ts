import type * as core from '../resources/core.ts'
import type { ConnectionPool, ServiceEntry, Sidecar } from '../resources/istio.ts'
import { matchesLabels } from '../resources/labels.ts'
import { derive, deriveIndex } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { InboundEndpoint, InboundPort, Workload } from './model.ts'
import { type MtlsPolicy, mtlsModeAt, mtlsPolicyOf } from './peer-authentication.ts'
import { byAge } from './precedence.ts'
import { protocolNamed, servicePortProtocol } from './protocol.ts'
import { sidecarOf } from './sidecars.ts'

/**
 * The ports on which a workload takes traffic: those of its Sidecar's `ingress`, else the target ports of all Services that select it, by port number.
 * Where Services disagree on a port's protocol, the oldest decides.
 */
export function inboundPorts(snapshot: Snapshot, workload: Workload): readonly InboundPort[] {
  const policy = mtlsPolicyOf(snapshot, workload)
  const sidecar = sidecarOf(snapshot, workload)
  if (sidecar?.spec?.ingress?.length) return ingressPorts(sidecar, policy)
  const groups = groupsOf(workload, neighboursByLabel(snapshot, workload.namespace))
  const ports = portsOf(workload, policy, sidecar?.spec?.inboundConnectionPool, ...groups)
  // No Service selects a host.
  return workload.isHost ? hostPorts(ports, workload, policy, snapshot.all('networking.istio.io/ServiceEntry')) : ports
}

/** Besides these, those of ServiceEntries that select the host. */
const hostPorts = derive(
  'mesh/inbound/host',
  (
    given: readonly InboundPort[],
    { namespace, labels, containerPorts }: Workload,
    policy: MtlsPolicy,
    entries: PersistentMap<ServiceEntry>,
  ): readonly InboundPort[] => {
    const ports = new Map(given.map((each) => [each.port, each]))
    for (const service of [...entries.values()].sort(byAge)) {
      const { workloadSelector, ports: written = [] } = service.spec ?? {}
      if (service.metadata.namespace !== namespace || !workloadSelector) continue
      if (!matchesLabels(workloadSelector.labels, labels)) continue
      for (const { number, name, protocol: said, targetPort } of written) {
        const port = containerPorts.find((own) => own.name === name)?.port ?? targetPort ?? number
        const protocol = said ? protocolNamed(said) : servicePortProtocol({ port, name })
        if (protocol !== 'udp' && !ports.has(port))
          ports.set(port, { port, protocol, mtls: mtlsModeAt(policy, port), service })
      }
    }
    return [...ports.values()].sort((a, b) => a.port - b.port)
  },
)

const ingressPorts = derive('mesh/inbound/ingress', (sidecar: Sidecar, policy: MtlsPolicy): readonly InboundPort[] => {
  const ports = new Map<number, InboundPort>()
  const { ingress = [], inboundConnectionPool } = sidecar.spec ?? {}
  for (const { port: written, defaultEndpoint, connectionPool = inboundConnectionPool } of ingress) {
    const { number: port, name = '', protocol } = written
    if (port === undefined || ports.has(port)) continue
    const endpoint = inboundEndpoint(defaultEndpoint)
    ports.set(port, {
      port,
      protocol: protocol ? protocolNamed(protocol) : servicePortProtocol({ port, name }),
      mtls: mtlsModeAt(policy, port),
      ...(endpoint ? { endpoint } : {}),
      ...(connectionPool ? { connectionPool } : {}),
      service: sidecar,
    })
  }
  return [...ports.values()].sort((a, b) => a.port - b.port)
})

/** `defaultEndpoint`: `127.0.0.1:PORT` and `[::1]:PORT` on the loopback, `0.0.0.0:PORT` and `[::]:PORT` at the pod's address, `unix:///PATH`. */
function inboundEndpoint(written: string | undefined): InboundEndpoint | undefined {
  if (!written) return undefined
  if (written.startsWith('unix://')) return { at: 'pipe', path: written.slice('unix://'.length) }
  const [, address = '', port] = /^\[?([^\]]*)\]?:(\d+)$/.exec(written) ?? []
  if (port === undefined) return undefined
  if (address === '0.0.0.0' || address === '::') return { at: 'pod', port: Number(port) }
  return { at: 'loopback', address, port: Number(port) }
}

type Groups = PersistentMap<PersistentMap<core.Service>>

/** The services that have a chance to select a workload. */
const groupsOf = derive('mesh/inbound/groups', (workload: Workload, byLabel: Groups) =>
  Object.entries(workload.labels).flatMap(([name, value]) => byLabel.get(`${name}=${value}`) ?? []),
)

/** The services of a namespace by the first label of their selectors, so that a workload looks only at those that have a chance to select it. */
function neighboursByLabel(snapshot: Snapshot, namespace: string): Groups {
  const all = byNamespace(snapshot.all('core/Service')).get(namespace)
  return all ? byFirstLabel(all, namespace) : NO_GROUPS
}

const NO_GROUPS: Groups = PersistentMap.empty()

const byNamespace = deriveIndex<core.Service>('mesh/inbound/services', (_, { metadata: { namespace = '' } }) => [
  namespace,
])

const byFirstLabel = deriveIndex<core.Service, [string]>('mesh/inbound/services/by-label', (_, { spec }) => {
  const [first] = Object.entries(spec?.selector ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  return first ? [first.join('=')] : []
})

const portsOf = derive(
  'mesh/inbound',
  (
    workload: Workload,
    policy: MtlsPolicy,
    connectionPool: ConnectionPool | undefined,
    ...groups: PersistentMap<core.Service>[]
  ): readonly InboundPort[] => {
    const ports = new Map<number, InboundPort>()
    for (const service of groups.flatMap((group) => [...group.values()]).sort(byAge)) {
      if (!matchesLabels(service.spec?.selector, workload.labels)) continue
      for (const written of service.spec?.ports ?? []) {
        const port = targetPort(written, workload)
        const protocol = servicePortProtocol(written)
        if (port === undefined || protocol === 'udp' || ports.has(port)) continue
        const limits = connectionPool ? { connectionPool } : {}
        ports.set(port, { port, protocol, mtls: mtlsModeAt(policy, port), ...limits, service })
      }
    }
    return [...ports.values()].sort((a, b) => a.port - b.port)
  },
)

/** @returns undefined for a name that no container of the workload declares. */
function targetPort({ targetPort, port }: core.ServicePort, workload: Workload): number | undefined {
  if (targetPort === undefined || targetPort === 0 || targetPort === '') return port
  if (typeof targetPort === 'number') return targetPort
  return workload.containerPorts.find(({ name }) => name === targetPort)?.port
}
