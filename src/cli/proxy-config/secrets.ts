import { X509Certificate } from 'node:crypto'
import { styled } from '../style.ts'
import { table } from '../table.ts'
import { type ConfigDump, type DataSource, type SecretEntry, type SecretsSection, section } from './dump.ts'

/** A certificate that a proxy has; its own one, or one by which it trusts others. Keys are never shown: Envoy leaves them out. */
export interface SecretStatus {
  readonly name: string
  readonly type: 'certificate' | 'trusted CA'
  readonly state: 'active' | 'warming'
  readonly identity: string
  readonly serial: string
  readonly notBefore: string
  readonly notAfter: string
  /** At the time of asking. */
  readonly valid: boolean
}

export function secrets(dump: ConfigDump, now: Date): readonly SecretStatus[] {
  const all = section<SecretsSection>(dump, 'SecretsConfigDump')
  const of = (entries: readonly SecretEntry[] | undefined, state: SecretStatus['state']) =>
    (entries ?? []).flatMap((entry) => secretStatuses(entry, state, now))
  return [
    ...of(all.static_secrets, 'active'),
    ...of(all.dynamic_active_secrets, 'active'),
    ...of(all.dynamic_warming_secrets, 'warming'),
  ]
}

export function secretTable(shown: readonly SecretStatus[]): string {
  const rows = shown.map(({ name, type, state, identity, serial, notBefore, notAfter, valid }) => [
    name,
    type,
    state,
    serial ? (valid ? 'yes' : styled('red', 'no')) : '-',
    identity || '-',
    serial || '-',
    notAfter || '-',
    notBefore || '-',
  ])
  return table(['NAME', 'TYPE', 'STATE', 'VALID', 'IDENTITY', 'SERIAL', 'NOT AFTER', 'NOT BEFORE'], rows)
}

function secretStatuses(
  { name, secret }: SecretEntry,
  state: SecretStatus['state'],
  now: Date,
): readonly SecretStatus[] {
  const chain = secret?.tls_certificate?.certificate_chain
  const type = chain || name === 'default' ? 'certificate' : 'trusted CA'
  const certificates = pemBlocks(chain ?? secret?.validation_context?.trusted_ca)
  // Of a chain only the first is its own; of trusted CAs each counts.
  const shown = chain ? certificates.slice(0, 1) : certificates
  if (shown.length === 0) {
    return [{ name, type, state, identity: '', serial: '', notBefore: '', notAfter: '', valid: false }]
  }
  return shown.map((pem) => {
    const certificate = new X509Certificate(pem)
    const [notBefore, notAfter] = [certificate.validFromDate, certificate.validToDate]
    const uri = /URI:([^,\s]+)/.exec(certificate.subjectAltName ?? '')?.[1]
    return {
      name,
      type,
      state,
      identity: uri ?? certificate.subject.replaceAll('\n', ', '),
      serial: certificate.serialNumber.toLowerCase(),
      notBefore: seconds(notBefore),
      notAfter: seconds(notAfter),
      valid: notBefore <= now && now < notAfter,
    }
  })
}

function pemBlocks(source: DataSource | undefined): readonly string[] {
  const text = source?.inline_string ?? Buffer.from(source?.inline_bytes ?? '', 'base64').toString()
  return text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
}

function seconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}
