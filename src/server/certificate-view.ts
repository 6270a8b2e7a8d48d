import type { BlockedIdentity } from '../identity/blocked.ts'
import type { CertificateAuthority } from '../identity/ca.ts'
import {
  type CertificateSync,
  type ConnectedAgent,
  type ReportedCertificate,
  rootsVersion,
} from '../identity/certificate-sync.ts'
import type { Inventory, InventoryRecord } from '../identity/inventory.ts'
import type { Rotation } from '../identity/rotation.ts'
import type { ServingCertificate } from '../identity/serving-certificate.ts'

/** What `GET /api/v1/ca` answers: what a server signs and trusts, and what its agents and their proxies have of that. No key. */
export interface CertificateView {
  readonly trustDomain: string
  readonly selfMade: boolean
  readonly trustBundlePem: string
  /** As `rootsVersion`. */
  readonly rootsVersion: string
  /** As `SigningNow`. */
  readonly signing: { readonly root: string; readonly issuer?: string }
  readonly rotation?: Rotation
  readonly blocked: readonly BlockedIdentity[]
  /** The server's own. */
  readonly serving: ReportedCertificate
  readonly agents: readonly ConnectedAgent[]
}

/** What the authority gave out, and who holds what now. */
export function inventoryNow(
  inventory: Inventory,
  serving: ServingCertificate,
  sync: CertificateSync,
): readonly InventoryRecord[] {
  inventory.held([
    ['server', serving.certificate()],
    ...sync.agents.flatMap(({ node, report }) => [
      ...(report ? [[`agent ${node}`, report.own] as const] : []),
      ...(report?.proxies ?? []).flatMap(({ pod, certificate }) => (certificate ? [[pod, certificate] as const] : [])),
    ]),
  ])
  return inventory.records()
}

export function certificateView(
  ca: CertificateAuthority,
  serving: ServingCertificate,
  sync: CertificateSync,
): CertificateView {
  const { root, issuer } = ca.signing
  return {
    trustDomain: ca.trustDomain,
    selfMade: ca.selfMade,
    trustBundlePem: ca.trustBundlePem,
    rootsVersion: rootsVersion(ca.trustBundlePem, ca.federated),
    signing: { root, ...(issuer === undefined ? {} : { issuer }) },
    ...(ca.rotation ? { rotation: ca.rotation } : {}),
    blocked: ca.blocked,
    serving: serving.certificate(),
    agents: sync.agents,
  }
}
