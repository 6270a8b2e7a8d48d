import { type EstateObject, groupOf } from '../../adoption/estate/estate.ts'
import { FIRST_INSTANCE } from '../../adoption/onboarding/rules.ts'
import type {
  InForce,
  Instance,
  MeshState,
  ObjectChange,
  ObjectName,
  WorkloadName,
} from '../../adoption/onboarding/world.ts'
import { nameText } from '../../adoption/onboarding/writing.ts'
import { WELL_KNOWN } from '../../mesh/model.ts'
import { workloadName } from '../../mesh/pod-owner.ts'
import { roleOf } from '../../mesh/workloads.ts'
import type { Pod } from '../../resources/core.ts'
import type { ProxyStatus } from '../../xds/status.ts'

/** Who was started again so often with a change does not get ready by itself. */
const MOST_RESTARTS = 3

interface Templated {
  readonly replicas?: number
  readonly updateStrategy?: {
    readonly type?: string
    readonly rollingUpdate?: { readonly partition?: number }
  }
  readonly template?: { readonly metadata?: { readonly labels?: Readonly<Record<string, string>> } }
}

/** What runs pods, and has what is written: a mesh on one machine, or a cluster. */
export interface Ground {
  /** All pods, those that are ending too. @returns restarts of containers since the pod began, by `namespace/name` */
  pods(): Promise<{ readonly pods: readonly Pod[]; readonly restarts: ReadonlyMap<string, number> }>
  /** Why an object is not yet there as it is wanted; undefined where it is. */
  unread(wanted: EstateObject): Promise<string | undefined>
  /** Whether an object is there. */
  has(name: ObjectName): Promise<boolean>
  /** What the ground itself says is left to be done for a workload; undefined where nothing is. */
  rollout(wanted: EstateObject): Promise<string | undefined>
  /** Why no pods can be made for a workload; undefined where they can. */
  stuck(wanted: EstateObject): Promise<string | undefined>
  /** The proxies of all servers. */
  proxies(): Promise<readonly ProxyStatus[]>
}

/** What runs, as a ground has it. */
export function meshState(ground: Ground): MeshState {
  return {
    inForce: (change) => inForce(ground, change),
    async instances(workloads) {
      return (await instances(ground)).filter(({ workload, ending }) => !ending && isAmong(workload, workloads))
    },
  }
}

interface Running extends Instance {
  readonly ending: boolean
  readonly gateway: string | undefined
}

async function instances(ground: Ground): Promise<readonly Running[]> {
  const { pods, restarts } = await ground.pods()
  return pods
    .filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed')
    .map((pod): Running => {
      const { name, namespace = 'default', labels = {}, annotations = {}, deletionTimestamp } = pod.metadata
      return {
        name: `${namespace}/${name}`,
        workload: { namespace, name: workloadName(pod) },
        ready: pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
        hasProxy: roleOf(labels, annotations) !== undefined,
        restarts: restarts.get(`${namespace}/${name}`) ?? 0,
        ending: deletionTimestamp !== undefined,
        gateway: labels[WELL_KNOWN.gatewayName],
      }
    })
}

function isAmong({ namespace, name }: WorkloadName, workloads: readonly WorkloadName[]): boolean {
  return workloads.some((each) => each.namespace === namespace && each.name === name)
}

async function inForce(ground: Ground, { put, remove }: ObjectChange): Promise<InForce> {
  for (const object of put) {
    const why = await ground.unread(object)
    if (why !== undefined) return { state: 'unread', why }
  }
  for (const name of remove)
    if (await ground.has(name)) return { state: 'unread', why: `${nameText(name)} is still there` }
  const running = await instances(ground)
  for (const object of put) {
    const is = RUNNERS.has(object.kind) ? rolledOut(object, running) : gatewayRuns(object, running)
    const stuck = is.state === 'waiting' ? await ground.stuck(object) : undefined
    if (stuck !== undefined) return { state: 'refused', why: stuck }
    if (is.state !== 'in force') return is
    const left = RUNNERS.has(object.kind) ? await ground.rollout(object) : undefined
    if (left !== undefined) return { state: 'waiting', why: left }
  }
  for (const { kind, metadata } of remove) {
    const left = RUNNERS.has(kind) ? running.find(({ workload }) => isAmong(workload, [named(metadata)])) : undefined
    if (left) return { state: 'waiting', why: `${left.name} is still there` }
  }
  return synced(ground, running, put)
}

