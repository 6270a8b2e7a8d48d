import { setTimeout as after } from 'node:timers/promises'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { type LiveObject, listLive, readLive } from '../sources/kubernetes/write.ts'

/** What pods are made of. */
export interface Workload {
  readonly kind: 'Deployment' | 'StatefulSet' | 'DaemonSet'
  readonly namespace: string
  readonly name: string
}

/** How far it is, and what is in its way. */
export interface RolloutState {
  readonly done: boolean
  readonly ready: number
  readonly wanted: number
  /** Of its pods: such as `ImagePullBackOff: ...`. */
  readonly problems: readonly string[]
}

/** How often to look, in ms. */
const LOOK_MS = 500

/**
 * Waits until all pods of a workload are of its newest version and ready.
 * @param onState told whenever it changes
 * @throws Error naming what is in the way, after `timeoutMs`
 */
export async function rolledOut(
  server: ApiServer,
  workload: Workload,
  timeoutMs: number,
  onState: (state: RolloutState) => void = () => {},
): Promise<RolloutState> {
  const end = performance.now() + timeoutMs
  let told = ''
  for (;;) {
    const state = await rolloutState(server, workload)
    const text = JSON.stringify(state)
    if (text !== told) onState(state)
    told = text
    if (state.done) return state
    if (performance.now() > end) {
      const { kind, namespace, name } = workload
      const why = state.problems.join(', ') || 'its pods are not ready'
      throw new Error(
        `${kind} ${namespace}/${name} has ${state.ready} of ${state.wanted} pods ready after ${Math.round(timeoutMs / 1000)} s: ${why}; ` +
          `look with: kubectl -n ${namespace} describe pods -l app.kubernetes.io/name=${name}`,
      )
    }
    await after(LOOK_MS)
  }
}

interface Status {
  readonly observedGeneration?: number
  readonly replicas?: number
  readonly updatedReplicas?: number
  readonly availableReplicas?: number
  readonly desiredNumberScheduled?: number
  readonly updatedNumberScheduled?: number
  readonly numberAvailable?: number
}

async function rolloutState(server: ApiServer, { kind, namespace, name }: Workload): Promise<RolloutState> {
  const object = await readLive(server, { apiVersion: 'apps/v1', kind, metadata: { namespace, name } })
  if (!object) return { done: false, ready: 0, wanted: 0, problems: ['it was removed'] }
  const status = (object['status'] ?? {}) as Status
  const { replicas = 1 } = object['spec'] as { readonly replicas?: number }
  const seen = (status.observedGeneration ?? 0) >= (object.metadata.generation ?? 0)
  const [wanted, updated, ready, all] =
    kind !== 'DaemonSet'
      ? [replicas, status.updatedReplicas ?? 0, status.availableReplicas ?? 0, status.replicas ?? 0]
      : [
          status.desiredNumberScheduled ?? 0,
          status.updatedNumberScheduled ?? 0,
          status.numberAvailable ?? 0,
          status.desiredNumberScheduled ?? 0,
        ]
  const done = seen && updated >= wanted && ready >= wanted && all <= wanted
  return { done, ready, wanted, problems: done ? [] : await podProblems(server, namespace, name) }
}

interface ContainerStatus {
  readonly name: string
  readonly restartCount?: number
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string }
  }
  readonly lastState?: { readonly terminated?: { readonly exitCode?: number; readonly reason?: string } }
}

interface PodStatus {
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[]
  readonly containerStatuses?: readonly ContainerStatus[]
}

/** Reasons to wait that pass by themselves. */
const PASSING = new Set(['ContainerCreating', 'PodInitializing'])

async function podProblems(server: ApiServer, namespace: string, name: string): Promise<readonly string[]> {
  const labelSelector = `app.kubernetes.io/name=${name}`
  const pods = await listLive(server, { apiVersion: 'v1', kind: 'Pod', namespace }, { labelSelector })
  const problems = await Promise.all(pods.map((pod) => problemsOf(server, pod)))
  return [...new Set(problems.flat())].sort()
}

async function problemsOf(server: ApiServer, pod: LiveObject): Promise<readonly string[]> {
  const { conditions = [], containerStatuses = [] } = (pod['status'] ?? {}) as PodStatus
  const unscheduled = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  if (unscheduled) return [`no node takes it: ${unscheduled.message ?? 'no reason given'}`]
  const waiting = containerStatuses.flatMap(({ state, lastState }) => {
    const { reason, message } = state?.waiting ?? {}
    if (reason === undefined || PASSING.has(reason)) return []
    const { exitCode, reason: ended } = lastState?.terminated ?? {}
    const exit = exitCode === undefined ? '' : ` (it ended with ${ended === 'Error' ? `code ${exitCode}` : ended})`
    return [`${reason}: ${message ?? ''}${exit}`]
  })
  if (waiting.length > 0 || containerStatuses.some(({ state }) => !state?.waiting)) return waiting
  return mountProblems(server, pod)
}

/** What the node says about a pod that it can't make. */
async function mountProblems(server: ApiServer, { metadata }: LiveObject): Promise<readonly string[]> {
  const { namespace = '', name } = metadata
  const query = new URLSearchParams({ fieldSelector: `involvedObject.name=${name},type=Warning` })
  const path = `/api/v1/namespaces/${namespace}/events?${query}`
  const { items = [] } = (await server.send({ method: 'GET', path })) as {
    readonly items?: readonly { readonly reason?: string; readonly message?: string }[]
  }
  const last = items.at(-1)
  return last ? [`${last.reason}: ${last.message}`] : []
}
