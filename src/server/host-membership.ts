import { type Server, type ServerDuplexStream, type ServiceError, status } from '@grpc/grpc-js'
import {
  entryOfHost,
  type HostMessage,
  type HostPlace,
  hostMembershipDefinition,
} from '../agent/workload-group/host-membership.ts'
import type { Registry } from '../agent/workload-group/membership.ts'
import { type AuditLog, hostOf } from '../identity/audit-log.ts'
import type { CaStore } from '../identity/ca-store.ts'
import { RefusedCall } from '../identity/certificate-service.ts'
import { type Host, hostOfNode, hostsIn } from '../identity/hosts.ts'
import { pathOfId } from '../identity/own-domains.ts'
import { peerOf } from '../identity/peer.ts'
import { spiffeId } from '../mesh/trust-domains.ts'
import type { WorkloadEntry, WorkloadGroup } from '../resources/istio.ts'
import { keyOf } from '../resources/resource.ts'
import { sameValue } from '../store/same-value.ts'
import type { Store } from '../store/store.ts'

export interface HostMembershipOptions {
  readonly store: Store
  /** Who was invited. */
  readonly ca: CaStore
  readonly trustDomain: string
  /** Where WorkloadEntries are written. */
  readonly registry: Registry
  readonly audit: Pick<AuditLog, 'record'>
}

/** Adds to the port for agents what makes hosts outside of clusters members of their WorkloadGroups: by their agents' certificates, and as what they were invited only. */
export function addHostMembership(server: Server, options: HostMembershipOptions): void {
  server.addService(hostMembershipDefinition, {
    send(call: ServerDuplexStream<HostMessage, HostPlace>) {
      call.once('data', (message: HostMessage) => {
        answer(call, message, options)
          .then((place) => {
            call.write(place)
            call.end()
          })
          .catch((error: Error) => {
            const refused = error instanceof RefusedCall
            call.emit('error', {
              code: refused ? error.code : status.UNAVAILABLE,
              details: error.message,
            } satisfies Partial<ServiceError>)
          })
      })
      call.on('error', () => {})
    },
  })
}

async function answer(
  call: ServerDuplexStream<HostMessage, HostPlace>,
  message: HostMessage,
  { store, ca, trustDomain, registry, audit }: HostMembershipOptions,
): Promise<HostPlace> {
  const peer = peerOf(call, trustDomain)
  const refuse = (code: status, reason: string): never => {
    const who = peer?.spiffeId ?? 'unknown'
    audit.record({ outcome: 'refused', action: 'host.membership', who, from: hostOf(call.getPeer()), reason })
    throw new RefusedCall(code, reason)
  }
  const name =
    peer?.identity.kind === 'agent' && peer.notAfter.getTime() > Date.now() ? hostOfNode(peer.identity.node) : undefined
  if (name === undefined)
    return refuse(status.UNAUTHENTICATED, 'this is for agents of hosts outside of clusters, with their certificate')
  const host = hostsIn(await ca.read()).find((each) => each.name === name)
  if (!host) return refuse(status.PERMISSION_DENIED, `host ${name} was revoked; invite it again: weft token create`)
  const found = groupOf(host, store)
  if ('problem' in found) throw new RefusedCall(status.FAILED_PRECONDITION, found.problem)
  const { group } = found
  const place = placeOf({ ...host, identity: `spiffe://${trustDomain}${pathOfId(host.identity)}` }, group)
  if ('leave' in message) {
    await registry.remove(entryOfHost(group, name, NOWHERE))
    return place
  }
  const said = 'join' in message ? message.join : message.tell
  const wanted = entryOfHost(group, name, said)
  const before = store.snapshot.get('networking.istio.io/WorkloadEntry', keyOf(wanted))
  if ('join' in message || !before || !isAsWanted(before, wanted)) await registry.put(wanted)
  if ('tell' in message) await registry.tell(wanted, message.tell.health)
  return place
}

/** Of an entry that goes, only the name counts. */
const NOWHERE = { address: '', capture: { mode: 'redirect', dns: false } } as const

function placeOf(host: Host, group: WorkloadGroup): HostPlace {
  const { name, namespace = '' } = entryOfHost(group, host.name, NOWHERE).metadata
  return { group, namespace, entry: name, identity: host.identity }
}

/** The group that a host was invited for, as long as that is still of the same identity. */
function groupOf({ name, group: key, identity }: Host, store: Store): { group: WorkloadGroup } | { problem: string } {
  if (key === undefined)
    return {
      problem: `host ${name} was invited for an identity alone; for configuration, too: weft token create ${name} --workload-group`,
    }
  const group = store.snapshot.get('networking.istio.io/WorkloadGroup', key)
  if (!group) return { problem: `there is no WorkloadGroup ${key}, of which host ${name} is to be a member` }
  const now = spiffeId(group.metadata.namespace ?? '', group.spec?.template?.serviceAccount || 'default')
  if (pathOfId(now) === pathOfId(identity)) return { group }
  return {
    problem: `WorkloadGroup ${key} is ${now} now, and host ${name} was invited as ${identity}; invite it again: weft token create`,
  }
}

function isAsWanted({ metadata, spec }: WorkloadEntry, wanted: WorkloadEntry): boolean {
  const { labels, annotations } = wanted.metadata
  const has = (all: Readonly<Record<string, string>> = {}, some: Readonly<Record<string, string>> = {}) =>
    Object.entries(some).every(([name, value]) => all[name] === value)
  return sameValue(spec, wanted.spec) && has(metadata.labels, labels) && has(metadata.annotations, annotations)
}
