import type { PodTemplate } from '../resources/core.ts'

/** Name of the workload that a pod is made for, as people know it: of the Deployment rather than of its ReplicaSet, of the CronJob rather than of its Job. */
export function workloadName({ metadata = {} }: PodTemplate): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller)
  if (!owner) return metadata.name ?? metadata.generateName?.replace(/-+$/, '') ?? ''
  const hash = metadata.labels?.['pod-template-hash']
  if (owner.kind === 'ReplicaSet' && hash && owner.name.endsWith(`-${hash}`))
    return owner.name.slice(0, -hash.length - 1)
  // The CronJob controller names Jobs after the minute that they are for.
  if (owner.kind === 'Job') return owner.name.replace(/-\d{8}$/, '')
  return owner.name
}
