import { isDeepStrictEqual } from 'node:util'
import { type EstateObject, groupOf } from '../../adoption/estate/estate.ts'
import { nameText } from '../../adoption/onboarding/writing.ts'
import type { Pod } from '../../resources/core.ts'
import type { ApiServer } from '../../sources/kubernetes/api-server.ts'
import { type LiveObject, listLive, readLive } from '../../sources/kubernetes/write.ts'
import { find } from './laptop-ground.ts'
import { type Ground, RUNNERS } from './mesh-state.ts'
import { Recent } from './recent.ts'
import type { RecentAnswers } from './recent-answers.ts'

/** Groups of which the servers of the mesh read all that there is, and know what counts. */
const READ_BY_MESH: ReadonlySet<string> = new Set([
  'security.istio.io',
  'networking.istio.io',
  'gateway.networking.k8s.io',
])

/** As much of a workload's status as tells how far it is. */
interface Rollout {
  readonly observedGeneration?: number
  readonly replicas?: number
  readonly updatedReplicas?: number
  readonly availableReplicas?: number
  readonly unavailableReplicas?: number
  readonly desiredNumberScheduled?: number
  readonly updatedNumberScheduled?: number
  readonly numberUnavailable?: number
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[]
}

/** A cluster: its API server has what is written, its controllers start pods, and the servers of the mesh follow. */
export function clusterGround(server: ApiServer, answers: RecentAnswers): Ground {
  const recent = new Recent()
  return {
    pods: () => recent.of('pods', () => podsOf(server)),
    async unread(wanted) {
      // Pods of before a change must not be taken for those of after it.
      if (RUNNERS.has(wanted.kind)) recent.forget()
      const there = await readLive(server, wanted)
      if (!there || !isApplied(there as EstateObject, wanted))
        return `${nameText(wanted)} has not been applied to the cluster`
      if (!READ_BY_MESH.has(groupOf(wanted.apiVersion))) return undefined
      const read = await find(answers, wanted)
      return read && isAsNew(read, there) ? undefined : `the servers have not read ${nameText(wanted)}`
    },
    async has(name) {
      if (RUNNERS.has(name.kind)) recent.forget()
      if (await readLive(server, name)) return true
      return READ_BY_MESH.has(groupOf(name.apiVersion)) && (await find(answers, name)) !== undefined
    },
    async rollout(wanted) {
      const there = await readLive(server, wanted)
      return there ? unfinished(there) : `${nameText(wanted)} is gone`
    },
    async stuck(wanted) {
      if (!RUNNERS.has(wanted.kind)) return undefined
      const there = await readLive(server, wanted)
      const { conditions = [] } = (there?.['status'] ?? {}) as Rollout
      const failure = conditions.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True')
      return failure && `no pod of ${nameText(wanted)} can be made: ${failure.message}`
    },
    proxies: () => answers.mesh.proxies(),
  }
}

interface PodRestarts extends Pod {
  readonly status?: Pod['status'] & {
    readonly containerStatuses?: readonly { readonly restartCount?: number }[]
    readonly initContainerStatuses?: readonly { readonly restartCount?: number }[]
  }
}

async function podsOf(server: ApiServer) {
  const pods = (await listLive(server, { apiVersion: 'v1', kind: 'Pod' })) as unknown as readonly PodRestarts[]
  const restarts = pods.map(({ metadata, status }): [string, number] => [
    `${metadata.namespace}/${metadata.name}`,
    [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].reduce(
      (sum, { restartCount = 0 }) => sum + restartCount,
      0,
    ),
  ])
  return { pods, restarts: new Map(restarts) }
}

/** Whether what is wanted is there. API servers and webhooks fill in what is not written; labels of pods they do not, and what is of the mesh hardly. */
function isApplied(there: EstateObject, wanted: EstateObject): boolean {
  const labels = (object: EstateObject) =>
    (object['spec'] as { readonly template?: { readonly metadata?: { readonly labels?: object } } } | undefined)
      ?.template?.metadata?.labels ?? {}
  return (
    isWithin(wanted['spec'] ?? {}, there['spec'] ?? {}) &&
    isDeepStrictEqual(labels(wanted), labels(there)) &&
    (groupOf(wanted.apiVersion).endsWith('.istio.io')
      ? isDeepStrictEqual(wanted['spec'], there['spec']) && isDeepStrictEqual(istioWords(wanted), istioWords(there))
      : true)
  )
}

/** Annotations that change what an object means, such as `istio.io/dry-run`. */
function istioWords({ metadata }: EstateObject): object {
  return Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([name]) => name.startsWith('istio.io/')))
}

/** Whether all that is written is there, as it is written. */
function isWithin(written: unknown, there: unknown): boolean {
  if (Array.isArray(written))
    return (
      Array.isArray(there) && written.length === there.length && written.every((each, i) => isWithin(each, there[i]))
    )
  if (typeof written !== 'object' || written === null) return Object.is(written, there)
  if (typeof there !== 'object' || there === null) return Object.keys(written).length === 0
  return Object.entries(written).every(([name, value]) => isWithin(value, (there as Record<string, unknown>)[name]))
}

/** Whether the servers have read an object as it is now. */
function isAsNew(read: EstateObject, there: LiveObject): boolean {
  const { generation } = read.metadata as { readonly generation?: number }
  return (
    generation === there.metadata.generation && isDeepStrictEqual(istioWords(read), istioWords(there as EstateObject))
  )
}

function unfinished(there: LiveObject): string | undefined {
  const status = (there['status'] ?? {}) as Rollout
  const name = nameText(there)
  if ((status.observedGeneration ?? 0) < (there.metadata.generation ?? 0))
    return `the controller of ${name} has not seen the change`
  const { replicas = 1, updateStrategy = {} } = (there['spec'] ?? {}) as {
    readonly replicas?: number
    readonly updateStrategy?: { readonly type?: string; readonly rollingUpdate?: { readonly partition?: number } }
  }
  // Who deletes pods by hand decides how many are new.
  const left = updateStrategy.rollingUpdate?.partition ?? 0
  if (updateStrategy.type !== 'OnDelete') {
    const wanted = there.kind === 'DaemonSet' ? (status.desiredNumberScheduled ?? 0) : Math.max(0, replicas - left)
    const updated = (there.kind === 'DaemonSet' ? status.updatedNumberScheduled : status.updatedReplicas) ?? 0
    if (updated < wanted) return `${updated} of ${wanted} instances of ${name} are new`
    if (left === 0 && (status.replicas ?? updated) > updated) return `old instances of ${name} are still there`
  }
  const missing = there.kind === 'StatefulSet' ? replicas - (status.availableReplicas ?? 0) : 0
  const away = status.unavailableReplicas ?? status.numberUnavailable ?? missing
  return away > 0 ? `${away} instances of ${name} are not available` : undefined
}
