import type * as core from '../resources/core.ts'
import { matchesLabels } from '../resources/labels.ts'
import { derive, deriveIndex } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { InboundPort, Workload } from './model.ts'
import { type MtlsPolicy, mtlsModeAt, mtlsPolicyOf } from './peer-authentication.ts'
import { byAge } from './precedence.ts'
import { servicePortProtocol } from './protocol.ts'

/**
 * The ports on which a workload takes traffic: the target ports of all Services that select it, by port number. Where Services
 * disagree on a port's protocol, the oldest decides.
 */
export function inboundPorts(snapshot: Snapshot, workload: Workload): readonly InboundPort[] {
  const groups = groupsOf(workload, servicesByLabel(snapshot.all('core/Service')))
  return portsOf(workload, mtlsPolicyOf(snapshot, workload), ...groups)
}

type Groups = PersistentMap<PersistentMap<core.Service>>

/** The services that have a chance to select a workload. */
const groupsOf = derive('mesh/inbound/groups', (workload: Workload, byLabel: Groups) =>
  Object.entries(workload.labels).flatMap(
    ([name, value]) => byLabel.get(labelGroup(workload.namespace, name, value)) ?? [],
  ),
)

/** By the first label of its selector, so that a workload looks only at services that have a chance to select it. */
const servicesByLabel = deriveIndex<core.Service>('mesh/inbound/services', (_, service) => {
  const [first] = Object.entries(service.spec?.selector ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  return first ? [labelGroup(service.metadata.namespace ?? '', ...first)] : []
})

function labelGroup(namespace: string, name: string, value: string): string {
  return `${namespace} ${name}=${value}`
}

const portsOf = derive(
  'mesh/inbound',
  (workload: Workload, policy: MtlsPolicy, ...groups: PersistentMap<core.Service>[]): readonly InboundPort[] => {
    const ports = new Map<number, InboundPort>()
    for (const service of groups.flatMap((group) => [...group.values()]).sort(byAge)) {
      if (!matchesLabels(service.spec?.selector, workload.labels)) continue
      for (const written of service.spec?.ports ?? []) {
        const port = targetPort(written, workload)
        const protocol = servicePortProtocol(written)
        if (port === undefined || protocol === 'udp' || ports.has(port)) continue
        ports.set(port, { port, protocol, mtls: mtlsModeAt(policy, port), service })
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
