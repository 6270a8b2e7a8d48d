import { ESTATE_KINDS, type Estate, type EstateKind, type EstateObject, groupOf } from './estate.ts'

/** Kinds that a mesh on one machine reads. */
const READ: readonly EstateKind[] = [
  'Namespace',
  'Pod',
  'Service',
  'ServiceAccount',
  'Deployment',
  'PeerAuthentication',
  'AuthorizationPolicy',
  'Application',
]

/**
 * What a mesh on one machine runs.
 * @param list all objects of a kind, by `group/Kind` (`core/` for the core group)
 */
export async function estateOfMesh(
  label: string,
  list: (kind: string) => Promise<readonly EstateObject[]>,
): Promise<Estate> {
  const lists = await Promise.all(
    READ.map(async (kind) => {
      const group = groupOf(ESTATE_KINDS[kind]) || 'core'
      return (await list(`${group}/${kind}`)).map((object) => ({ ...object, apiVersion: ESTATE_KINDS[kind], kind }))
    }),
  )
  // Its pods are its own, made of Deployments: they would be counted twice.
  const objects = lists.flat().filter(({ kind }) => kind !== 'Pod')
  const others = (Object.keys(ESTATE_KINDS) as EstateKind[]).filter((kind) => !READ.includes(kind))
  const why = 'a mesh on one machine does not read it'
  // It refuses kinds that it does not run, so that there are none of these.
  const none: readonly EstateKind[] = ['StatefulSet', 'DaemonSet', 'Job', 'CronJob']
  return {
    label,
    live: true,
    objects,
    unread: others.filter((kind) => !none.includes(kind)).map((kind) => ({ kind, why })),
    groups: [],
    messages: [],
  }
}
