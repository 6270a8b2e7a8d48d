import type { Duplex } from 'node:stream'
import { existingInstallation } from '../install/existing.ts'
import { podsWithProxy } from '../install/proxies.ts'
import { PORTS, SERVER_NAME, SYSTEM_NAMESPACE } from '../resources/cluster-names.ts'
import { ApiError, type ApiServer } from '../sources/kubernetes/api-server.ts'
import { askPod, connectToPod } from '../sources/kubernetes/port-forward.ts'
import { listLive } from '../sources/kubernetes/write.ts'
import { Failure } from './failure.ts'
import { bodyOf, type Mesh } from './mesh.ts'

/** Where an injected Envoy has its administration, at the loopback address of its pod. */
export const ENVOY_ADMIN_PORT = 15_000
/** How long for an answer through API server and node, in ms. */
const TIMEOUT_MS = 20_000

/** A mesh on a cluster: its servers and Envoys are asked by port-forward, as whom the kubeconfig says. */
export class ClusterMesh implements Mesh {
  readonly #server: ApiServer
  #pods: Promise<readonly ServerPod[]> | undefined

  constructor(server: ApiServer) {
    this.#server = server
  }

  get label(): string {
    return `the mesh on ${this.#server.url}`
  }

  get namespace(): string {
    const { config } = this.#server
    return config.getContextObject(config.getCurrentContext())?.namespace || 'default'
  }

  async get<T>(path: string, timeoutMs?: number): Promise<T> {
    const [pod] = await this.#serverPods()
    return this.#ask<T>(pod as ServerPod, path, timeoutMs)
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    const [pod] = await this.#serverPods()
    return this.#ask<T>(pod as ServerPod, path, TIMEOUT_MS, body)
  }

  async getAll<T>(path: string): Promise<readonly T[]> {
    return Promise.all((await this.#serverPods()).map((pod) => this.#ask<T>(pod, path)))
  }

  /** A connection to the API of a server that is ready. */
  async connectToServer(): Promise<Duplex> {
    try {
      return await this.#connect()
    } catch {
      this.#pods = undefined
      return this.#connect()
    }
  }

  async envoys(namespace?: string): Promise<readonly string[]> {
    const pods = await podsWithProxy(this.#server, namespace).catch((error: unknown) => {
      // Who may not look everywhere is asking about his own namespace.
      if (namespace === undefined && isForbidden(error)) return podsWithProxy(this.#server, this.namespace)
      throw error
    })
    return pods.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  }

  async askEnvoy(key: string, path: string): Promise<string> {
    const [namespace = '', pod = ''] = key.split('/')
    const answer = await askPod(this.#server, { namespace, pod, port: ENVOY_ADMIN_PORT }, path, TIMEOUT_MS).catch(
      (error: Error) => {
        throw new Failure(
          `the Envoy of pod ${key} does not answer: ${error.message}`,
          `see whether it runs: kubectl -n ${namespace} get pod ${pod}`,
        )
      },
    )
    return answer.body
  }

  async #connect(): Promise<Duplex> {
    const [pod] = await this.#serverPods()
    return connectToPod(this.#server, { ...(pod as ServerPod), port: PORTS.serverApi })
  }

  async #ask<T>({ namespace, pod }: ServerPod, path: string, timeoutMs = TIMEOUT_MS, question?: unknown): Promise<T> {
    const port = { namespace, pod, port: PORTS.serverApi }
    const { status, body } = await askPod(this.#server, port, `/api/v1/${path}`, timeoutMs, question).catch(
      (error: Error) => {
        // Servers come and go, and this may be asked for hours: the next question goes to one that is ready then.
        this.#pods = undefined
        throw new Failure(
          `the server in pod ${namespace}/${pod} does not answer: ${error.message}`,
          `look with: kubectl -n ${namespace} logs ${pod}`,
        )
      },
    )
    return bodyOf({ status, body: jsonOr(body) }, path)
  }

  /** The servers that are ready; one at least. */
  #serverPods(): Promise<readonly ServerPod[]> {
    this.#pods ??= this.#findServerPods().catch((error: Error) => {
      this.#pods = undefined
      throw error
    })
    return this.#pods
  }

  async #findServerPods(): Promise<readonly ServerPod[]> {
    const { url } = this.#server
    const installed = await existingInstallation(this.#server).catch((error: Error) => {
      // Few may look at objects of the cluster. That Weft is where it usually is can be tried.
      if (isForbidden(error)) return { namespace: SYSTEM_NAMESPACE }
      throw new Failure(`the cluster at ${url} can't be asked: ${error.message}`, 'try with kubectl get pods -A')
    })
    if (!installed) throw new Failure(`Weft is not on the cluster at ${url}`, 'put it there with: weft install')
    const { namespace } = installed
    const labelSelector = `app.kubernetes.io/name=${SERVER_NAME}`
    const pods = await listLive(this.#server, { apiVersion: 'v1', kind: 'Pod', namespace }, { labelSelector }).catch(
      (error: Error) => {
        throw new Failure(
          `the servers in ${namespace} can't be looked for: ${error.message}`,
          'docs/operations/install.md says what one has to be allowed to ask them',
        )
      },
    )
    const ready = pods.filter((pod) => isReady(pod['status']) && pod.metadata.deletionTimestamp === undefined)
    if (ready.length > 0) return ready.map(({ metadata }) => ({ namespace, pod: metadata.name }))
    throw new Failure(
      `no server is ready in ${namespace} on ${url}`,
      `look with: kubectl -n ${namespace} describe pods -l ${labelSelector}`,
    )
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.status === 403
}

interface ServerPod {
  readonly namespace: string
  readonly pod: string
}

function isReady(status: unknown): boolean {
  const { conditions = [] } = (status ?? {}) as {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

function jsonOr(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return { message: body.slice(0, 200) }
  }
}
