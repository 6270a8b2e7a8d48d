import { SERVER_NAME } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { listLive, readLive } from '../sources/kubernetes/write.ts'
import type { Values } from './template.ts'

/** What servers are: those that have volumes keep their names, by which they find them again. */
export function serverKind(values: Values): 'Deployment' | 'StatefulSet' {
  return values['server.storageSize'] ? 'StatefulSet' : 'Deployment'
}

const STORAGE = 'storage.k8s.io/v1'
const IS_DEFAULT = 'storageclass.kubernetes.io/is-default-class'

/**
 * The StorageClass that volumes would be of, or why there would be none. Throws ApiError.
 * @param wanted its name; the cluster's default one where empty
 */
export async function storageClassFor(
  server: ApiServer,
  wanted: string,
): Promise<{ readonly name: string } | { readonly problem: string; readonly remedy: string }> {
  const classes = await listLive(server, { apiVersion: STORAGE, kind: 'StorageClass' })
  const names = classes.map(({ metadata }) => metadata.name)
  const found = classes.find(({ metadata }) =>
    wanted === '' ? metadata.annotations?.[IS_DEFAULT] === 'true' : metadata.name === wanted,
  )
  if (found) return { name: found.metadata.name }
  const without = '--set server.storageSize= to have telemetry go with its pods'
  return {
    problem: `volumes are wanted, and the cluster has no ${wanted === '' ? 'default StorageClass' : `StorageClass ${wanted}`}`,
    remedy: names.length > 0 ? `--set server.storageClassName=${names[0]}, or ${without}` : without,
  }
}

interface ClaimSpec {
  readonly storageClassName?: string
  readonly resources?: { readonly requests?: { readonly storage?: string } }
}

/** Kubernetes never changes the volumes that a StatefulSet asks for. @throws Error saying how it is done by hand */
export async function refuseOtherVolumes(server: ApiServer, values: Values): Promise<void> {
  const size = values['server.storageSize']
  if (!size) return
  const namespace = String(values['namespace'])
  const live = await readLive(server, {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { namespace, name: SERVER_NAME },
  })
  const { volumeClaimTemplates = [] } = (live?.['spec'] ?? {}) as {
    readonly volumeClaimTemplates?: readonly { readonly spec?: ClaimSpec }[]
  }
  const there = volumeClaimTemplates[0]?.spec
  if (!there) return
  const wantedClass = values['server.storageClassName']
  const has = there.resources?.requests?.storage
  const hasClass = there.storageClassName ?? ''
  if (has === size && hasClass === wantedClass) return
  const [setting, was, wanted] =
    has === size
      ? ['server.storageClassName', hasClass || 'the default', wantedClass || 'the default']
      : ['server.storageSize', has, size]
  throw new Error(
    `${setting} is ${wanted}, but the volumes of the servers in ${namespace} were made with ${was}, which Kubernetes does not change; ` +
      `leave it as it was, or have servers made anew: change or delete their claims (kubectl -n ${namespace} get pvc -l app.kubernetes.io/name=${SERVER_NAME}), ` +
      `then kubectl -n ${namespace} delete statefulset ${SERVER_NAME} --cascade=orphan, and install again`,
  )
}
