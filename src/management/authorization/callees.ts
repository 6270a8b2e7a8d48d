import type { Workload } from '../../mesh/model.ts'
import { workloadName } from '../../mesh/pod-owner.ts'
import { workloads } from '../../mesh/workloads.ts'
import type { Snapshot } from '../../store/snapshot.ts'

/** The pods with a proxy by what telemetry calls them: `NAMESPACE/WORKLOAD`. */
export function podsByWorkload(snapshot: Snapshot): ReadonlyMap<string, readonly Workload[]> {
  const found = new Map<string, Workload[]>()
  for (const [key, workload] of workloads(snapshot)) {
    const { metadata = {} } = snapshot.get('core/Pod', key) ?? {}
    const name = `${workload.namespace}/${workloadName({ metadata })}`
    const pods = found.get(name)
    if (pods) pods.push(workload)
    else found.set(name, [workload])
  }
  return found
}
