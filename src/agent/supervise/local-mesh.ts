import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openJoinTokens } from '../../identity/join-token.ts'
import { CA_PASSPHRASE } from '../../identity/sealed-store.ts'
import { workloadId } from '../../identity/spiffe.ts'
import { serverAddress } from '../../sources/local-cluster/addresses.ts'
import type { DesiredPod, PodPlan, PodStatus } from '../../sources/local-cluster/pod-plan.ts'
import { NODE_NAME } from '../../sources/local-cluster/pod-plan.ts'
import type { AgentPod } from '../agent.ts'
import { Child } from './child.ts'
import { type MeshFolders, podSocket, runFile } from './folders.ts'
import { rotateLogs } from './logs.ts'
import { type MeshSettings, writeMeshSettings } from './mesh-settings.ts'
import { PodSupervisor } from './pod-supervisor.ts'
import { ServerLink } from './server-link.ts'
import { type Marks, sweep } from './sweep.ts'
import { takenPorts } from './taken-ports.ts'

/** What the agent's process is told by its parent. */
export type ToAgent = { readonly pods: readonly AgentPod[] } | { readonly token: string }
/** What it asks for. */
export type FromAgent = 'ready' | 'token'

export interface LocalMeshOptions {
  readonly folders: MeshFolders
  readonly settings: MeshSettings
  /** Path of the Envoy binary. */
  readonly envoy: string
  readonly bootstrap: (plan: PodPlan) => string
  readonly grpcBootstrap: (plan: PodPlan) => string
  /** What to run for `weft server` and `weft agent`, without these words. */
  readonly weft: readonly string[]
  /** One line about something that happened. */
  readonly onEvent: (text: string) => void
  /** Pods came, went, or became ready or unready. */
  readonly onPods: () => void
}

/** Why a mesh cannot start: see Message for how the two are worded. */
export interface MeshFailure {
  readonly problem: string
  readonly remedy: string
}

/** Who ends so often before the mesh has begun will not get better by trying again. */
const MOST_EARLY_CRASHES = 3
const TOKEN_LIFE_MS = 60_000
/** How long the server and the agent may take to end, in ms. */
const PLANE_GRACE_MS = 2000

/** All processes of a mesh on this machine: the server, the agent, and what runs in each pod. */
export class LocalMesh {
  readonly #options: LocalMeshOptions
  readonly #env: Record<string, string>
  readonly #marks: Omit<Marks, 'WEFT_MESH_PART'>
  readonly #pods: PodSupervisor
  readonly #server: Child
  readonly #agent: Child
  readonly #link: ServerLink
  readonly #endRotation: () => void
  #desired: readonly DesiredPod[] | undefined
  #change: Promise<void> = Promise.resolve()
  readonly #failed = Promise.withResolvers<MeshFailure>()

