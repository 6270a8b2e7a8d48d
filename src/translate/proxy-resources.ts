import { clientPlace } from '../mesh/client-place.ts'
import { inboundPorts } from '../mesh/inbound-ports.ts'
import { keySourceOf, type Workload } from '../mesh/model.ts'
import type { Client } from '../mesh/routing/client.ts'
import { outboundTrafficOf } from '../mesh/sidecars.ts'
import { workloads } from '../mesh/workloads.ts'
import { perSnapshot } from '../store/derive.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { policyResources } from './authorization/policy-resources.ts'
import type { ProxyResources } from './encoded-resource.ts'
import { patchedResources } from './envoy-filter/patched-resources.ts'
import { withClientCertificate } from './gateway/client-certificate.ts'
import { draining } from './gateway/draining.ts'
import { edgeClusters } from './gateway/edge-clusters.ts'
import { gatewayResources } from './gateway/gateway-resources.ts'
import { withinImports } from './imports.ts'
import type { OutboundScope } from './nearby.ts'
import { outboundScope } from './outbound-scope.ts'
import { redirectedSidecar } from './redirected-sidecar.ts'
import { clientOfWorkload, outboundRoutes } from './routes/outbound-routes.ts'
import type { UnknownHosts } from './routes/unknown-hosts.ts'
import { routeScopes } from './scopes.ts'
import { asSelected } from './selected-clients.ts'
import { sidecarResources } from './sidecar.ts'
import { withTelemetry } from './telemetry-settings.ts'

/**
 * All that the proxy of a workload may see. Layers that others share are the same maps for all of them, and equal to the last ones where nothing
 * changed.
 * @param workloadKey `namespace/pod`
 * @returns undefined where there is no such workload: its pod has no proxy, no address or has ended
 */
export function proxyResources(snapshot: Snapshot, workloadKey: string): ProxyResources | undefined {
  const workload = workloads(snapshot).get(workloadKey)
  if (!workload) return undefined
  const resources = workload.role === 'gateway' ? ofGateway(snapshot, workload) : ofSidecar(snapshot, workload)
  const seen = withinImports(snapshot, workload, resources)
  return patchedResources(snapshot, workload, withTelemetry(snapshot, workload, seen))
}

const scopeOf = perSnapshot(outboundScope)

function outboundOf(snapshot: Snapshot, workload: Workload): OutboundScope {
  const [keys, place] = [keySourceOf(workload), clientPlace(snapshot, workload)]
  return asSelected(snapshot, scopeOf(snapshot, workload.namespace, keys, place), workload, keys, place)
}

/** The same for all clients that nothing makes a difference between. */
const routingOf = perSnapshot((snapshot, client: Client, unknown: UnknownHosts, redirected: boolean) => {
  const routes = outboundRoutes(snapshot, client, unknown, redirected)
  return { routes, scopedRoutes: routeScopes(snapshot, client, routes) }
})

function ofGateway(snapshot: Snapshot, workload: Workload): ProxyResources {
  const { clusters, endpoints } = outboundOf(snapshot, workload)
  const own = gatewayResources(snapshot, workload, edgeClusters(clusters))
  const { listener, routes, secret, clientCertificate, udp } = own
  const policies = policyResources(snapshot, workload)
  const called = clientCertificate === undefined ? own.clusters : withClientCertificate(own.clusters, clientCertificate)
  return {
    cluster: [
      called,
      ...(own.sniClusters ? [own.sniClusters] : []),
      ...policies.clusters,
      ...(udp ? [udp.clusters] : []),
    ],
    endpoints: [endpoints, ...(udp ? [udp.endpoints] : [])],
    extension: policies.extensions,
    listener: [workload.isEnding ? draining(listener) : listener],
    routes: [routes],
    secret: [secret],
  }
}

function ofSidecar(snapshot: Snapshot, workload: Workload): ProxyResources {
  const { clusters, endpoints } = outboundOf(snapshot, workload)
  const redirected = workload.capture.mode === 'redirect'
  const ofCapture = redirected ? redirectedSidecar : sidecarResources
  const own = ofCapture(snapshot, workload, inboundPorts(snapshot, workload))
  const client = clientOfWorkload(snapshot, workload)
  const policies = policyResources(snapshot, workload)
  const passesOn = redirected && outboundTrafficOf(snapshot, workload) === 'ALLOW_ANY'
  const unknown = passesOn ? 'passthrough' : 'refuse'
  return {
    cluster: [clusters, ...own.clusters, ...policies.clusters],
    endpoints: [endpoints],
    extension: policies.extensions,
    listener: own.listeners,
    ...routingOf(snapshot, client, unknown, redirected),
  }
}
