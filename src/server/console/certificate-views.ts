import type { InventoryRecord } from '../../identity/inventory.ts'
import type { CertificateView } from '../certificate-view.ts'
import type { CertificateRow, CertificatesView } from './answers.ts'

/** A certificate is renewed at a random moment after half of its life: one that somebody holds with less than this share of it left is not being renewed. */
const LATE = 0.2

/** The authority, and all that it gave out. No key. */
export function certificatesView(
  authority: CertificateView | undefined,
  certificates: readonly CertificateRow[],
): CertificatesView {
  if (!authority) return { certificates }
  const { trustDomain, selfMade, signing, rotation, blocked } = authority
  return {
    authority: {
      trustDomain,
      selfMade,
      root: signing.root,
      ...(signing.issuer === undefined ? {} : { issuer: signing.issuer }),
      ...(rotation ? { rotating: rotation.kind === 'root' ? `root, stage ${rotation.stage}` : 'intermediate' } : {}),
      blocked: blocked.map(({ spiffeId }) => spiffeId),
    },
    certificates,
  }
}

/** Another text when somebody holds another certificate than before, or another root signs. */
export function certificatesDigest(authority: CertificateView | undefined): string {
  if (!authority) return ''
  const { signing, rotation, blocked, agents } = authority
  const held = agents.flatMap(({ report }) => report?.proxies.map(({ certificate }) => certificate?.serial) ?? [])
  return JSON.stringify([signing, rotation, blocked, held])
}

/** Of those that somebody holds. */
export function heldCertificates(records: readonly InventoryRecord[]): readonly InventoryRecord[] {
  return records.filter(({ usedBy }) => usedBy.length > 0)
}

/** Whether a certificate that somebody holds should have been renewed by now. @param now in ms since the epoch */
export function isLate({ notBefore, notAfter }: CertificateRow, now: number): boolean {
  const [start, end] = [Date.parse(notBefore), Date.parse(notAfter)]
  return end - now < LATE * (end - start)
}
