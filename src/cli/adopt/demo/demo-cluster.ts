import type { EstateObject } from '../../../adoption/estate/estate.ts'
import { estateOfFiles } from '../../../adoption/estate/of-files.ts'
import { clusterObjects } from '../../../adoption/onboarding/objects/cluster.ts'
import type { Objects, World } from '../../../adoption/onboarding/world.ts'
import { clusterWorld, keptInFolder } from '../../../server/onboarding/mesh-world.ts'
import type { ApiServer } from '../../../sources/kubernetes/api-server.ts'
import { askPod } from '../../../sources/kubernetes/port-forward.ts'
import { applyObject, createObject, deleteObject, listLive, readLive } from '../../../sources/kubernetes/write.ts'
import { SHARE_KEY } from '../../../translate/reporting/access-log-service.ts'
import { ClusterMesh, ENVOY_ADMIN_PORT } from '../../cluster-mesh.ts'
import { Failure } from '../../failure.ts'
import { askedMesh } from '../onboarding/asked-mesh.ts'
import type { Entrance, Part } from './estate.ts'
import type { DemoPlace, Visits } from './place.ts'
import { PodLogs } from './pod-logs.ts'

/** Where visitors come from: it never joins. */
const OUTSIDE = 'weft-demo-visitors'
/** Longer than pods take to start on any cluster that has their images, in ms. */
const START_MS = 300_000
const REST_MS = 1000
/** What those say who call by themselves. */
const ROUNDS = /went round (\d+) times$/

/** A cluster with Weft, in namespaces that are made for the demo and go with it. */
export class DemoCluster implements DemoPlace {
  readonly mesh: ClusterMesh
  readonly #server: ApiServer
  readonly #objects: Objects
  readonly #part: Part
  readonly #logs: PodLogs
  readonly #moved = new Set<string>()
  readonly #loud = new Set<string>()
  /** Lines of logs of before anything of the mesh was there. */
  #before = 0
  #hasMoved: (application: string) => boolean = () => false

  private constructor(server: ApiServer, part: Part, objects: Objects) {
    this.#server = server
    this.mesh = new ClusterMesh(server)
    this.#objects = objects
    this.#part = part
    this.#logs = new PodLogs(server, [...part.namespaces, OUTSIDE])
  }

