import { clientPlace } from '../mesh/client-place.ts'
import { envoyFiltersOf } from '../mesh/envoy-filters.ts'
import { inboundPorts } from '../mesh/inbound-ports.ts'
import { keySourceOf, type Workload } from '../mesh/model.ts'
import { importsOf } from '../mesh/sidecars.ts'
import { telemetryOf } from '../mesh/telemetry.ts'
import { workloads } from '../mesh/workloads.ts'
import { latest, perReads } from '../store/derive.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { alikeOf, type Shared, scopeOf, sharedBy } from './alike-sidecars.ts'
import { type PolicyResources, policyResources } from './authorization/policy-resources.ts'
import type { ProxyResources } from './encoded-resource.ts'
import { patchedResources } from './envoy-filter/patched-resources.ts'
import { withClientCertificate } from './gateway/client-certificate.ts'
import { draining } from './gateway/draining.ts'
import { edgeClusters } from './gateway/edge-clusters.ts'
import { gatewayResources } from './gateway/gateway-resources.ts'
import { withinImports } from './imports.ts'
import type { OutboundScope } from './nearby.ts'
import { redirectedSidecar } from './redirected-sidecar.ts'
import { asSelected } from './selected-clients.ts'
import { type OwnResources, sidecarResources } from './sidecar.ts'
import { withTelemetry } from './telemetry-settings.ts'

/**
 * All that the proxy of a workload may see. Layers that others share are the same maps for all of them, and equal to the last ones where nothing
 * changed; of most sidecars that nothing changed for, all of it is the same object.
 * @param workloadKey `namespace/pod`
 * @returns undefined where there is no such workload: its pod has no proxy, no address or has ended
 */
export function proxyResources(snapshot: Snapshot, workloadKey: string): ProxyResources | undefined {
  const workload = workloads(snapshot).get(workloadKey)
  if (!workload) return undefined
  const resources = workload.role === 'gateway' ? ofGateway(snapshot, workload) : ofSidecar(snapshot, workload)
  return isUsual(snapshot, workload) ? resources : asWritten(snapshot, workload, resources)
}

/** Whether no Sidecar, Telemetry or EnvoyFilter says anything of a workload. */
const isUsual = perReads(
  (snapshot, workload: Workload) =>
    !importsOf(snapshot, workload) &&
    !telemetryOf(snapshot, workload) &&
    envoyFiltersOf(snapshot, workload).length === 0,
)

const asWritten = perReads((snapshot, workload: Workload, resources: ProxyResources): ProxyResources => {
  const seen = withinImports(snapshot, workload, resources)
  return patchedResources(snapshot, workload, withTelemetry(snapshot, workload, seen))
})

function ofGateway(snapshot: Snapshot, workload: Workload): ProxyResources {
  const [keys, place] = [keySourceOf(workload), clientPlace(snapshot, workload)]
  const scope = scopeOf(snapshot, workload.namespace, keys, place)
  const { clusters, endpoints } = asSelected(snapshot, scope, workload, keys, place)
  const own = gatewayResources(snapshot, workload, edgeClusters(clusters))
  const { listener, routes, secret, clientCertificate, udp, signOn } = own
  const policies = policyResources(snapshot, workload)
  const called = clientCertificate === undefined ? own.clusters : withClientCertificate(own.clusters, clientCertificate)
  return {
    cluster: [
      called,
      ...(own.sniClusters ? [own.sniClusters] : []),
      ...policies.clusters,
      ...(udp ? [udp.clusters] : []),
      ...(signOn ? [signOn.clusters] : []),
    ],
    endpoints: [endpoints, ...(udp ? [udp.endpoints] : [])],
    extension: policies.extensions,
    listener: [workload.isEnding ? draining(listener) : listener],
    routes: [routes],
    secret: signOn ? [secret, signOn.secret] : [secret],
  }
}

/** Hundreds of sidecars are asked for after each change: what they share is asked for once, and what is theirs only where it may have changed. */
function ofSidecar(snapshot: Snapshot, workload: Workload): ProxyResources {
  const alike = alikeOf(snapshot, workload)
  const shared = sharedBy(snapshot, alike)
  const scope = asSelected(snapshot, shared.scope, workload, alike.keys, alike.place)
  return together(workload, ownResources(snapshot, workload), policyResources(snapshot, workload), shared, scope)
}

const ownResources = perReads((snapshot, workload: Workload) => {
  const ofCapture = workload.capture.mode === 'redirect' ? redirectedSidecar : sidecarResources
  return ofCapture(snapshot, workload, inboundPorts(snapshot, workload))
})

const together = latest(
  (
    _: Workload,
    own: OwnResources,
    policies: PolicyResources,
    { listeners, routes, scopedRoutes }: Shared,
    { clusters, endpoints }: OutboundScope,
  ): ProxyResources => ({
    cluster: [clusters, ...own.clusters, ...policies.clusters],
    endpoints: [endpoints],
    extension: policies.extensions,
    listener: [...own.listeners, ...listeners],
    routes,
    scopedRoutes,
  }),
)
