import { PROXY_UID } from '../../resources/cluster-names.ts'
import { capture, release } from '../capture/netns.ts'
import { captureOptions } from '../capture/rules.ts'

/** The group of a host's agent, whose own connections go nowhere but where it means them to. */
const AGENT_GID = PROXY_UID + 1

/** A host's administrators come in by SSH, mesh or not. */
const SSH = '22'

/** As whom the proxy of a captured host runs: by that the kernel tells its connections from others. */
export const CAPTURED_PROXY = { uid: PROXY_UID, gid: PROXY_UID } as const

/** Makes this process one whose connections are not redirected. To be called before it makes any. @throws Error where it is not root */
export function stayOutOfCapture(): void {
  if (process.getuid?.() !== 0)
    throw new Error('redirecting the traffic of this host takes root; run it as root, or leave out --capture')
  process.setgid?.(AGENT_GID)
}

/**
 * Redirects the traffic of the network that this process is in to the proxy, questions for addresses included: as the annotations of a WorkloadGroup's `metadata` say, which
 * are a pod's. Port 22 never comes to the proxy.
 * @throws Error with what iptables says
 */
export function captureHost(annotations: Readonly<Record<string, string>>): Promise<void> {
  const options = captureOptions(annotations)
  return capture(`/proc/${process.pid}/ns/net`, {
    ...options,
    exceptInboundPorts: [SSH, ...options.exceptInboundPorts],
    dns: true,
    exceptGid: AGENT_GID,
  })
}

/** Leaves the traffic alone again. */
export function releaseHost(): Promise<void> {
  return release(`/proc/${process.pid}/ns/net`)
}
