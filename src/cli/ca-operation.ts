import { userInfo } from 'node:os'
import { recordOperation } from '../identity/ca-operations.ts'
import type { CaPlace } from './ca-place.ts'

/**
 * Remembers, with the certificate authority, what was just done to it, and by whom: on a cluster as whom the API server knows the caller, else the user of this machine.
 * @param action such as `ca.block`
 * @param more what it was about, and the reason that was given
 */
export async function operated(
  place: Pick<CaPlace, 'store' | 'cluster'>,
  action: string,
  more: { readonly about?: string; readonly reason?: string } = {},
): Promise<void> {
  const who = await callerOf(place)
  await recordOperation(place.store, { action, who, ...more }, Date.now())
}

/** As whom a command acts. */
export async function callerOf({ cluster }: Pick<CaPlace, 'cluster'>): Promise<string> {
  const local = `${userInfo().username} (user of a machine)`
  if (!cluster) return local
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  // An API server before 1.28 does not tell.
  const review = await cluster.server.send({ method: 'POST', path, body }).catch(() => undefined)
  const { status } = (review ?? {}) as { readonly status?: { readonly userInfo?: { readonly username?: string } } }
  return status?.userInfo?.username ?? local
}
