import { WELL_KNOWN } from '../mesh/model.ts'
import { PROXY_CONTAINER } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { type LiveObject, listLive } from '../sources/kubernetes/write.ts'

/** The pods that have a proxy of Weft, gateways among them. Throws ApiError. */
export async function podsWithProxy(server: ApiServer, namespace?: string): Promise<readonly LiveObject[]> {
  const pods = { apiVersion: 'v1', kind: 'Pod', ...(namespace === undefined ? {} : { namespace }) }
  const [sidecars, gateways] = await Promise.all(
    [`${WELL_KNOWN.tlsMode}=istio`, `${WELL_KNOWN.proxyRole}=gateway`].map((labelSelector) =>
      listLive(server, pods, { labelSelector }),
    ),
  )
  const found = [...(sidecars ?? []).filter(hasProxy), ...(gateways ?? [])]
  return [...new Map(found.map((pod) => [pod.metadata.uid, pod])).values()]
}

interface PodSpec {
  readonly containers?: readonly { readonly name: string }[]
  readonly initContainers?: readonly { readonly name: string }[]
}

/** The label is Istio's, whose proxies are none of ours. */
function hasProxy(pod: LiveObject): boolean {
  const { containers = [], initContainers = [] } = pod['spec'] as PodSpec
  return [...containers, ...initContainers].some(({ name }) => name === PROXY_CONTAINER)
}
