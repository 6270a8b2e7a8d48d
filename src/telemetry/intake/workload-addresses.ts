import { UNKNOWN } from '../measurements/series.ts'

/** What is known of an address in the mesh. */
export interface AddressOwner {
  readonly namespace: string
  readonly workload: string
  readonly app: string
  readonly version: string
  /** Whether a proxy of the mesh stands before it. */
  readonly inMesh: boolean
}

/** One pod with its addresses, as the server knows it. */
export interface PodAddresses extends AddressOwner {
  /** `NAMESPACE/NAME`. */
  readonly pod: string
  readonly serviceAccount: string
  readonly addresses: readonly string[]
}

export const NOBODY: AddressOwner = { namespace: UNKNOWN, workload: UNKNOWN, app: '', version: '', inMesh: false }

/** Who is at which address. */
export class WorkloadAddresses {
  #byAddress = new Map<string, PodAddresses>()
  #byPod = new Map<string, PodAddresses>()
  /** Undefined where several workloads share the account. */
  #byAccount = new Map<string, PodAddresses | undefined>()

  /** All pods there are now. Those that have gone are remembered until their address is another's: what they did may still come in. */
  set(pods: readonly PodAddresses[]): void {
    this.#byAccount = new Map()
    for (const pod of pods) {
      const account = `${pod.namespace}/${pod.serviceAccount}`
      const other = this.#byAccount.get(account)
      const isShared = this.#byAccount.has(account) && other?.workload !== pod.workload
      this.#byAccount.set(account, isShared ? undefined : pod)
      this.#byPod.set(pod.pod, pod)
      for (const address of pod.addresses) this.#byAddress.set(address, pod)
    }
    if (this.#byPod.size <= pods.length * 2 + MOST_GONE) return
    this.#byPod = new Map(pods.map((pod) => [pod.pod, pod]))
    this.#byAddress = new Map(pods.flatMap((pod) => pod.addresses.map((address) => [address, pod] as const)))
  }

  /** @param address without port */
  at(address: string): PodAddresses | undefined {
    return this.#byAddress.get(address)
  }

  /** The workload of a service account; undefined where that has several, or none. */
  ofAccount(namespace: string, account: string): AddressOwner | undefined {
    return this.#byAccount.get(`${namespace}/${account}`)
  }

  /** @param pod `NAMESPACE/NAME` */
  of(pod: string): PodAddresses | undefined {
    return this.#byPod.get(pod)
  }
}

/** More pods that are gone than this, and than there are, are forgotten. */
const MOST_GONE = 1000
