import { status } from '@grpc/grpc-js'
import { isProxyless, roleOf } from '../../mesh/workloads.ts'
import { capture } from '../capture/netns.ts'
import { captureOptions } from '../capture/rules.ts'
import type { CallingPod } from './pod-caller.ts'
import { podNetwork } from './pod-network.ts'
import { Refused } from './relayed-stream.ts'

/**
 * Redirects pods' traffic to their proxies, each pod's once: what its annotations asked for when its proxy first called is what counts, as these go with
 * the proxy's own arguments. Again after a restart of the agent, and where a pod got another network, as after a reboot of the node.
 */
export class PodCaptures {
  /** By pod's uid: the network in which its traffic is redirected, and the work on that. */
  readonly #done = new Map<string, { readonly network: string; readonly redirected: Promise<void> }>()

  /** Resolves when the pod's traffic goes where it should. @throws Refused */
  async ensure(pod: CallingPod): Promise<void> {
    if (!isRedirected(pod)) return
    const network = podNetwork(pod.uid)
    if (!network) throw new Refused(status.UNAVAILABLE, `no process of pod ${pod.key} is found on this node`)
    try {
      const known = this.#done.get(pod.uid)
      this.#done.delete(pod.uid)
      const redirected = known?.network === network.id ? known.redirected : redirect(pod, network.descriptor)
      this.#done.set(pod.uid, { network: network.id, redirected })
      const [oldest] = this.#done.keys()
      if (oldest !== undefined && this.#done.size > MOST_REMEMBERED) this.#done.delete(oldest)
      try {
        await redirected
      } catch (error) {
        this.#done.delete(pod.uid)
        throw error
      }
    } finally {
      network.close()
    }
  }
}

/** More than pods on any node. Those that were gone longest are forgotten. */
const MOST_REMEMBERED = 2000

/** Gateways are called at ports of their own, and gRPC libraries make connections where they belong; in other pods an init container has done it where agents may not. */
function isRedirected({ labels, annotations, hostNetwork, capturesItself }: CallingPod): boolean {
  return !hostNetwork && !capturesItself && !isProxyless(labels) && roleOf(labels, annotations) === 'sidecar'
}

async function redirect(pod: CallingPod, descriptor: number): Promise<void> {
  try {
    await capture(`/proc/${process.pid}/fd/${descriptor}`, captureOptions(pod.annotations))
  } catch (error) {
    throw new Refused(
      status.FAILED_PRECONDITION,
      `the traffic of pod ${pod.key} is not redirected: ${(error as Error).message}`,
    )
  }
}
