import type { AuditLog } from '../identity/audit-log.ts'
import { hostOf } from '../identity/audit-log.ts'
import { urisOf } from '../identity/certificate.ts'
import { X509Certificate } from '../identity/x509.ts'
import type { AdsServerOptions } from '../xds/ads-server.ts'

/** Remembers who was refused configuration. */
export function auditedRefusals(audit: AuditLog): NonNullable<AdsServerOptions['onRefused']> {
  return ({ address, certificate }, node, { refused }) => {
    const [who = 'unknown'] = certificate ? urisOf(new X509Certificate(certificate as Uint8Array<ArrayBuffer>)) : []
    audit.record({
      outcome: 'refused',
      action: 'configuration.request',
      who,
      from: hostOf(address),
      about: `proxy ${JSON.stringify(node?.id ?? '')}`,
      reason: refused,
    })
  }
}
