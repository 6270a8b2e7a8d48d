import type { EndpointSlice, Pod, Service } from '../../resources/core.ts'
import { KIND, keyOf, type Resource } from '../../resources/resource.ts'
import { sameValue } from '../../store/same-value.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { LOCAL_PORT_LIMIT, POD_LIMIT, SERVICE_LIMIT } from './addresses.ts'
import { serviceEnvironment } from './environment.ts'
import { apiGateway, builtInGateway, type LocalGateway } from './gateways.ts'
import type { ImageMap } from './image-map.ts'
import { type Numbers, noNumbers, numbered } from './numbers.ts'
import { type DesiredPod, type PodPlan, type PodStatus, pendingPodObject, podObject } from './pod-plan.ts'
import { deploymentPods, type NamespaceFacts, type PlannedSet, writtenPod } from './pods.ts'
import { reachablePorts } from './reachable.ts'
import { type PodRecord, rollout } from './rollout.ts'
import { endpointSlices, localPortNames, localService, needsAddress } from './services.ts'
import type { Tell } from './telling.ts'

/** What must be known again after a restart, so that what runs is left alone. Plain data: it is kept on disk. */
export interface ClusterMemory {
  readonly pods: readonly PodRecord[]
  readonly podNumbers: Numbers
  readonly serviceNumbers: Numbers
  readonly portNumbers: Numbers
}

export const noMemory: ClusterMemory = {
  pods: [],
  podNumbers: noNumbers,
  serviceNumbers: noNumbers,
  portNumbers: noNumbers,
}

export interface ClusterSettings {
  /** Of 127.BLOCK.0.0/16. */
  readonly block: number
  readonly images: ImageMap
  /** Ports of gateways below this one are served at a higher one, as this user may not listen there. Default: none are. */
  readonly lowestPort?: number
}

export interface LocalCluster {
  /** All that was written, as an API server would hold it, and what its controllers make of it. */
  readonly resources: readonly Resource[]
  /** What must run, for who runs it; by name. */
  readonly pods: readonly DesiredPod[]
  readonly memory: ClusterMemory
}

/**
 * What a Kubernetes control plane would do: Deployments become Pods, Services get addresses and EndpointSlices, Gateways get pods of their
 * own. Pure: everything it remembers goes in and comes out as `memory`.
 * @param written only what people wrote
 * @param statuses what who runs the pods said last; undefined stands for "all of them run", when nothing does
 * @param now RFC 3339
 */
export function localCluster(
  written: Snapshot,
  memory: ClusterMemory,
  statuses: readonly PodStatus[] | undefined,
  settings: ClusterSettings,
  now: string,
  tell: Tell,
): LocalCluster {
  const gateways = writtenGateways(written, settings.lowestPort ?? 0)
  const sets = [...applicationSets(written, settings.images, tell), ...gateways.map(({ pods }) => pods)]

  const status = new Map(statuses?.map((status) => [status.key, status]))
  const running = (plan: PodPlan) => statuses === undefined || status.get(plan.key)?.uid === plan.uid
  const isReady = (plan: PodPlan) => statuses === undefined || (running(plan) && status.get(plan.key)?.ready === true)

  const { records, podNumbers } = nextPods(sets, memory, settings.block, { running, isReady }, now)
  const podObjects: Pod[] = [...records.values()].map(({ plan, terminating }) =>
    podObject(plan, {
      ready: isReady(plan),
      ...(terminating === undefined ? {} : { deletionTimestamp: terminating }),
    }),
  )
  const pending = sets.flatMap(({ blocked, namespace, name, single, replicas, labels }) =>
    blocked === undefined
      ? []
      : Array.from({ length: replicas }, (_, i) => (single ? name : `${name}-${i}`))
          .filter((name) => !records.has(`${namespace}/${name}`))
          .map((name) => pendingPodObject({ name, namespace, labels }, blocked)),
  )

  const made = gateways.map(({ service }) => service).filter((service) => !written.get('core/Service', keyOf(service)))
  const services = [...written.all('core/Service').values(), ...made]
  const serviceNumbers = numbered(memory.serviceNumbers, services.filter(needsAddress).map(keyOf), SERVICE_LIMIT)
  const portNumbers = numbered(memory.portNumbers, localPortNames(services), LOCAL_PORT_LIMIT)
  const localServices = services.map((service) =>
    localService(service, {
      address: serviceNumbers.of[keyOf(service)],
      ports: (name) => portNumbers.of[name],
    }),
  )
  const podsByNamespace = Map.groupBy(podObjects, namespaceOf)
  const slices = localServices.flatMap((service) =>
    endpointSlices(service, podsByNamespace.get(namespaceOf(service)) ?? []),
  )

  const untouched = [...written.resources()].filter(
    (object) => object[KIND] !== 'core/Service' && object[KIND] !== 'core/Pod',
  )
  const objects = [...untouched, ...localServices, ...podObjects, ...pending, ...slices]
  return {
    resources: [...objects, ...missingNamespaces(objects)],
    pods: desiredPods([...records.values()], localServices, slices),
    memory: keptIdentity(memory, { pods: [...records.values()], podNumbers, serviceNumbers, portNumbers }),
  }
}

