import { groupVersion, kindInGroup } from '../../resources/kinds.ts'
import { ApiError, type ApiServer } from './api-server.ts'

/** Which object of an API server: as it stands in YAML, of any kind that is served. */
export interface ObjectRef {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** Objects of a kind, and where they are. */
export interface CollectionRef {
  readonly apiVersion: string
  readonly kind: string
  /** Absent for kinds that are in no namespace, or for all namespaces. */
  readonly namespace?: string
}

/** An APIResourceList, as far as we read it. */
interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[]
}

interface ServedResource {
  readonly plural: string
  readonly namespaced: boolean
}

/** What each API server was found to serve, by `apiVersion kind`. What is not served may be a moment later: it isn't remembered. */
const FOUND = new WeakMap<ApiServer, Map<string, ServedResource>>()

/** `/apis/apps/v1/namespaces/shop/deployments/cart`. Throws ApiError: with status 404 where that kind is not served. */
export async function objectPath(server: ApiServer, ref: ObjectRef, signal?: AbortSignal): Promise<string> {
  const { apiVersion, kind, metadata } = ref
  const { plural, namespaced } = await servedResource(server, apiVersion, kind, signal)
  if (namespaced && metadata.namespace === undefined)
    throw new Error(`${kind} ${metadata.name} has no metadata.namespace, and this kind is always in one`)
  return `${rootPath(apiVersion)}${namespacePath(namespaced ? metadata.namespace : undefined)}/${plural}/${encodeURIComponent(metadata.name)}`
}

/** `/apis/apps/v1/namespaces/shop/deployments`. Throws as `objectPath` does. */
export async function collectionPathOf(server: ApiServer, ref: CollectionRef, signal?: AbortSignal): Promise<string> {
  const { plural, namespaced } = await servedResource(server, ref.apiVersion, ref.kind, signal)
  return `${rootPath(ref.apiVersion)}${namespacePath(namespaced ? ref.namespace : undefined)}/${plural}`
}

async function servedResource(
  server: ApiServer,
  apiVersion: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<ServedResource> {
  const known = kindInGroup(groupVersion(apiVersion).group, name)
  if (known) return known
  const found = FOUND.get(server) ?? new Map<string, ServedResource>()
  FOUND.set(server, found)
  const key = `${apiVersion} ${name}`
  const before = found.get(key)
  if (before) return before
  const path = rootPath(apiVersion)
  const { resources } = (await server.send({ method: 'GET', path, ...(signal && { signal }) })) as ResourceList
  // The others are its subresources, `deployments/scale`.
  const resource = resources.find((one) => one.kind === name && !one.name.includes('/'))
  if (!resource) throw new ApiError(404, `the API server has no kind ${name} in ${apiVersion}`)
  const served = { plural: resource.name, namespaced: resource.namespaced }
  found.set(key, served)
  return served
}

function rootPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
}

function namespacePath(namespace: string | undefined): string {
  return namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`
}
