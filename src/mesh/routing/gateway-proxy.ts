import type { Gateway } from '../../resources/istio.ts'
import { matchesLabels } from '../../resources/labels.ts'
import { derive, deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { inboundPorts } from '../inbound-ports.ts'
import { type KeySource, keySourceOf, type Workload } from '../model.ts'
import { type MeshPeers, meshPeers } from '../trust-domains.ts'

/** What the replicas of a gateway have in common: equal ones are the same object. */
export interface GatewayProxy {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  /** Where a Service that selects it maps one of its ports: the number that people write to the one it listens on. */
  readonly targetPorts: Readonly<Record<number, number>>
  /** The same of the ports for datagrams, those included that are mapped to their own number. */
  readonly udpPorts: Readonly<Record<number, number>>
  readonly keys: KeySource
  /** Which clients are let in with the mesh's own mutual TLS. */
  readonly peers: MeshPeers
}

export function gatewayProxyOf(snapshot: Snapshot, workload: Workload): GatewayProxy {
  const labels = Object.entries(workload.labels).filter(([name]) => !PER_REPLICA.includes(name))
  return interned(
    JSON.stringify([
      workload.namespace,
      labels.sort(),
      ...targetPorts(snapshot, workload),
      keySourceOf(workload),
      meshPeers(snapshot),
    ]),
  )
}

/** The Istio Gateways whose `selector` matches its labels, from whatever namespace; one without a selector is for all gateways. */
export function selectedGateways(snapshot: Snapshot, proxy: GatewayProxy): PersistentMap<Gateway> {
  return selected([snapshot.all('networking.istio.io/Gateway')], proxy)
}

/** The port on which a gateway listens for what people call `port`. */
export function boundPort(proxy: GatewayProxy, port: number): number {
  return proxy.targetPorts[port] ?? port
}

/** Labels that Kubernetes gives each pod of a set another value of, and that say nothing about configuration. */
const PER_REPLICA = ['statefulset.kubernetes.io/pod-name', 'apps.kubernetes.io/pod-index']

const interned = derive('mesh/gateway-proxy', (text: string): GatewayProxy => {
  const [namespace, labels, ports, udpPorts, keys, peers] = JSON.parse(text) as [
    string,
    [string, string][],
    [number, number][],
    [number, number][],
    KeySource,
    MeshPeers,
  ]
  return Object.freeze({
    namespace,
    labels: Object.freeze(Object.fromEntries(labels)),
    targetPorts: Object.freeze(Object.fromEntries(ports)),
    udpPorts: Object.freeze(Object.fromEntries(udpPorts)),
    keys,
    peers,
  })
})

const selected = deriveMap<[PersistentMap<Gateway>], [GatewayProxy], Gateway>(
  'mesh/gateway-proxy/gateways',
  (_, [gateway], { labels }) => (gateway && matchesLabels(gateway.spec?.selector, labels) ? gateway : undefined),
)

/** Where the Services that select a gateway map their ports: those for connections that have another number there, and those for datagrams. */
function targetPorts(snapshot: Snapshot, workload: Workload): [[number, number][], [number, number][]] {
  const services = new Set(inboundPorts(snapshot, workload).map(({ service }) => service))
  const ports = new Map<number, number>()
  const udpPorts = new Map<number, number>()
  for (const service of services) {
    const { ports: written = [] } = (service.spec ?? {}) as {
      ports?: readonly { port: number; protocol?: string; targetPort?: number | string }[]
    }
    for (const { port, protocol, targetPort } of written) {
      const target =
        typeof targetPort === 'string'
          ? workload.containerPorts.find(({ name }) => name === targetPort)?.port
          : targetPort
      if (protocol === 'UDP') udpPorts.set(port, udpPorts.get(port) ?? target ?? port)
      else if (target !== undefined && target !== port && !ports.has(port)) ports.set(port, target)
    }
  }
  return [sorted(ports), sorted(udpPorts)]
}

function sorted(ports: ReadonlyMap<number, number>): [number, number][] {
  return [...ports].sort(([a], [b]) => a - b)
}