  /**
   * Resolves when all that is in the folder runs.
   * @param objects where onboarding writes; the cluster itself where absent
   * @throws Failure where a namespace is there already, or something does not start
   */
  static async start(server: ApiServer, part: Part, folder: string, objects?: Objects): Promise<DemoCluster> {
    for (const name of [...part.namespaces, OUTSIDE])
      if (await readLive(server, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }))
        throw new Failure(
          `namespace ${name} is there already`,
          'the demo makes its own, and takes them away: remove it',
        )
    const demo = new DemoCluster(server, part, objects ?? clusterObjects(server))
    try {
      const visitors = [namespace(OUTSIDE), ...part.entrances.map((each) => visitor(each, false))]
      const written = estateOfFiles([folder], true).objects
      for (const object of inOrder(written))
        await (objects ? applyObject(server, object) : createObject(server, object))
      for (const name of part.namespaces) await createObject(server, logged(name))
      await demo.#ready(part.namespaces)
      for (const object of visitors) await createObject(server, object)
      await demo.#visited()
    } catch (error) {
      await demo.stop()
      throw error
    }
    return demo
  }

  world(folder: string): World {
    return clusterWorld(this.#server, askedMesh(this.mesh), this.#objects, keptInFolder(folder))
  }

  open(hasMoved: (application: string) => boolean): void {
    this.#hasMoved = hasMoved
  }

  async tend(): Promise<void> {
    await this.#logs.read()
    await this.#logAll()
    for (const entrance of this.#part.entrances) {
      if (this.#moved.has(entrance.application) || !this.#hasMoved(entrance.application)) continue
      this.#moved.add(entrance.application)
      await applyObject(this.#server, visitor(entrance, true))
    }
  }

  async empty(): Promise<Visits> {
    await this.#logs.read()
    const failed = this.#logs.lines.slice(this.#before).filter(({ text }) => text.startsWith('failed call'))
    const rounds = new Map<string, number>()
    for (const { pod, text } of this.#logs.lines) {
      const round = ROUNDS.exec(text)?.[1]
      if (round !== undefined && isVisitor(pod)) rounds.set(pod, Number(round))
    }
    return {
      visits: [...rounds.values()].reduce((sum, each) => sum + each, 0),
      failed: failed
        .filter(({ pod }) => isVisitor(pod))
        .map(({ pod, at, text }) => ({ at, application: pod.slice(OUTSIDE.length + 1), problem: text })),
      failedCalls: failed.filter(({ pod }) => !isVisitor(pod)).map(({ pod, at, text }) => `${at} ${pod}: ${text}`),
    }
  }

  async stop(): Promise<void> {
    for (const name of [OUTSIDE, ...this.#part.namespaces])
      await deleteObject(this.#server, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  }

  async #ready(namespaces: readonly string[]): Promise<void> {
    const deadline = performance.now() + START_MS
    for (;;) {
      const all = await Promise.all(
        namespaces.map((each) =>
          listLive(this.#server, { apiVersion: 'apps/v1', kind: 'Deployment', namespace: each }),
        ),
      )
      const late = all.flat().filter((each) => {
        const { availableReplicas = 0 } = (each['status'] ?? {}) as { readonly availableReplicas?: number }
        return availableReplicas < ((each['spec'] as { readonly replicas?: number }).replicas ?? 1)
      })
      if (late.length === 0) return
      if (performance.now() > deadline)
        throw new Failure(
          `${late.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ')} did not start`,
          'see with kubectl describe pod whether the cluster has their images',
        )
      await new Promise((resolve) => setTimeout(resolve, REST_MS))
    }
  }

  /** Resolves when there were visitors at each entrance. What failed until then, as programs had only just started, is nothing of the mesh. */
  async #visited(): Promise<void> {
    const deadline = performance.now() + START_MS
    for (;;) {
      await this.#logs.read()
      const came = new Set(this.#logs.lines.flatMap(({ pod, text }) => (ROUNDS.test(text) ? [pod] : [])))
      if ([...came].filter(isVisitor).length >= this.#part.entrances.length) break
      if (performance.now() > deadline)
        throw new Failure('no visitor went round', `see what they say: kubectl -n ${OUTSIDE} logs deploy --all-pods`)
      await new Promise((resolve) => setTimeout(resolve, REST_MS))
    }
    this.#before = this.#logs.lines.length
  }

  /** There are few calls here: one in a hundred would tell too little, so proxies log all of them. */
  async #logAll(): Promise<void> {
    const pods = await Promise.all(this.#part.namespaces.map((each) => this.mesh.envoys(each)))
    for (const key of pods.flat()) {
      if (this.#loud.has(key)) continue
      const [namespace = '', pod = ''] = key.split('/')
      const port = { namespace, pod, port: ENVOY_ADMIN_PORT }
      const path = `/runtime_modify?${SHARE_KEY}=100`
      // One that has only just started is asked again in the next round.
      const answer = await askPod(this.#server, port, path, 10_000, {}).catch(() => undefined)
      if (answer?.status === 200) this.#loud.add(key)
    }
  }
}

/** @param pod `namespace/name` */
function isVisitor(pod: string): boolean {
  return pod.startsWith(`${OUTSIDE}/`)
}

function namespace(name: string): EstateObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
}

/** Calls of a namespace go to the mesh's own telemetry: on a cluster nobody's do before somebody says so. */
function logged(namespace: string): EstateObject {
  return {
    apiVersion: 'telemetry.istio.io/v1',
    kind: 'Telemetry',
    metadata: { name: 'weft-demo', namespace },
    spec: { accessLogging: [{ providers: [{ name: 'envoy' }, { name: 'weft' }] }] },
  }
}

/** Namespaces first. */
function inOrder(objects: readonly EstateObject[]): readonly EstateObject[] {
  return [...objects].sort((a, b) => Number(b.kind === 'Namespace') - Number(a.kind === 'Namespace'))
}

/** Somebody who calls an application all the time, from outside of the mesh: by its Service, or by its gateway. */
function visitor({ application, gateway, path, broken }: Entrance, byGateway: boolean): EstateObject {
  const [home = '', name = ''] = application.split('/')
  const url = byGateway
    ? `http://${gateway.hostname}:${gateway.port}${path}`
    : `http://${gateway.service}.${home}:${gateway.servicePort}${path}`
  const env = [
    { name: 'NAME', value: `a visitor of ${application}` },
    { name: 'CALLS', value: url },
    { name: 'CALLS_EVERY', value: '400ms' },
    ...(broken ? [{ name: 'BROKEN', value: broken.source }] : []),
  ]
  const labels = { app: `visitor-${name}` }
  const container = { name: 'visitor', image: 'docker.io/weft/estate-service:1', env }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: labels.app, namespace: OUTSIDE },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  }
}
