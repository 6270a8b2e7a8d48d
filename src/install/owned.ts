import { ApiError, type ApiServer } from '../sources/kubernetes/api-server.ts'
import { type LiveObject, listLive } from '../sources/kubernetes/write.ts'
import { MANAGED_BY } from './settings.ts'

/** Kinds that installations of this and former versions are made of, in the order in which they are taken away. */
const OWNED_KINDS: readonly (readonly [apiVersion: string, kind: string, ofCluster?: 'of the cluster'])[] = [
  ['admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', 'of the cluster'],
  ['admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration', 'of the cluster'],
  ['gateway.networking.k8s.io/v1', 'GatewayClass', 'of the cluster'],
  ['apps/v1', 'DaemonSet'],
  ['autoscaling/v2', 'HorizontalPodAutoscaler'],
  ['apps/v1', 'Deployment'],
  ['apps/v1', 'StatefulSet'],
  ['policy/v1', 'PodDisruptionBudget'],
  ['networking.k8s.io/v1', 'NetworkPolicy'],
  ['v1', 'Service'],
  ['v1', 'ConfigMap'],
  ['monitoring.coreos.com/v1', 'PodMonitor'],
  ['monitoring.coreos.com/v1', 'PrometheusRule'],
  ['rbac.authorization.k8s.io/v1', 'RoleBinding'],
  ['rbac.authorization.k8s.io/v1', 'Role'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'of the cluster'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRole', 'of the cluster'],
  ['v1', 'ServiceAccount'],
]

/**
 * What `weft install` made, but for the namespace and the definitions of kinds. Throws ApiError.
 * @param kinds of these kinds alone
 */
export async function ownedObjects(
  server: ApiServer,
  namespace: string,
  kinds?: readonly string[],
): Promise<readonly LiveObject[]> {
  const labelSelector = `app.kubernetes.io/managed-by=${MANAGED_BY}`
  const lists = await Promise.all(
    OWNED_KINDS.filter(([, kind]) => kinds?.includes(kind) !== false).map(([apiVersion, kind, ofCluster]) =>
      listLive(server, { apiVersion, kind, ...(ofCluster ? {} : { namespace }) }, { labelSelector }).catch(orNone),
    ),
  )
  return lists.flat()
}

/** For `catch`: of a kind that is not served, such as Gateway API's where it isn't installed, there are no objects. */
export function orNone(error: unknown): readonly LiveObject[] {
  if (error instanceof ApiError && error.status === 404) return []
  throw error
}