function writtenGateways(written: Snapshot, lowestPort: number): LocalGateway[] {
  const labels = [
    ...Array.from(written.all('apps/Deployment').values(), ({ spec }) => spec?.template.metadata?.labels ?? {}),
    ...Array.from(written.all('core/Pod').values(), ({ metadata }) => metadata.labels ?? {}),
  ]
  const builtIn = builtInGateway(written.all('networking.istio.io/Gateway').values(), labels, lowestPort)
  const api = [...written.all('gateway.networking.k8s.io/Gateway').values()].flatMap(
    (gateway) => apiGateway(gateway, lowestPort) ?? [],
  )
  return [...(builtIn ? [builtIn] : []), ...api]
}

function applicationSets(written: Snapshot, images: ImageMap, tell: Tell): PlannedSet[] {
  const lookup = (namespace: string): NamespaceFacts => ({
    labels: written.get('core/Namespace', namespace)?.metadata.labels ?? {},
    configMap: (name) => written.get('core/ConfigMap', `${namespace}/${name}`),
    secret: (name) => written.get('core/Secret', `${namespace}/${name}`),
  })
  const deployments = [...written.all('apps/Deployment').values()].flatMap(
    (deployment) => deploymentPods(deployment, images, lookup, tell) ?? [],
  )
  const pods = [...written.all('core/Pod').values()].flatMap((pod) => writtenPod(pod, images, lookup, tell) ?? [])
  return [...deployments, ...pods].sort((a, b) => (a.namespace + a.name < b.namespace + b.name ? -1 : 1))
}

/** The pods that exist after this step, by key, and their numbers. */
function nextPods(
  sets: readonly PlannedSet[],
  memory: ClusterMemory,
  block: number,
  is: { running: (plan: PodPlan) => boolean; isReady: (plan: PodPlan) => boolean },
  now: string,
): { records: Map<string, PodRecord>; podNumbers: Numbers } {
  const records = new Map<string, PodRecord>()
  for (const record of memory.pods) {
    if (record.terminating === undefined || is.running(record.plan)) records.set(record.plan.key, record)
  }
  const byOwner = Map.groupBy(records.values(), ({ plan }) => plan.owner)
  const remove = (record: PodRecord) => {
    if (record.terminating !== undefined) return
    if (is.running(record.plan)) records.set(record.plan.key, { ...record, terminating: now })
    else records.delete(record.plan.key)
  }
  const fresh: { set: PlannedSet; name: string; key: string }[] = []
  for (const set of sets) {
    // A set that cannot run any more keeps what runs: the mistake is told, and mended without harm.
    if (set.blocked !== undefined) continue
    const step = rollout(set, byOwner.get(set.owner) ?? [], is.isReady)
    step.remove.forEach(remove)
    for (const name of step.add) fresh.push({ set, name, key: `${set.namespace}/${name}` })
  }
  const owners = new Set(sets.map(({ owner }) => owner))
  for (const record of [...records.values()]) if (!owners.has(record.plan.owner)) remove(record)

  const podNumbers = numbered(memory.podNumbers, [...records.keys(), ...fresh.map(({ key }) => key)], POD_LIMIT)
  for (const { set, name, key } of fresh) {
    const number = podNumbers.of[key]
    if (number !== undefined && !records.has(key)) records.set(key, { plan: set.plan(name, block, number) })
  }
  return { records: new Map([...records].sort(([a], [b]) => (a < b ? -1 : 1))), podNumbers }
}

function desiredPods(
  records: readonly PodRecord[],
  services: readonly Service[],
  slices: readonly EndpointSlice[],
): DesiredPod[] {
  const byNamespace = Map.groupBy(services, namespaceOf)
  const listens = new Map<string, Set<number>>()
  for (const { endpoints = [], ports = [] } of slices) {
    for (const address of endpoints.flatMap(({ addresses }) => addresses)) {
      const known = listens.get(address) ?? new Set()
      for (const { port } of ports) if (port !== undefined) known.add(port)
      listens.set(address, known)
    }
  }
  return records.map(({ plan, terminating }) => {
    const { role, namespace, address, appAddress } = plan
    const near = byNamespace.get(namespace) ?? []
    const way = role === 'none' ? appAddress : address
    return {
      ...plan,
      terminating: terminating !== undefined,
      listens: [...(listens.get(address) ?? [])].sort((a, b) => a - b),
      serviceEnv: role === 'gateway' ? {} : serviceEnvironment(near, way),
      reaches: role === 'none' ? reachablePorts(services, slices, namespace) : [],
    }
  })
}

/** A Namespace for every namespace that something is in, labelled with its name as Kubernetes does. */
function missingNamespaces(objects: readonly Resource[]): Resource[] {
  const there = new Set(
    objects.filter((object) => object[KIND] === 'core/Namespace').map(({ metadata }) => metadata.name),
  )
  const names = new Set(objects.flatMap(({ metadata }) => metadata.namespace ?? []))
  return [...names]
    .filter((name) => !there.has(name))
    .map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      [KIND]: 'core/Namespace',
      metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
    }))
}

function namespaceOf(object: Resource): string {
  return object.metadata.namespace ?? 'default'
}

function keptIdentity(before: ClusterMemory, after: ClusterMemory): ClusterMemory {
  return sameValue(before, after) ? before : after
}
