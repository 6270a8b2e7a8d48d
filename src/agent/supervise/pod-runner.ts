import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { workloadNames } from '../../mesh/workload-names.ts'
import { HTTP_PROXY_PORT } from '../../sources/local-cluster/addresses.ts'
import { expanded } from '../../sources/local-cluster/environment.ts'
import {
  type ContainerPlan,
  type DesiredPod,
  ownerOf,
  type PodPlan,
  type PodStatus,
} from '../../sources/local-cluster/pod-plan.ts'
import { QUIET_ABOUT_WASM } from '../../translate/metrics/metric-names.ts'
import { ownNames } from '../../translate/metrics/own-names.ts'
import { tracedAs } from '../../translate/reporting/traced-as.ts'
import { Child, type Crash } from './child.ts'
import { activeRequests, drainEnvoy } from './envoy-admin.ts'
import { type MeshFolders, podFolder, podSocket, runFile } from './folders.ts'
import { OTLP_PORTS } from './mesh-settings.ts'
import { PlainRelay } from './plain-relay.ts'
import { notReady } from './readiness.ts'

export interface PodRunnerOptions {
  readonly folders: MeshFolders
  /** Path of the binary. */
  readonly envoy: string
  /** Envoy's bootstrap for a pod, as JSON. */
  readonly bootstrap: (plan: PodPlan) => string
  /** What a gRPC library that calls without the proxy starts from, as JSON. */
  readonly grpcBootstrap: (plan: PodPlan) => string
  /** Of the mesh's server, which takes telemetry of applications. */
  readonly serverAddress: string
  /** What every process of the mesh has in its environment. */
  readonly env: Readonly<Record<string, string>>
  /** Something about the status changed. */
  readonly onChange: () => void
  /** Something that a person may want to know, such as a crash. */
  readonly onEvent: (text: string) => void
}

/** How often to look whether a pod that is not ready has become so, and one that is still is. In ms. */
const UNREADY_LOOK_MS = 50
const READY_LOOK_MS = 2000

/** A pod that is not ready for so long, in ms, is something to tell. */
const LONG_UNREADY_MS = 10_000

/** Clients are told of a removed pod first; by the end of this time they have let go of it, in ms. */
const LET_GO_MS = 1000

/** How long the agent may take to open the socket for certificates before Envoy starts without it, in ms. */
const SDS_SOCKET_MS = 5000

/**
 * As Istio has it: connections that a listener should no longer have are told to end at once, and may finish for 45 s what they are doing. A
 * change of a policy would else cut every answer that takes longer.
 */
const DRAIN = ['--drain-time-s', '45', '--drain-strategy', 'immediate']

/** As Istio has it, too: a person who follows the access log sees a request within a second rather than ten. */
const LOG = ['--file-flush-interval-msec', '1000']

/** Runs one pod: its application's processes, and its Envoy, or where it has none what takes the application to Services. */
export class PodRunner {
  #pod: DesiredPod
  readonly #options: PodRunnerOptions
  readonly #admin: string
  readonly #containers: Child[]
  readonly #envoy: Child
  readonly #relay: PlainRelay | undefined
  #ready = false
  /** Grows with every crash: what was seen before it is worth nothing. */
  #generation = 0
  readonly #stop = new AbortController()
  #look = new AbortController()
  #removal: Promise<void> | undefined

  constructor(pod: DesiredPod, options: PodRunnerOptions) {
    this.#pod = pod
    this.#options = options
    this.#admin = podSocket(options.folders, pod.address, 'admin')
    this.#containers = pod.containers.map((container) => this.#child(container.name, () => this.#program(container)))
    this.#envoy = this.#child('envoy', () => this.#proxy())
    this.#relay = pod.role === 'none' ? new PlainRelay(pod) : undefined
  }

  get pod(): DesiredPod {
    return this.#pod
  }

  get removing(): boolean {
    return this.#removal !== undefined
  }

