import { hostMatches } from '../resources/host.ts'
import type { Sidecar } from '../resources/istio.ts'
import { matchesLabels } from '../resources/labels.ts'
import { derive, deriveMap } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type MeshConfig, meshConfig } from './mesh-config.ts'
import type { Service, Workload } from './model.ts'
import { byAge } from './precedence.ts'
import { services } from './services.ts'
import { ROOT_NAMESPACE } from './visibility.ts'

/** What a workload may call: the `egress` of a Sidecar, with the namespace that `.` stands for. The same object for all that have the same. */
export interface Imports {
  readonly sidecar: Sidecar
  /** Of the workload. */
  readonly namespace: string
}

/** What a workload may call; undefined where no Sidecar says anything of it, and it sees everything. The most specific Sidecar that has an `egress` counts. */
export function importsOf(snapshot: Snapshot, workload: Workload): Imports | undefined {
  const sidecar = sidecarsOf(snapshot, workload).find(({ spec }) => spec?.egress?.length)
  return sidecar && imports(sidecar, workload.namespace)
}

/** The Sidecar that says where a workload takes traffic, where one does. */
export function sidecarOf(snapshot: Snapshot, workload: Workload): Sidecar | undefined {
  return sidecarsOf(snapshot, workload)[0]
}

/** Where connections of a workload go that are to nothing the mesh knows: by its Sidecar, else by the mesh config. */
export function outboundTrafficOf(snapshot: Snapshot, workload: Workload): MeshConfig['outboundTraffic'] {
  const policy = sidecarOf(snapshot, workload)?.spec?.outboundTrafficPolicy
  // Where a Sidecar has the field without a mode, the API's default is meant.
  return policy ? (policy.mode ?? 'REGISTRY_ONLY') : meshConfig(snapshot).outboundTraffic
}

/**
 * The Sidecars that are for a workload, the most specific first: one of the namespace that selects the workload, one of the namespace for all, one of
 * the root namespace. Of several the oldest. Source: "Sidecar" in Istio's reference. Gateways are no sidecars.
 */
function sidecarsOf(snapshot: Snapshot, { namespace, labels, role }: Workload): readonly Sidecar[] {
  const all = snapshot.all('networking.istio.io/Sidecar')
  if (all.size === 0 || role === 'gateway') return []
  const { forAll, selecting } = table(all)
  return [
    ...(selecting.get(namespace) ?? []).filter(({ spec }) => matchesLabels(spec?.workloadSelector?.labels, labels)),
    ...[forAll.get(namespace), forAll.get(ROOT_NAMESPACE)].flatMap((sidecar) => sidecar ?? []),
  ]
}

const imports = derive(
  'mesh/sidecars/imports',
  (sidecar: Sidecar, namespace: string): Imports => ({ sidecar, namespace }),
)

interface Table {
  /** By namespace: those without a selector, of which there should be one. */
  readonly forAll: ReadonlyMap<string, Sidecar>
  readonly selecting: ReadonlyMap<string, readonly Sidecar[]>
}

// Made anew for any of them: they are few and rarely change.
const table = derive('mesh/sidecars', (all: PersistentMap<Sidecar>): Table => {
  const forAll = new Map<string, Sidecar>()
  const selecting = new Map<string, Sidecar[]>()
  for (const sidecar of [...all.values()].sort(byAge)) {
    const { namespace = '' } = sidecar.metadata
    const selects = Object.keys(sidecar.spec?.workloadSelector?.labels ?? {}).length > 0
    if (selects) selecting.set(namespace, [...(selecting.get(namespace) ?? []), sidecar])
    else if (!forAll.has(namespace)) forAll.set(namespace, sidecar)
  }
  return { forAll, selecting }
})

/** The services that these imports name, by host. */
export function importedServices(snapshot: Snapshot, imports: Imports): PersistentMap<Service> {
  return imported([services(snapshot)], imports)
}

const imported = deriveMap<[PersistentMap<Service>], [Imports], Service>(
  'mesh/sidecars/services',
  (_, [service], imports) => (service && isImported(service, imports) ? service : undefined),
)

function isImported({ host, namespace, ports }: Service, { sidecar, namespace: own }: Imports): boolean {
  return (sidecar.spec?.egress ?? []).some(({ hosts, port }) => {
    if (port?.number !== undefined && !ports.some(({ number }) => number === port.number)) return false
    return hosts.some((written) => {
      const slash = written.indexOf('/')
      const [from, name] = slash < 0 ? ['*', written] : [written.slice(0, slash), written.slice(slash + 1)]
      if (from !== '*' && (from === '.' ? own : from) !== namespace) return false
      return name === '*' || hostMatches(name.toLowerCase(), host)
    })
  })
}
