import { byAge } from '../../mesh/precedence.ts'
import { protocolNamed } from '../../mesh/protocol.ts'
import { gatewayKey, hostsOf } from '../../mesh/routing/virtual-services.ts'
import { hostsOverlap } from '../../resources/host.ts'
import type { Gateway, GatewayServer } from '../../resources/istio.ts'
import { displayName, type FieldPath, keyOf } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check } from '../check.ts'
import { gatewayVirtualServices, serverHosts } from '../views/gateways.ts'
import { podsWith } from '../views/pods.ts'

export const gatewayPortConflict: Check = {
  rule: 'gateway-port-conflict',
  severity: 'error',
  about: 'Two servers of Gateways want different protocols on one port of the same proxy: the older one gets the port.',
  *find(snapshot) {
    // A proxy's servers are those of all Gateways that select it: gateways with the same pods share their ports.
    for (const servers of serversByPort(snapshot)) {
      const [first, ...others] = servers
      if (!first) continue
      for (const other of others) {
        const [one, two] = [portUse(first.server), portUse(other.server)]
        if (one === two) continue
        yield {
          resource: other.gateway,
          path: [...other.path, 'port', 'protocol'],
          problem: `port ${other.server.port.number} is used for ${other.server.port.protocol} here, and for ${first.server.port.protocol} by ${placeName(first, other)}`,
          remedy: 'use another port number, or the same protocol',
        }
      }
    }
  },
}

export const gatewayDuplicateHost: Check = {
  rule: 'gateway-duplicate-host',
  severity: 'warning',
  about:
    'Two servers with TLS on one port of a proxy are for the same host: a client gets the certificate of the older one.',
  *find(snapshot) {
    for (const servers of serversByPort(snapshot)) {
      const claimed = new Map<string, PlacedServer>()
      for (const placed of servers.filter(({ server }) => portUse(server) === 'tls')) {
        for (const [i, host] of (placed.server.hosts ?? []).entries()) {
          const name = host.toLowerCase().split('/').at(-1) ?? ''
          const first = claimed.get(name)
          if (first === undefined) claimed.set(name, placed)
          else if (first !== placed)
            yield {
              resource: placed.gateway,
              path: [...placed.path, 'hosts', i],
              problem: `"${name}" on port ${placed.server.port.number} is already served by ${placeName(first, placed)}`,
              remedy: 'take the host out of one of the two',
            }
        }
      }
    }
  },
}

export const gatewayTls: Check = {
  rule: 'gateway-tls',
  severity: 'error',
  about: "The tls settings of a Gateway's server do not go with its protocol, or say too little to accept connections.",
  *find(snapshot) {
    for (const resource of snapshot.all('networking.istio.io/Gateway').values()) {
      for (const [i, server] of (resource.spec?.servers ?? []).entries()) {
        const path = ['spec', 'servers', i]
        const { tls, port } = server
        const encrypted = portUse(server) === 'tls'
        if (encrypted && !tls) {
          yield {
            resource,
            path: [...path, 'port', 'protocol'],
            problem: `protocol ${port.protocol} needs tls settings`,
            remedy: 'add tls with mode SIMPLE and a credentialName, or mode PASSTHROUGH',
          }
        } else if (!encrypted && tls?.mode) {
          yield {
            resource,
            path: [...path, 'tls', 'mode'],
            problem: `protocol ${port.protocol} is not encrypted, so tls mode ${tls.mode} has no effect`,
            remedy: `use protocol HTTPS or TLS${tls.httpsRedirect ? ', or leave only httpsRedirect' : ''}`,
          }
        } else if (encrypted && terminates(server) && !hasCertificate(server)) {
          yield {
            resource,
            path: [...path, 'tls'],
            problem: `tls mode ${tls?.mode ?? 'SIMPLE'} needs a certificate`,
            remedy:
              'add credentialName with the name of a Secret of type kubernetes.io/tls in the namespace of the gateway pods',
          }
        }
      }
    }
  },
}

export const hostNotAtGateway: Check = {
  rule: 'host-not-at-gateway',
  severity: 'error',
  about: 'A VirtualService is bound to a Gateway that serves none of its hosts: its rules have no effect there.',
  *find(snapshot) {
    for (const [key, bound] of gatewayVirtualServices(snapshot)) {
      const gateway = snapshot.get('networking.istio.io/Gateway', key)
      if (!gateway) continue
      for (const resource of bound) {
        const namespace = resource.metadata.namespace ?? ''
        const served = (gateway.spec?.servers ?? []).flatMap((server) =>
          serverHosts(server.hosts, gateway.metadata.namespace ?? '', namespace),
        )
        const hosts = hostsOf(resource)
        if (hosts.some((host) => served.some((pattern) => hostsOverlap(pattern, host)))) continue
        const index = (resource.spec?.gateways ?? []).findIndex((name) => gatewayKey(name, namespace) === key)
        yield {
          resource,
          path: ['spec', 'hosts'],
          problem: `${displayName(gateway)} (spec.gateways[${index}]) serves none of ${hosts.join(', ')}: it serves ${[...new Set(served)].join(', ') || `nothing for namespace ${namespace}`}`,
          remedy: `add a host that the Gateway serves, or add these to the hosts of one of its servers`,
        }
      }
    }
  },
}

interface PlacedServer {
  readonly gateway: Gateway
  /** `spec.servers[0]` */
  readonly path: FieldPath
  readonly server: GatewayServer
}

/** The servers that share a port of a proxy, oldest Gateway first. */
function serversByPort(snapshot: Snapshot): Iterable<readonly PlacedServer[]> {
  const servers = [...snapshot.all('networking.istio.io/Gateway').values()]
    .sort(byAge)
    .flatMap((gateway) =>
      (gateway.spec?.servers ?? []).map(
        (server, i): PlacedServer => ({ gateway, path: ['spec', 'servers', i], server }),
      ),
    )
  return Map.groupBy(servers, ({ gateway, server }) =>
    [proxies(snapshot, gateway), server.bind ?? '', server.port.number].join(' '),
  ).values()
}

/** The same text for Gateways that are for the same pods. */
function proxies(snapshot: Snapshot, gateway: Gateway): string {
  const pods = podsWith(snapshot, gateway.spec?.selector ?? {}).map(
    (pod) => `${pod.resource.kind} ${keyOf(pod.resource)}`,
  )
  return pods.length > 0 ? pods.sort().join(',') : JSON.stringify(gateway.spec?.selector)
}

/** Servers with the same use can share a port. */
function portUse(server: GatewayServer): 'http' | 'tls' | 'tcp' {
  switch (protocolNamed(server.port.protocol)) {
    case 'http':
    case 'http2':
    case 'grpc':
    case 'grpc-web':
      return 'http'
    case 'https':
    case 'tls':
      return 'tls'
    default:
      return 'tcp'
  }
}

function terminates({ tls }: GatewayServer): boolean {
  return tls?.mode !== 'PASSTHROUGH' && tls?.mode !== 'AUTO_PASSTHROUGH' && tls?.mode !== 'ISTIO_MUTUAL'
}

function hasCertificate({ tls }: GatewayServer): boolean {
  return Boolean(
    tls?.credentialName || tls?.credentialNames?.length || tls?.serverCertificate || tls?.tlsCertificates?.length,
  )
}

function placeName(first: PlacedServer, seenFrom: PlacedServer): string {
  const index = first.path.at(-1)
  return first.gateway === seenFrom.gateway
    ? `spec.servers[${index}]`
    : `spec.servers[${index}] of ${displayName(first.gateway)}`
}
