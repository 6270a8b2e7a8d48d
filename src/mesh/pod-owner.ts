/** As much of a pod, or of a template of one, as tells whose it is. */
interface OwnedPod {
  readonly metadata?: {
    readonly name?: string
    readonly generateName?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly ownerReferences?: readonly {
      readonly kind: string
      readonly name: string
      readonly controller?: boolean
    }[]
  }
}

/** Name of the workload that a pod is made for, as people know it: of the Deployment rather than of its ReplicaSet, of the CronJob rather than of its Job. */
export function workloadName({ metadata = {} }: OwnedPod): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller)
  if (!owner) return metadata.name ?? metadata.generateName?.replace(/-+$/, '') ?? ''
  const hash = metadata.labels?.['pod-template-hash']
  if (owner.kind === 'ReplicaSet' && hash && owner.name.endsWith(`-${hash}`))
    return owner.name.slice(0, -hash.length - 1)
  // The CronJob controller names Jobs after the minute that they are for.
  if (owner.kind === 'Job') return owner.name.replace(/-\d{8}$/, '')
  return owner.name
}
