import { systemClock } from '../identity/clock.ts'
import { type Log, logToStderr } from '../identity/log.ts'
import { parseSpiffeId } from '../identity/spiffe.ts'
import { Certificates } from './certificates.ts'
import { NodeIdentity, type NodeOptions } from './certificates-node.ts'
import { SdsServer } from './sds.ts'
import { checkSocketPath } from './sds-socket.ts'
import { SyncWithServer } from './sync-with-server.ts'

/** A pod on this node. */
export interface AgentPod {
  /** `NAMESPACE/NAME`, for messages. */
  readonly name: string
  readonly spiffeId: string
  /** Where its Envoy finds SDS: a path of at most 107 bytes, in a folder for this user only. */
  readonly socketPath: string
}

export type AgentOptions = NodeOptions

interface ServedPod {
  readonly pod: AgentPod
  readonly sds: SdsServer
  stopListening(): void
}

/**
 * The agent of a node: joins the mesh, holds a certificate for each identity that has a pod here, and serves it to the
 * pods' Envoys over SDS. All keys are in its memory only: after a restart it joins again and makes new ones, and until
 * then the Envoys keep what they have.
 */
export class Agent {
  readonly #log: Log
  readonly #node: NodeIdentity
  readonly #certificates: Certificates
  readonly #sync: SyncWithServer
  /** By socket path. */
  readonly #served = new Map<string, ServedPod>()
  #change: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: AgentOptions) {
    const { clock = systemClock, random = Math.random, log = logToStderr } = options
    this.#log = log
    this.#node = new NodeIdentity({ ...options, clock, random, log })
    const sign = (csrPem: string, spiffeId: string) => this.#node.sign(csrPem, spiffeId)
    this.#certificates = new Certificates({ sign, clock, random, log })
    this.#sync = new SyncWithServer({
      identity: this.#node,
      certificates: this.#certificates,
      proxies: () =>
        [...this.#served.values()].map(({ pod, sds }) => ({
          pod: pod.name,
          spiffeId: pod.spiffeId,
          confirmations: sds.confirmations,
        })),
      clock,
      random,
      log,
    })
  }

  /** Fulfilled when the server has first accepted this agent, which may be long after its start. */
  joined(): Promise<void> {
    return this.#node.joined()
  }

  /**
   * Serves these pods and no others. Fulfilled when their sockets listen; certificates follow as they come. Pods that
   * stay as they are notice nothing.
   * @throws Error where a pod's identity or socket is not usable; the other pods are served all the same
   */
  setPods(pods: readonly AgentPod[]): Promise<void> {
    const change = this.#change.then(() => this.#apply(pods))
    this.#change = change.catch(() => {})
    return change
  }

  /** Stops everything, and removes the sockets. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#change
    for (const served of this.#served.values()) stop(served)
    this.#served.clear()
    this.#sync.close()
    this.#certificates.close()
    this.#node.close()
  }

  async #apply(pods: readonly AgentPod[]): Promise<void> {
    const wanted = new Map(pods.map((pod) => [pod.socketPath, pod]))
    const added: AgentPod[] = []
    for (const pod of wanted.values())
      if (this.#served.get(pod.socketPath)?.pod.spiffeId !== pod.spiffeId) added.push(pod)
    const gone: ServedPod[] = []
    for (const served of this.#served.values()) {
      if (wanted.get(served.pod.socketPath)?.spiffeId !== served.pod.spiffeId) gone.push(served)
    }
    for (const served of gone) {
      stop(served)
      this.#served.delete(served.pod.socketPath)
    }
    this.#sync.changed()
    const results = await Promise.allSettled(added.map((pod) => this.#serve(pod)))
    const failures = results.flatMap((result) =>
      result.status === 'rejected' ? [(result.reason as Error).message] : [],
    )
    if (failures.length > 0) throw new Error(failures.join('\n'))
  }

  async #serve(pod: AgentPod): Promise<void> {
    if (this.#closed) return
    try {
      parseSpiffeId(pod.spiffeId)
      checkSocketPath(pod.socketPath)
      const sds = await SdsServer.listen(pod.socketPath, this.#log, () => this.#sync.changed())
      const stopListening = this.#certificates.listen(pod.spiffeId, (certificate) => {
        sds.update(certificate)
        this.#sync.changed()
      })
      this.#served.set(pod.socketPath, { pod, sds, stopListening })
    } catch (error) {
      throw new Error(`pod ${pod.name}: ${(error as Error).message}`)
    }
  }
}

function stop(served: ServedPod): void {
  served.stopListening()
  served.sds.close()
}