  /** Starts everything; the holder of the mesh's lock may. */
  constructor(options: LocalMeshOptions) {
    const { folders, settings, onEvent } = options
    this.#options = options
    this.#marks = { WEFT_MESH: folders.run, WEFT_MESH_RUN: settings.run }
    this.#env = hostEnvironment()
    const logs = runFile(folders, 'logs')
    rmSync(logs, { recursive: true, force: true })
    mkdirSync(logs, { recursive: true, mode: 0o700 })
    this.#endRotation = rotateLogs(logs)
    writeMeshSettings(folders, settings)

    const podEnv = { ...this.#env, ...this.#marks, WEFT_MESH_PART: 'pod' }
    this.#pods = new PodSupervisor({
      folders,
      envoy: options.envoy,
      bootstrap: options.bootstrap,
      grpcBootstrap: options.grpcBootstrap,
      serverAddress: serverAddress(settings.block),
      env: podEnv,
      onEvent,
      onChange: () => this.#changed(),
      onPods: () => this.#tellAgent(),
    })
    this.#server = this.#plane('server', () => {})
    this.#agent = this.#plane('agent', (message) => this.#fromAgent(message as FromAgent))
    this.#server.start()
    this.#agent.start()
    this.#link = new ServerLink({
      socketPath: runFile(folders, 'serverSocket'),
      statuses: () => this.#pods.statuses(),
      onDesired: (pods) => {
        this.#change = this.#change.then(() => this.#setDesired(pods))
      },
    })
  }

  /** What should run; undefined before the server has said so for the first time. */
  get desired(): readonly DesiredPod[] | undefined {
    return this.#desired
  }

  /** Resolves where the mesh cannot start at all, with the reason. */
  get failed(): Promise<MeshFailure> {
    return this.#failed.promise
  }

  statuses(): readonly PodStatus[] {
    return this.#pods.statuses()
  }

  /** Ends all in order, each part at the latest after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#link.close()
    await this.#pods.stop(graceMs)
    await Promise.all([this.#server.stop(PLANE_GRACE_MS), this.#agent.stop(PLANE_GRACE_MS)])
    // What a program of a pod has started in groups of its own.
    await sweep(this.#marks)
    this.#endRotation()
  }

  /** Ends all at once. */
  async kill(): Promise<void> {
    this.#link.close()
    this.#pods.abandon()
    this.#server.abandon()
    this.#agent.abandon()
    await sweep(this.#marks)
    this.#endRotation()
  }

  #plane(name: 'server' | 'agent', onMessage: (message: unknown) => void): Child {
    const { folders, weft, onEvent, settings } = this.#options
    const log = join(runFile(folders, 'logs'), `${name}.log`)
    const passphrase = process.env[CA_PASSPHRASE]
    const env = {
      ...this.#env,
      ...this.#marks,
      WEFT_MESH_PART: 'plane',
      // Of no use to the agent, and nothing for applications.
      ...(name === 'server' && passphrase !== undefined ? { [CA_PASSPHRASE]: passphrase } : {}),
    }
    const command = [...weft, name, '--run-folder', folders.run]
    let crashes = 0
    return new Child(() => ({ command, folder: settings.folder, env, log, onMessage }), {
      onCrash: ({ reason, delay, news }) => {
        if (news) onEvent(`the ${name} ${reason}; starting it again in ${delay} ms; its log is ${log}`)
        if (this.#desired === undefined && ++crashes === MOST_EARLY_CRASHES) {
          this.#failed.resolve({ problem: `the ${name} does not start: it ${reason}`, remedy: `see ${log}` })
        }
      },
    })
  }

  async #setDesired(pods: readonly DesiredPod[]): Promise<void> {
    const running = new Set(this.#pods.pods.map(({ uid }) => uid))
    const taken = await takenPorts(pods.filter(({ uid, terminating }) => !running.has(uid) && !terminating))
    const [first] = taken
    if (first && this.#desired === undefined) {
      // Its pod would never become ready.
      this.#failed.resolve(first)
      return
    }
    for (const { problem, remedy } of taken) this.#options.onEvent(`${problem}; ${remedy}`)
    this.#desired = pods
    this.#pods.setDesired(pods)
    this.#options.onPods()
  }

  #changed(): void {
    this.#link.changed()
    this.#options.onPods()
  }

  #fromAgent(message: FromAgent): void {
    if (message === 'ready') this.#tellAgent()
    else {
      const tokens = openJoinTokens(join(this.#options.folders.state, 'join-tokens'))
      this.#agent.send({ token: tokens.issue(NODE_NAME, TOKEN_LIFE_MS) } satisfies ToAgent)
    }
  }

  #tellAgent(): void {
    const { folders, settings } = this.#options
    const pods = this.#pods.pods
      .filter(({ role }) => role !== 'none')
      .map(({ key, namespace, serviceAccount, address }) => ({
        name: key,
        spiffeId: workloadId(namespace, serviceAccount, settings.trustDomain),
        socketPath: podSocket(folders, address, 'sds'),
      }))
    this.#agent.send({ pods } satisfies ToAgent)
  }
}

/** What processes get of this one's environment: where things are, and no more. */
function hostEnvironment(): Record<string, string> {
  const names = [
    'PATH',
    'HOME',
    'USER',
    'LANG',
    'LC_ALL',
    'TZ',
    'TMPDIR',
    'XDG_RUNTIME_DIR',
    'XDG_STATE_HOME',
    'WEFT_DEBUG',
  ]
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

/** Whether the mesh in these folders was left behind by a `weft up` that was killed. */
export function hasLeftovers(folders: MeshFolders): boolean {
  return existsSync(runFile(folders, 'mesh'))
}
