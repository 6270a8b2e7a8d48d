import { SERVER_NAME } from '../resources/cluster-names.ts'
import type { Snapshot } from '../store/snapshot.ts'

/**
 * Names and addresses of the other servers' pods.
 * @param namespace where Weft is installed
 * @param replica name of this pod
 */
export function otherReplicas(
  snapshot: Snapshot,
  namespace: string,
  replica: string,
): readonly (readonly [name: string, address: string])[] {
  return [...snapshot.all('core/Pod').values()].flatMap(({ metadata, status }) =>
    metadata.namespace === namespace &&
    metadata.name !== replica &&
    metadata.labels?.['app.kubernetes.io/name'] === SERVER_NAME &&
    status?.podIP !== undefined
      ? [[metadata.name, status.podIP] as const]
      : [],
  )
}
