import { FIELD_MANAGER } from '../../resources/cluster-names.ts'
import { ApiError, type ApiServer } from './api-server.ts'
import { type CollectionRef, collectionPathOf, type ObjectRef, objectPath } from './object-path.ts'

export type { CollectionRef, ObjectRef } from './object-path.ts'

/** An object as an API server answers it. */
export interface LiveObject extends ObjectRef {
  readonly metadata: ObjectRef['metadata'] & {
    readonly uid: string
    readonly resourceVersion: string
    readonly generation?: number
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly deletionTimestamp?: string
    readonly ownerReferences?: readonly Readonly<Record<string, unknown>>[]
  }
  readonly [field: string]: unknown
}

export interface WriteOptions {
  readonly signal?: AbortSignal
  /** `status`: only that part of the object is written. */
  readonly subresource?: string
  /** The API server checks and answers as if it had done it. */
  readonly dryRun?: boolean
}

/** An object, or undefined where there is none. Throws ApiError. */
export async function readLive(
  server: ApiServer,
  ref: ObjectRef,
  signal?: AbortSignal,
): Promise<LiveObject | undefined> {
  const path = await objectPath(server, ref, signal)
  try {
    return (await server.send({ method: 'GET', path, ...(signal && { signal }) })) as LiveObject
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined
    throw error
  }
}

/** Objects in one answer. */
const PAGE = 500

export interface ListOptions {
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly signal?: AbortSignal
}

/** All objects of a kind, in a namespace or everywhere; selectors as kubectl takes them. Throws ApiError. */
export async function listLive(
  server: ApiServer,
  collection: CollectionRef,
  { labelSelector, fieldSelector, signal }: ListOptions = {},
): Promise<readonly LiveObject[]> {
  const root = await collectionPathOf(server, collection, signal)
  const objects: LiveObject[] = []
  let next: string | undefined
  do {
    const query = new URLSearchParams({
      limit: String(PAGE),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      ...(next ? { continue: next } : {}),
    })
    const page = (await server.send({ method: 'GET', path: `${root}?${query}`, ...(signal && { signal }) })) as {
      readonly metadata?: { readonly continue?: string }
      readonly items?: readonly LiveObject[]
    }
    // Items of a list don't say what they are.
    const { apiVersion, kind } = collection
    for (const item of page.items ?? []) objects.push({ ...item, apiVersion, kind })
    next = page.metadata?.continue
  } while (next)
  return objects
}

export interface ApplyOptions extends WriteOptions {
  /** `weft` where absent. */
  readonly fieldManager?: string
  /** False: ApiError 409 where somebody else has set one of these fields to something else. */
  readonly force?: boolean
}

/**
 * Server-side apply: makes the object, or makes these of its fields true, and takes away those that we applied before and don't any more.
 * Fields that others own are taken over, unless `force` is false. Returns what is there now. Throws ApiError.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */
export async function applyObject<T extends ObjectRef>(
  server: ApiServer,
  object: T,
  options: ApplyOptions = {},
): Promise<LiveObject> {
  const path = await objectPath(server, object, options.signal)
  const { fieldManager = FIELD_MANAGER, force = true } = options
  const query = { fieldManager, force: String(force) }
  return sendTo(server, 'PATCH', path, query, object, options, 'application/apply-patch+yaml')
}

/** Makes an object; ApiError 409 where there is one of its name. */
export async function createObject<T extends ObjectRef>(
  server: ApiServer,
  object: T,
  options: WriteOptions = {},
): Promise<LiveObject> {
  const { apiVersion, kind, metadata } = object
  const { namespace } = metadata
  const ref = { apiVersion, kind, ...(namespace === undefined ? {} : { namespace }) }
  const path = await collectionPathOf(server, ref, options.signal)
  return sendTo(server, 'POST', path, { fieldManager: FIELD_MANAGER }, object, options)
}

/** Writes a whole object; with `metadata.resourceVersion` ApiError 409 where it has changed meanwhile. */
export async function replaceObject<T extends ObjectRef>(
  server: ApiServer,
  object: T,
  options: WriteOptions = {},
): Promise<LiveObject> {
  const path = await objectPath(server, object, options.signal)
  return sendTo(server, 'PUT', path, { fieldManager: FIELD_MANAGER }, object, options)
}

/**
 * JSON merge patch: the fields in `patch` become so, null takes one away, lists are replaced whole. With `metadata.resourceVersion` in it,
 * ApiError 409 where the object has changed meanwhile.
 */
export async function patchObject(
  server: ApiServer,
  ref: ObjectRef,
  patch: Readonly<Record<string, unknown>>,
  options: WriteOptions = {},
): Promise<LiveObject> {
  const path = await objectPath(server, ref, options.signal)
  return sendTo(server, 'PATCH', path, { fieldManager: FIELD_MANAGER }, patch, options, 'application/merge-patch+json')
}

export interface DeleteOptions extends WriteOptions {
  /** What becomes of the objects that it owns; `Background` where absent. */
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan'
  /** Only this very object, not one of its name that was made since: ApiError 409. */
  readonly uid?: string
}

/** Removes an object. Returns false where there is none. Throws ApiError. */
export async function deleteObject(server: ApiServer, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
  const { propagation = 'Background', uid, signal, dryRun } = options
  const path = await objectPath(server, ref, signal)
  const body = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    propagationPolicy: propagation,
    ...(uid === undefined ? {} : { preconditions: { uid } }),
    ...(dryRun ? { dryRun: ['All'] } : {}),
  }
  try {
    await server.send({ method: 'DELETE', path, body, ...(signal && { signal }) })
    return true
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return false
    throw error
  }
}

async function sendTo(
  server: ApiServer,
  method: 'POST' | 'PUT' | 'PATCH',
  path: string,
  query: Readonly<Record<string, string>>,
  body: unknown,
  { signal, subresource, dryRun }: WriteOptions,
  contentType?: string,
): Promise<LiveObject> {
  const parameters = new URLSearchParams({ ...query, ...(dryRun ? { dryRun: 'All' } : {}) })
  const answer = await server.send({
    method,
    path: `${path}${subresource ? `/${subresource}` : ''}?${parameters}`,
    body,
    ...(contentType === undefined ? {} : { contentType }),
    ...(signal && { signal }),
  })
  return answer as LiveObject
}