/** Kinds of objects that run pods all the time. */
export const RUNNERS: ReadonlySet<string> = new Set(['Deployment', 'StatefulSet', 'DaemonSet'])

function named({ name, namespace = 'default' }: ObjectName['metadata']): WorkloadName {
  return { name, namespace }
}

/** Whether all pods of a workload run as its template asks for it, or as many as are to now, and none besides. */
function rolledOut({ metadata, kind, ...object }: EstateObject, running: readonly Running[]): InForce {
  const { replicas = 1, template, updateStrategy = {} } = (object['spec'] ?? {}) as Templated
  const pods = running.filter(({ workload }) => isAmong(workload, [named(metadata)]))
  const labels = template?.metadata?.labels ?? {}
  const asks = labels['weft.dev/inject'] ?? labels['sidecar.istio.io/inject']
  const isOld = ({ hasProxy }: Running) => asks !== undefined && hasProxy !== (asks === 'true')
  const old = pods.filter((pod) => isOld(pod) && !pod.ending && isToBeNew(pod, updateStrategy.rollingUpdate?.partition))
  const isEnough = metadata.annotations?.[FIRST_INSTANCE] === 'true' && pods.some((pod) => !isOld(pod))
  const wrong = pods.find(({ ending }) => ending) ?? (isEnough ? undefined : old[0])
  const failing = pods.find(({ ready, restarts }) => !ready && restarts >= MOST_RESTARTS)
  if (failing)
    return {
      state: 'refused',
      why: `${failing.name} does not get ready: it was started again ${failing.restarts} times`,
    }
  const ready = pods.filter((pod) => pod.ready && !pod.ending).length
  if (ready >= Math.max(replicas, pods.length) && wrong && updateStrategy.type === 'OnDelete') {
    const [namespace = '', name = ''] = wrong.name.split('/')
    const command = `kubectl -n ${namespace} delete pod ${name}`
    return { state: 'by hand', why: `${kind} ${metadata.name} makes an instance anew when its pod is deleted`, command }
  }
  if (wrong) return { state: 'waiting', why: `${wrong.name} is to be replaced` }
  if (ready < replicas)
    return { state: 'waiting', why: `${ready} of ${replicas} instances of ${metadata.name} are ready` }
  return { state: 'in force' }
}

/** Whether a rollout takes in a pod: a StatefulSet leaves those below its partition as they are, by the number that ends their names. */
function isToBeNew({ name }: Running, partition = 0): boolean {
  return partition === 0 || Number(/\d+$/.exec(name)?.[0] ?? partition) >= partition
}

function gatewayRuns({ kind, metadata, apiVersion }: EstateObject, running: readonly Running[]): InForce {
  if (kind !== 'Gateway' || groupOf(apiVersion) !== 'gateway.networking.k8s.io') return { state: 'in force' }
  const { name, namespace } = named(metadata)
  const pods = running.filter(({ gateway, workload }) => gateway === name && workload.namespace === namespace)
  return pods.some(({ ready }) => ready)
    ? { state: 'in force' }
    : { state: 'waiting', why: `the gateway of ${namespace}/${name} is not ready` }
}

/** Whether every proxy has taken what it was sent. What a proxy refuses counts for whose proxy it is. */
async function synced(ground: Ground, running: readonly Running[], put: readonly EstateObject[]): Promise<InForce> {
  const alive = new Set(running.filter(({ ready, ending }) => ready && !ending).map(({ name }) => name))
  const deployed = put.filter(({ kind }) => RUNNERS.has(kind)).map(({ metadata }) => named(metadata))
  const own = new Set(running.filter(({ workload }) => isAmong(workload, deployed)).map(({ name }) => name))
  const connected = await ground.proxies()
  // A proxy that has just started has not been told yet what it may refuse.
  const fresh = running.find(
    ({ name, hasProxy }) =>
      own.has(name) && hasProxy && !connected.some(({ proxy, types }) => proxy === name && types.length > 0),
  )
  if (fresh) return { state: 'waiting', why: `the proxy of ${fresh.name} has not come yet` }
  for (const { proxy, types } of connected) {
    const refused = types.flatMap(({ rejected }) => rejected)[0]
    if (refused && own.has(proxy))
      return { state: 'refused', why: `${proxy} refused ${refused.name}: ${refused.error}` }
    const late = types.find(({ state }) => state !== 'synced' && state !== 'rejected')
    if (late && alive.has(proxy)) return { state: 'waiting', why: `${proxy} has not taken it yet` }
  }
  return { state: 'in force' }
}
