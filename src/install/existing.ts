import { SERVER_NAME } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { readLive } from '../sources/kubernetes/write.ts'

/** An installation that is in a cluster: there can be one. */
export interface Existing {
  readonly namespace: string
  /** Who made it: `weft-install`, `Helm`, or what somebody else calls himself. */
  readonly managedBy: string
  readonly version: string
}

/** The installation in a cluster, known by what its server may do everywhere. Throws ApiError. */
export async function existingInstallation(server: ApiServer, signal?: AbortSignal): Promise<Existing | undefined> {
  const binding = await readLive(
    server,
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: SERVER_NAME },
    },
    signal,
  )
  if (!binding) return undefined
  const [subject] = (binding['subjects'] ?? []) as readonly { readonly namespace?: string }[]
  const { labels = {} } = binding.metadata
  return {
    namespace: subject?.namespace ?? '',
    managedBy: labels['app.kubernetes.io/managed-by'] ?? 'somebody else',
    version: labels['app.kubernetes.io/version'] ?? 'unknown',
  }
}
