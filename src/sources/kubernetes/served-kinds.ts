import { KINDS, type Kind, type KindId } from '../../resources/kinds.ts'
import type { ApiServer } from './api-server.ts'

/** Kinds that are no part of what a mesh on a cluster reads: there pods are made by others. */
const NOT_WATCHED: ReadonlySet<KindId> = new Set(['apps/Deployment'])

const WATCHED: readonly Kind[] = Object.values(KINDS).filter(({ id }) => !NOT_WATCHED.has(id))

/** Kinds of Kubernetes itself: always served, in one version. */
export const BUILT_IN: readonly Kind[] = WATCHED.filter(({ group }) => isBuiltIn(group))

/** Kinds that someone has to install, by the name of their CustomResourceDefinition. */
export const INSTALLED: ReadonlyMap<string, Kind> = new Map(
  WATCHED.filter(({ group }) => !isBuiltIn(group)).map((kind) => [`${kind.plural}.${kind.group}`, kind]),
)

function isBuiltIn(group: string): boolean {
  return group === '' || group === 'discovery.k8s.io'
}

/** All objects of a kind, in a version. */
export function collectionPath({ group, plural }: Kind, version: string): string {
  return group === '' ? `/api/${version}/${plural}` : `/apis/${group}/${version}/${plural}`
}

/** The answer of aggregated discovery (apidiscovery.k8s.io/v2, from Kubernetes 1.30; the same in v2beta1). */
interface GroupDiscoveryList {
  readonly items?: readonly {
    readonly metadata: { readonly name: string }
    readonly versions: readonly {
      readonly version: string
      readonly resources: readonly { readonly resource: string; readonly verbs: readonly string[] }[]
    }[]
  }[]
}

const ACCEPT = ['v2', 'v2beta1']
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .join(',')

/** For each installed kind that is served now: the version that we like best of those that are. Throws ApiError. */
export async function servedVersions(server: ApiServer, signal: AbortSignal): Promise<ReadonlyMap<KindId, string>> {
  const { items = [] } = (await server.get('/apis', signal, ACCEPT)) as GroupDiscoveryList
  const found = new Map<KindId, string>()
  for (const kind of INSTALLED.values()) {
    const versions = items.find(({ metadata }) => metadata.name === kind.group)?.versions ?? []
    const isServed = (version: string) =>
      versions
        .find((one) => one.version === version)
        ?.resources.some(({ resource, verbs }) => resource === kind.plural && verbs.includes('watch'))
    const best = kind.versions.find(isServed)
    if (best !== undefined) found.set(kind.id, best)
  }
  return found
}
