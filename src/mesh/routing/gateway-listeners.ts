import type { Namespace } from '../../resources/core.ts'
import type { Gateway, Listener, ListenerSet } from '../../resources/gateway-api.ts'
import { keyOf } from '../../resources/resource.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { byAge } from '../precedence.ts'
import { type AllowedNamespaces, allowsNamespace } from './allowed-namespaces.ts'

/** A listener that a Gateway has: one of its own, or one that a ListenerSet adds to it. */
export interface GatewayListener {
  readonly listener: Listener
  /** In whose `spec.listeners` it is, and which routes name as their parent. */
  readonly owner: Gateway | ListenerSet
  /** Why it does nothing, as a reason of its condition `Accepted`. */
  readonly problem?: 'UnsupportedProtocol' | 'ProtocolConflict' | 'HostnameConflict'
}

/**
 * All listeners of a Gateway: its own, then those of its ListenerSets, the oldest first. One whose port is taken for another protocol, or for the
 * same hostname, by one before it has a conflict ("Listener precedence", ListenerSetSpec.listeners).
 * @param sets those that `takenListenerSets` gives
 */
export function listenersOf(gateway: Gateway, sets: readonly ListenerSet[]): readonly GatewayListener[] {
  const protocols = new Map<string, string>()
  const claimed = new Set<string>()
  const owners: readonly (Gateway | ListenerSet)[] = [gateway, ...[...sets].sort(byAge)]
  return owners.flatMap((owner) =>
    ((owner.spec?.listeners ?? []) as readonly Listener[]).map((listener): GatewayListener => {
      const found = (problem: GatewayListener['problem']) =>
        problem ? { listener, owner, problem } : { listener, owner }
      const family = FAMILIES[listener.protocol]
      if (!family) return found('UnsupportedProtocol')
      const port = `${transportOf(listener)} ${listener.port}`
      const taken = protocols.get(port) ?? family
      if (taken !== family) return found('ProtocolConflict')
      // Plain connections and datagrams have no host.
      const claim = `${port} ${family === 'http' || family === 'tls' ? listenerHost(listener) : ''}`
      if (claimed.has(claim)) return found('HostnameConflict')
      protocols.set(port, family)
      claimed.add(claim)
      return found(undefined)
    }),
  )
}

/** What a listener's port is of: datagrams have ports of their own. */
export function transportOf({ protocol }: Pick<Listener, 'protocol'>): 'TCP' | 'UDP' {
  return protocol === 'UDP' ? 'UDP' : 'TCP'
}

/** The hosts that a listener is for; `*` for all. */
export function listenerHost({ hostname }: Pick<Listener, 'hostname'>): string {
  return hostname ? hostname.toLowerCase() : '*'
}

/** Whether a Gateway takes the listeners of ListenerSets of a namespace (`allowedListeners`; none unless it says so). */
export function takesListenerSets(gateway: Gateway, namespace: string, namespaces: PersistentMap<Namespace>): boolean {
  const allowed: AllowedNamespaces = gateway.spec?.allowedListeners?.namespaces ?? { from: 'None' }
  return allowsNamespace({ from: 'None', ...allowed }, namespace, gateway.metadata.namespace ?? '', namespaces)
}

/** The key of the Gateway that a ListenerSet adds to; undefined where it names something else. */
export function gatewayOfListenerSet({ spec, metadata }: ListenerSet): string | undefined {
  const { group = GROUP, kind = 'Gateway', name = '', namespace = metadata.namespace ?? '' } = spec?.parentRef ?? {}
  return group === GROUP && kind === 'Gateway' ? keyOf({ metadata: { name, namespace } }) : undefined
}

/** Whether the routes that some listeners take depend on labels of namespaces. */
export function looksAtNamespaces(listeners: readonly GatewayListener[]): boolean {
  return listeners.some(({ listener }) => listener.allowedRoutes?.namespaces?.from === 'Selector')
}

const GROUP = 'gateway.networking.k8s.io'

/** Protocols that can share a port: HTTPS and TLS do, told apart by server name. */
const FAMILIES: Readonly<Record<string, 'http' | 'tls' | 'tcp' | 'udp'>> = {
  HTTP: 'http',
  HTTPS: 'tls',
  TLS: 'tls',
  TCP: 'tcp',
  UDP: 'udp',
}
