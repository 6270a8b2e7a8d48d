import { ApiError, type ApiServer } from '../../sources/kubernetes/api-server.ts'
import { listLive } from '../../sources/kubernetes/write.ts'
import { ESTATE_KINDS, type Estate, type EstateKind, type EstateObject, type Unread } from './estate.ts'

interface ApiGroupList {
  readonly groups?: readonly { readonly name: string }[]
}

/**
 * What a cluster has. Kinds that one may not list are told of as unread, and kinds that nobody has installed have no objects.
 * @throws ApiError where the API server does not answer
 */
export async function estateOfCluster(server: ApiServer): Promise<Estate> {
  const signal = AbortSignal.timeout(ANSWER_MS)
  const { groups = [] } = (await server.get('/apis', signal)) as ApiGroupList
  const served = new Set(groups.map(({ name }) => name))
  const kinds = (Object.keys(ESTATE_KINDS) as EstateKind[]).filter((kind) => {
    const apiVersion: string = ESTATE_KINDS[kind]
    return !apiVersion.includes('/') || served.has(apiVersion.slice(0, apiVersion.indexOf('/')))
  })
  const read = await Promise.all(
    kinds.map(async (kind): Promise<readonly EstateObject[] | Unread> => {
      try {
        return (await listLive(server, { apiVersion: ESTATE_KINDS[kind], kind })) as readonly EstateObject[]
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return []
        if (error instanceof ApiError && error.status !== 403 && error.status !== 401) throw error
        return { kind, why: error instanceof ApiError ? 'you may not list it' : 'the cluster does not serve it' }
      }
    }),
  )
  return {
    label: `the cluster at ${server.url}`,
    live: true,
    objects: read.flatMap((each) => ('why' in each ? [] : each)),
    unread: read.flatMap((each) => ('why' in each ? [each] : [])),
    groups: [...served].sort(),
    messages: [],
  }
}

/** More than any API server takes for the list of its groups, in ms. */
const ANSWER_MS = 30_000
