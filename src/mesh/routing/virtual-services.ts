import { resolveHost } from '../../resources/host.ts'
import type { VirtualService } from '../../resources/istio.ts'
import { derive, deriveIndex, deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { meshConfig } from '../mesh-config.ts'
import { EVERYONE, exportedTo } from '../visibility.ts'

/** VirtualServices that claim the same host or gateway, by `namespace/name`. */
export type VirtualServices = PersistentMap<VirtualService>

/** What `gateways` calls all the sidecars. */
export const MESH = 'mesh'

/** All of them; what says nothing of who sees it has the mesh config's `exportTo`. */
export function virtualServices(snapshot: Snapshot): VirtualServices {
  const all = snapshot.all('networking.istio.io/VirtualService')
  const byDefault = meshConfig(snapshot).exportTo.virtualServices
  return byDefault === EVERYONE ? all : exported([all], byDefault)
}

const exported = deriveMap<[VirtualServices], [readonly string[]], VirtualService>(
  'mesh/virtual-services/exported',
  (_, [each], byDefault) =>
    each?.spec && !each.spec.exportTo?.length ? { ...each, spec: { ...each.spec, exportTo: byDefault } } : each,
)

/** By each host that they claim: VirtualServices for calls between workloads. Hosts may be wildcards. */
export function meshVirtualServices(snapshot: Snapshot): PersistentMap<VirtualServices> {
  return byHost(virtualServices(snapshot))
}

/** Whether a VirtualService is exported to a namespace (to all, where none is given). */
export function isVisible(virtualService: VirtualService, namespace: string | undefined): boolean {
  const exported = exportedTo(virtualService.spec?.exportTo, virtualService.metadata.namespace ?? '')
  return exported.includes('*') || (namespace !== undefined && exported.includes(namespace))
}

/** Whether it routes some clients otherwise than others, by `sourceLabels` or `sourceNamespace`. */
export function dependsOnClient(virtualService: VirtualService): boolean {
  const { http = [], tcp = [], tls = [] } = virtualService.spec ?? {}
  return [...http, ...tcp, ...tls].some(({ match }) =>
    (match ?? []).some(
      ({ sourceLabels, sourceNamespace }) => sourceLabels !== undefined || sourceNamespace !== undefined,
    ),
  )
}

/** Labels of clients that any VirtualService asks for by `sourceLabels`, sorted. */
export function sourceLabelNames(snapshot: Snapshot): readonly string[] {
  return sortedNames(askedLabels([snapshot.all('networking.istio.io/VirtualService')]))
}

const sortedNames = derive(
  'mesh/virtual-services/source-labels/names',
  (asked: PersistentMap<readonly string[]>): readonly string[] => [...new Set([...asked.values()].flat())].sort(),
)

/** The key of a gateway that `gateways` names from an object in `namespace`: `mesh`, or `namespace/name` of an Istio Gateway. */
export function gatewayKey(name: string, namespace: string): string {
  return name === MESH || name.includes('/') ? name : `${namespace}/${name}`
}

/** The gateways that a VirtualService is for. */
export function gatewaysOf(virtualService: VirtualService): readonly string[] {
  const { gateways } = virtualService.spec ?? {}
  if (!gateways?.length) return [MESH]
  return gateways.map((name) => gatewayKey(name, virtualService.metadata.namespace ?? ''))
}

/** Its `hosts`, with short names resolved in its own namespace. */
export function hostsOf(virtualService: VirtualService): readonly string[] {
  return (virtualService.spec?.hosts ?? []).map((host) => resolveHost(host, virtualService.metadata.namespace ?? ''))
}

const byHost = deriveIndex<VirtualService>('mesh/virtual-services/host', (_, virtualService) =>
  gatewaysOf(virtualService).includes(MESH) ? hostsOf(virtualService) : [],
)

const askedLabels = deriveMap<[PersistentMap<VirtualService>], [], readonly string[]>(
  'mesh/virtual-services/source-labels',
  (_, [virtualService]) => {
    const { http = [], tcp = [], tls = [] } = virtualService?.spec ?? {}
    const names = [...http, ...tcp, ...tls].flatMap(({ match }) =>
      (match ?? []).flatMap(({ sourceLabels }) => Object.keys(sourceLabels ?? {})),
    )
    return names.length > 0 ? names : undefined
  },
)
