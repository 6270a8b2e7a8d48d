import type { ApiServer } from './api-server.ts'

/** Whom a token shows its bearer to be. */
export interface TokenOwner {
  /** `system:serviceaccount:shop:cart` */
  readonly username: string
  readonly uid?: string
  readonly groups: readonly string[]
  /** What a bound token says beside: `authentication.kubernetes.io/pod-name`, `pod-uid`, `node-name`. */
  readonly extra: Readonly<Record<string, readonly string[]>>
}

export type TokenVerdict =
  | { readonly authenticated: true; readonly owner: TokenOwner }
  /** `problem`: for logs, in the API server's words. */
  | { readonly authenticated: false; readonly problem: string }

interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean
    readonly user?: Partial<TokenOwner>
    readonly audiences?: readonly string[]
    readonly error?: string
  }
}

/**
 * Asks the API server (authentication.k8s.io/v1 TokenReview) whose token this is, and whether it was made for `audience`.
 * Throws ApiError where it can't be told.
 */
export async function reviewToken(
  server: ApiServer,
  token: string,
  audience: string,
  signal?: AbortSignal,
): Promise<TokenVerdict> {
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token, audiences: [audience] },
  }
  const path = '/apis/authentication.k8s.io/v1/tokenreviews'
  const { status } = (await server.send({ method: 'POST', path, body, ...(signal && { signal }) })) as TokenReview
  const { user, audiences, error } = status ?? {}
  if (!status?.authenticated || !user?.username)
    return { authenticated: false, problem: error || 'the token is not one of this cluster, or not valid any more' }
  // An API server whose authenticator knows no audiences leaves them out, and has not checked them.
  if (!audiences?.includes(audience)) return { authenticated: false, problem: `the token is not for ${audience}` }
  const { username, uid, groups = [], extra = {} } = user
  return { authenticated: true, owner: { username, groups, extra, ...(uid === undefined ? {} : { uid }) } }
}

/** Something that one may be allowed to do; as in `ResourceAttributes` of authorization.k8s.io/v1. */
export interface Deed {
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` */
  readonly verb: string
  /** '' for the core group. */
  readonly group: string
  /** In the plural: `deployments`. */
  readonly resource: string
  readonly subresource?: string
  /** Absent: in all namespaces, or the kind is in none. */
  readonly namespace?: string
  readonly name?: string
}

interface AccessReview {
  readonly status?: { readonly allowed?: boolean; readonly reason?: string }
}

/** Asks the API server whether we may do something (authorization.k8s.io/v1 SelfSubjectAccessReview). Throws ApiError. */
export async function mayWe(server: ApiServer, deed: Deed, signal?: AbortSignal): Promise<boolean> {
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: deed },
  }
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
  const { status } = (await server.send({ method: 'POST', path, body, ...(signal && { signal }) })) as AccessReview
  return status?.allowed === true
}
