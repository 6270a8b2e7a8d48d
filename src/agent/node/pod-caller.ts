import { createHash } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { status } from '@grpc/grpc-js'
import { workloadId } from '../../identity/spiffe.ts'
import { CAPTURE_CONTAINER, TOKEN_AUDIENCE } from '../../resources/cluster-names.ts'
import { ApiError, type ApiServer } from '../../sources/kubernetes/api-server.ts'
import { reviewToken, type TokenVerdict } from '../../sources/kubernetes/reviews.ts'
import { readLive } from '../../sources/kubernetes/write.ts'
import { Refused } from './relayed-stream.ts'

/** A pod of this node, as the API server knows it. */
export interface CallingPod {
  /** `NAMESPACE/NAME`. */
  readonly key: string
  readonly uid: string
  readonly spiffeId: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** It has the network of its node. */
  readonly hostNetwork: boolean
  /** An init container redirects its traffic. */
  readonly capturesItself: boolean
}

export interface Call {
  readonly bearer: string | undefined
  /** Of the connection: `ADDRESS:PORT`. */
  readonly peer: string
  /** What the proxy says it is: `ROLE~ADDRESS~POD.NAMESPACE~DOMAIN`; absent where it does not say it. */
  readonly nodeId?: string
}

interface LivePod {
  readonly metadata: {
    readonly uid: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec?: {
    readonly nodeName?: string
    readonly hostNetwork?: boolean
    readonly initContainers?: readonly { readonly name: string }[]
  }
  readonly status?: { readonly podIPs?: readonly { readonly ip: string }[] }
}

/** How long the API server's word on a token is believed, in ms: proxies that come back all at once are not asked about one by one. */
const VERDICT_MS = 60_000
const ANSWER_MS = 10_000

const EXTRA = 'authentication.kubernetes.io'

export interface PodCallersOptions {
  readonly server: ApiServer
  /** Name of this node. */
  readonly node: string
  readonly trustDomain: string
  readonly now?: () => number
  /** Of this node, as connections of its pods may come from there. Default: those of its network interfaces. */
  readonly nodeAddresses?: () => readonly string[]
}

/** Finds out which pod of a node it is that calls, by the token of its service account, which is bound to the pod. */
export class PodCallers {
  readonly #options: PodCallersOptions
  readonly #now: () => number
  readonly #verdicts = new Map<string, { readonly until: number; readonly verdict: TokenVerdict }>()

  constructor(options: PodCallersOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** @throws Refused */
  async identify({ bearer, peer, nodeId }: Call): Promise<CallingPod> {
    if (bearer === undefined) throw unproven('show the token of your service account in authorization: Bearer')
    const verdict = await this.#review(bearer)
    if (!verdict.authenticated) throw unproven(`the token proves nothing: ${verdict.problem}`)
    const { username, extra } = verdict.owner
    const [, namespace, serviceAccount] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? []
    if (namespace === undefined || serviceAccount === undefined)
      throw unproven(`the token is that of ${username}, which is no service account`)
    const [name] = extra[`${EXTRA}/pod-name`] ?? []
    const [uid] = extra[`${EXTRA}/pod-uid`] ?? []
    const [node] = extra[`${EXTRA}/node-name`] ?? []
    if (name === undefined || uid === undefined)
      throw unproven(`the token of ${username} is bound to no pod; use one from a projected volume of a pod`)
    const key = `${namespace}/${name}`
    if (node !== undefined && node !== this.#options.node)
      throw denied(`pod ${key} is on node ${node}, and this is the agent of node ${this.#options.node}`)
    const claimed = nodeId?.split('~')[2]
    if (nodeId !== undefined && claimed !== `${name}.${namespace}`)
      throw denied(`the token is that of pod ${key}, and the proxy says it is of ${JSON.stringify(claimed ?? '')}`)
    const { pod, addresses } = await this.#podOf(key, namespace, name, uid, serviceAccount)
    this.#checkOrigin(key, addressIn(peer), addresses)
    return pod
  }

  async #podOf(
    key: string,
    namespace: string,
    name: string,
    uid: string,
    serviceAccount: string,
  ): Promise<{ readonly pod: CallingPod; readonly addresses: readonly string[] }> {
    const { server, node, trustDomain } = this.#options
    const ref = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name } }
    const pod = (await asked(() => readLive(server, ref, AbortSignal.timeout(ANSWER_MS)))) as LivePod | undefined
    if (!pod || pod.metadata.uid !== uid) throw denied(`pod ${key} with uid ${uid} is gone`)
    const { nodeName, hostNetwork = false, initContainers = [] } = pod.spec ?? {}
    if (nodeName !== node) throw denied(`pod ${key} is on node ${nodeName}, and this is the agent of node ${node}`)
    const { labels = {}, annotations = {} } = pod.metadata
    const calling = {
      key,
      uid,
      spiffeId: workloadId(namespace, serviceAccount, trustDomain),
      labels,
      annotations,
      hostNetwork,
      capturesItself: initContainers.some((container) => container.name === CAPTURE_CONTAINER),
    }
    return { pod: calling, addresses: (pod.status?.podIPs ?? []).map(({ ip }) => ip) }
  }

  /** A token that was taken out of its pod is of no use elsewhere. The API server may not know the pod's addresses yet. */
  #checkOrigin(key: string, origin: string, addresses: readonly string[]): void {
    if (addresses.length === 0 || addresses.includes(origin)) return
    const { nodeAddresses = interfaceAddresses } = this.#options
    if (nodeAddresses().includes(origin)) return
    throw denied(`the token is that of pod ${key}, at ${addresses.join(', ')}, and the call comes from ${origin}`)
  }

  async #review(token: string): Promise<TokenVerdict> {
    const now = this.#now()
    for (const [key, { until }] of this.#verdicts) if (until <= now) this.#verdicts.delete(key)
    const key = createHash('sha256').update(token).digest('base64')
    const known = this.#verdicts.get(key)
    if (known) return known.verdict
    const { server } = this.#options
    const verdict = await asked(() => reviewToken(server, token, TOKEN_AUDIENCE, AbortSignal.timeout(ANSWER_MS)))
    // Not what was refused: a token may be right in a moment, and anybody can fill a memory with wrong ones.
    if (verdict.authenticated) this.#verdicts.set(key, { until: now + VERDICT_MS, verdict })
    return verdict
  }
}

/** `10.0.0.1` of `10.0.0.1:40000`, and of `::ffff:10.0.0.1:40000`. */
export function addressIn(peer: string): string {
  const address = peer.slice(0, peer.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
  return address.replace(/^::ffff:(?=\d+\.)/, '')
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address))
}

async function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    const why = error instanceof ApiError || error instanceof Error ? error.message : String(error)
    throw new Refused(status.UNAVAILABLE, `the API server cannot be asked who calls: ${why}`)
  }
}

function unproven(message: string): Refused {
  return new Refused(status.UNAUTHENTICATED, message)
}

function denied(message: string): Refused {
  return new Refused(status.PERMISSION_DENIED, message)
}