  status(): PodStatus {
    const { key, uid } = this.#pod
    const restarts = [this.#envoy, ...this.#containers].reduce((sum, child) => sum + child.restarts, 0)
    return { key, uid, ready: this.#ready && !this.removing, restarts }
  }

  /** Makes its folder, in which the agent can then open a socket. */
  prepare(): void {
    const folder = podFolder(this.#options.folders, this.#pod.address)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (this.#relay) return
    writeFileSync(join(folder, 'bootstrap.json'), this.#options.bootstrap(this.#pod), { mode: 0o600 })
    writeFileSync(this.#grpcBootstrap, this.#options.grpcBootstrap(this.#pod), { mode: 0o600 })
  }

  get #grpcBootstrap(): string {
    return join(podFolder(this.#options.folders, this.#pod.address), 'grpc-bootstrap.json')
  }

  start(): void {
    if (this.#relay) void this.#relay.start(this.#pod.reaches).then(() => this.#startContainers())
    else {
      this.#startContainers()
      void this.#startEnvoy()
    }
    void this.#watch()
  }

  /** Of the same pod: only what processes get at their next start can differ. */
  update(pod: DesiredPod): void {
    this.#pod = pod
    this.#relay?.update(pod.reaches)
  }

  /**
   * Takes the pod away without a failed request: the server has told its clients to let go of it; then the application ends what it is
   * doing, and last Envoy goes. Resolves when nothing of it is left.
   */
  remove(): Promise<void> {
    this.#removal ??= this.#remove()
    return this.#removal
  }

  /** Stops it at once where it serves nothing, or else as soon as that is done, at the latest after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort()
    const end = performance.now() + graceMs
    if (this.#pod.role === 'gateway') {
      await drainEnvoy(this.#admin)
      while (performance.now() < end && ((await activeRequests(this.#admin)) ?? 0) > 0) await after(50)
    }
    const left = () => Math.max(100, end - performance.now())
    await Promise.all(this.#containers.map((container) => container.stop(left())))
    await this.#envoy.stop(left())
    this.#relay?.close()
    rmSync(podFolder(this.#options.folders, this.#pod.address), { recursive: true, force: true })
  }

  /** Somebody else ends its processes: they are not started again. */
  abandon(): void {
    this.#stop.abort()
    for (const child of [this.#envoy, ...this.#containers]) child.abandon()
    this.#relay?.close()
  }

  async #remove(): Promise<void> {
    this.#options.onChange()
    if (!this.#relay) await drainEnvoy(this.#admin)
    await after(LET_GO_MS)
    await this.stop(this.#pod.graceSeconds * 1000)
  }

  #startContainers(): void {
    if (!this.#stop.signal.aborted) for (const container of this.#containers) container.start()
  }

  /** Envoy asks for its certificate as it starts, and asks again only after a while: so the agent is waited for. */
  async #startEnvoy(): Promise<void> {
    const socket = podSocket(this.#options.folders, this.#pod.address, 'sds')
    const end = performance.now() + SDS_SOCKET_MS
    while (!existsSync(socket) && performance.now() < end && !this.#stop.signal.aborted) await after(10)
    if (!this.#stop.signal.aborted) this.#envoy.start()
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop
    let tellAt = performance.now() + LONG_UNREADY_MS
    while (!signal.aborted) {
      const generation = this.#generation
      const problem = await notReady(this.#pod, this.#admin)
      const ready = problem === undefined && generation === this.#generation
      if (signal.aborted) return
      this.#setReady(ready)
      if (ready) tellAt = performance.now() + LONG_UNREADY_MS
      else if (problem !== undefined && performance.now() > tellAt) {
        tellAt = Number.POSITIVE_INFINITY
        this.#options.onEvent(`${this.#pod.key} is not ready yet: ${problem}`)
      }
      const probed = this.#pod.containers.flatMap(({ readiness }) => (readiness ? [readiness.period * 1000] : []))
      const delay = ready ? Math.min(READY_LOOK_MS, ...probed) : UNREADY_LOOK_MS
      const wake = AbortSignal.any([signal, this.#look.signal])
      await after(delay, undefined, { signal: wake }).catch(() => {})
    }
  }

  #setReady(ready: boolean): void {
    if (this.#ready === ready) return
    this.#ready = ready
    this.#options.onChange()
  }

  #child(
    name: string,
    program: () => { command: readonly string[]; folder: string; env: Record<string, string> },
  ): Child {
    const { namespace, name: pod } = this.#pod
    const log = join(runFile(this.#options.folders, 'logs'), `${namespace}.${pod}.${name}.log`)
    const spec = () => ({ ...program(), log })
    return new Child(spec, { onCrash: (crash) => this.#crashed(name, crash, log) })
  }

  #crashed(name: string, { reason, delay, news }: Crash, log: string): void {
    this.#generation++
    this.#look.abort()
    this.#look = new AbortController()
    this.#setReady(false)
    this.#options.onChange()
    if (news)
      this.#options.onEvent(`${this.#pod.key}: ${name} ${reason}; starting it again in ${delay} ms; its log is ${log}`)
  }

  #program(container: ContainerPlan): { command: readonly string[]; folder: string; env: Record<string, string> } {
    const { key, name, namespace, address, appAddress, serviceEnv } = this.#pod
    const [inside, way] = this.#relay ? [address, appAddress] : [appAddress, address]
    const proxy = `http://${way}:${HTTP_PROXY_PORT}`
    const direct = ['localhost', '127.0.0.1', appAddress, address, this.#options.serverAddress].join(',')
    const env = {
      ...this.#options.env,
      POD_NAME: name,
      POD_NAMESPACE: namespace,
      POD_IP: address,
      HOSTNAME: name,
      ...serviceEnv,
      // OpenTelemetry's libraries send to the mesh where nothing else is said.
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${this.#options.serverAddress}:${OTLP_PORTS.http}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_RESOURCE_ATTRIBUTES: `k8s.namespace.name=${namespace},k8s.pod.name=${name}`,
      ...container.env,
      BIND_ADDRESS: inside,
      HTTP_PROXY: proxy,
      http_proxy: proxy,
      NO_PROXY: direct,
      no_proxy: direct,
      NODE_USE_ENV_PROXY: '1',
      ...(this.#relay ? {} : { GRPC_XDS_BOOTSTRAP: this.#grpcBootstrap }),
      WEFT_POD: key,
    }
    const [program = '', ...args] = container.command.map((word) => expanded(word, env))
    const command = [program === 'node' ? process.execPath : program, ...args]
    return { command, folder: container.folder, env }
  }

  #proxy(): { command: readonly string[]; folder: string; env: Record<string, string> } {
    const folder = podFolder(this.#options.folders, this.#pod.address)
    // Hot restart would have all Envoys of this machine share memory by number; one worker is plenty on a laptop.
    const process = ['--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning']
    const quiet = ['--component-log-level', QUIET_ABOUT_WASM]
    const command = [
      this.#options.envoy,
      '--config-path',
      join(folder, 'bootstrap.json'),
      ...process,
      ...quiet,
      ...DRAIN,
      ...LOG,
    ]
    const { labels, namespace, name } = this.#pod
    const names = workloadNames(labels, ownerOf(this.#pod)?.name ?? name)
    const told = { ...ownNames(names, namespace), ...tracedAs(names, namespace) }
    return { command, folder, env: { ...this.#options.env, ...told, WEFT_POD: this.#pod.key } }
  }
}
