import type { AppWorkload, EstateObject } from '../../estate/estate.ts'
import { ownInstances } from '../look.ts'
import type { Finding } from '../onboarding.ts'
import { FIRST_INSTANCE } from '../rules.ts'
import type { View } from '../step.ts'

/** `spec.updateStrategy` of StatefulSets and DaemonSets. */
interface UpdateStrategy {
  readonly type?: string
  readonly rollingUpdate?: { readonly partition?: number; readonly maxSurge?: number | string }
}

/** Whether its instances have a place each (a name and a volume, or a node), so that none can stand beside the others: one of them is made anew. */
export function isInPlace({ kind }: AppWorkload): boolean {
  return kind === 'StatefulSet' || kind === 'DaemonSet'
}

/**
 * The workload with a first instance of its new template: of a StatefulSet the last, by its partition; of a DaemonSet, and of a StatefulSet that is updated as instances are
 * deleted, the one that somebody deletes.
 * @param object with its new template
 */
export function withFirstInstance(workload: AppWorkload, object: EstateObject): EstateObject {
  const spec = object['spec'] as object
  const strategy = strategyOf(workload.object)
  if (workload.kind === 'StatefulSet' && strategy.type !== 'OnDelete') {
    const rollingUpdate = { ...strategy.rollingUpdate, partition: (workload.replicas ?? 1) - 1 }
    return { ...object, spec: { ...spec, updateStrategy: { type: 'RollingUpdate', rollingUpdate } } }
  }
  const annotations = { ...object.metadata.annotations, [FIRST_INSTANCE]: 'true' }
  return {
    ...object,
    metadata: { ...object.metadata, annotations },
    spec: { ...spec, updateStrategy: { type: 'OnDelete' } },
  }
}

/** The workload with all of its instances of its template: as it was updated before there was a first one. */
export function withAllInstances(view: View, workload: AppWorkload, object: EstateObject): EstateObject {
  const before = beforeFirst(view, workload)
  if (!before) return object
  const { updateStrategy: _, ...spec } = object['spec'] as { readonly updateStrategy?: object }
  const { updateStrategy } = (before['spec'] ?? {}) as { readonly updateStrategy?: object }
  const { annotations: { [FIRST_INSTANCE]: __, ...annotations } = {}, ...metadata } = object.metadata
  return {
    ...object,
    metadata: { ...metadata, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
    spec: { ...spec, ...(updateStrategy ? { updateStrategy } : {}) },
  }
}

/** Whether it has a first instance that was made so, and not yet all. */
export function hasFirstInstance(view: View, workload: AppWorkload): boolean {
  return beforeFirst(view, workload) !== undefined
}

/** As it was before it got a first instance; undefined where it got none. */
function beforeFirst({ onboarding }: View, { kind, name, namespace }: AppWorkload): EstateObject | undefined {
  if (kind !== 'StatefulSet' && kind !== 'DaemonSet') return undefined
  return onboarding.steps['proxy-canary'].objects?.find(
    (each) => each.name.kind === kind && each.name.metadata.name === name && each.name.metadata.namespace === namespace,
  )?.before
}

function strategyOf(object: EstateObject): UpdateStrategy {
  return ((object['spec'] ?? {}) as { readonly updateStrategy?: UpdateStrategy }).updateStrategy ?? {}
}

/** Whether it can be made anew one instance after the other, with others there meanwhile. */
export function rollsInPlace(view: View, workload: AppWorkload): readonly Finding[] {
  const { kind, name, namespace } = workload
  const { rollingUpdate = {} } = strategyOf(beforeFirst(view, workload) ?? workload.object)
  const { partition = 0, maxSurge = 0 } = rollingUpdate
  if (kind === 'StatefulSet' && partition > 0)
    return [
      {
        holds: false,
        says: `StatefulSet ${name} leaves its first ${partition} instances as they are (partition ${partition})`,
        remedy: 'set spec.updateStrategy.rollingUpdate.partition to 0',
      },
    ]
  const instances = ownInstances(view).filter((each) => each.workload.name === name)
  if (instances.length !== 1 || (kind === 'DaemonSet' && maxSurge !== 0 && maxSurge !== '0%')) return []
  const patch = `{"spec":{"template":{"metadata":{"labels":{"sidecar.istio.io/inject":"true"}}}}}`
  return [
    {
      holds: false,
      says: `${kind} ${name} has one instance, which ends before the next one starts`,
      remedy: `have two or more; or add its proxy while it may be down: kubectl -n ${namespace} patch ${kind.toLowerCase()} ${name} -p '${patch}'`,
    },
  ]
}
