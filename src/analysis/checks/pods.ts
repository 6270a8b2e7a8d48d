import type { FieldPath } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check } from '../check.ts'
import { type PodLike, podLikes } from '../views/pods.ts'

/** What a sidecar listens on in its pod: outbound and inbound traffic. */
const PROXY_PORTS: ReadonlyMap<number, string> = new Map([
  [15001, 'outbound traffic'],
  [15006, 'inbound traffic'],
])

export const hostNetwork: Check = {
  rule: 'host-network',
  severity: 'warning',
  about: "A pod that is to be in the mesh uses its node's network: it gets no proxy, and so no part in it.",
  *find(snapshot) {
    for (const pod of podLikes(snapshot)) {
      const { resource, path, spec } = pod
      if (!spec?.hostNetwork || !isMeant(snapshot, pod)) continue
      yield {
        resource,
        path: [...path, 'spec', 'hostNetwork'],
        problem: "a pod in its node's network gets no proxy: its calls and those to it are outside the mesh",
        remedy: 'remove hostNetwork, or leave the pod out of the mesh with the label sidecar.istio.io/inject: "false"',
      }
    }
  },
}

/** Whether anybody wants the pod to be in the mesh. Of a namespace of which nothing is known, as in files, all pods are. */
function isMeant(snapshot: Snapshot, { namespace, labels }: PodLike): boolean {
  const ofPod = labels['weft.dev/inject'] ?? labels['sidecar.istio.io/inject']
  if (ofPod !== undefined) return ofPod === 'true'
  const known = snapshot.get('core/Namespace', namespace)
  if (!known) return true
  const { 'weft.dev/inject': own, 'istio-injection': injection, 'istio.io/rev': revision } = known.metadata.labels ?? {}
  return (own ?? injection) === 'enabled' || own === 'true' || (injection === undefined && revision !== undefined)
}

export const portOfProxy: Check = {
  rule: 'port-of-proxy',
  severity: 'error',
  about: 'A container listens on a port that the proxy in its pod needs: one of the two cannot start.',
  *find(snapshot) {
    for (const { resource, path, spec } of podLikes(snapshot)) {
      for (const [i, container] of (spec?.containers ?? []).entries()) {
        for (const [j, { containerPort }] of (container.ports ?? []).entries()) {
          const use = PROXY_PORTS.get(containerPort)
          if (use === undefined || container.name === 'istio-proxy') continue
          const at: FieldPath = [...path, 'spec', 'containers', i, 'ports', j, 'containerPort']
          yield {
            resource,
            path: at,
            problem: `port ${containerPort} is the one on which the proxy in the pod takes ${use}`,
            remedy: 'let the container listen on another port',
          }
        }
      }
    }
  },
}
