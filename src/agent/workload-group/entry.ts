import { HEALTH_CHECKED, OF_GROUP } from '../../mesh/member-health.ts'
import type { WorkloadEntry, WorkloadGroup } from '../../resources/istio.ts'
import { KIND } from '../../resources/resource.ts'

export interface Member {
  /** By which others reach the host: an IP address, or a name of DNS. */
  readonly address: string
  /** What to call it among the group's, if not by its address. */
  readonly name?: string
}

/**
 * The WorkloadEntry of a host that belongs to a WorkloadGroup: what the group's `template` and `metadata` say, at the host's address. Goes with the group, where
 * that is in a cluster. Source: "Workload Group" in Istio's reference.
 */
export function entryOf(group: WorkloadGroup, { address, name }: Member): WorkloadEntry {
  const { metadata = {}, template, probe } = group.spec ?? {}
  const { namespace, name: groupName, uid } = group.metadata
  const owner = { apiVersion: group.apiVersion, kind: group.kind, name: groupName, controller: true }
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    [KIND]: 'networking.istio.io/WorkloadEntry',
    metadata: {
      name: `${groupName}-${name ?? address.replace(/[^a-z0-9]+/gi, '-').toLowerCase()}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...metadata.labels },
      annotations: {
        ...metadata.annotations,
        [OF_GROUP]: groupName,
        ...(probe ? { [HEALTH_CHECKED]: 'true' } : {}),
      },
      ...(uid === undefined ? {} : { ownerReferences: [{ ...owner, uid }] }),
    },
    spec: { ...template, address },
  }
}
