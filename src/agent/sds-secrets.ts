import { createHash } from 'node:crypto'
import { create, toBinary } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import type { WorkloadSecrets } from './certificates.ts'

/** Name of the secret with the workload's key and certificate; Istio's. */
export const WORKLOAD_SECRET = 'default'
/** Name of the secret with the roots that peers are verified by; Istio's. */
export const ROOTS_SECRET = 'ROOTCA'
export const SECRET_TYPE_URL = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'

/** A secret as SDS sends it. */
export interface ServedSecret {
  /** Changes when the content does, and only then, also over a restart of the agent. */
  readonly version: string
  readonly resource: Any
}

/** What versions of the roots are called: SHA-256 in hexadecimal. */
export function rootsVersion(trustBundlePem: string): string {
  return createHash('sha256').update(trustBundlePem).digest('hex')
}

/** The two secrets of a workload, by name. */
export function secretsOf(certificate: WorkloadSecrets): ReadonlyMap<string, ServedSecret> {
  const inline = (text: string) => ({ specifier: { case: 'inlineBytes' as const, value: Buffer.from(text) } })
  const workload = create(SecretSchema, {
    name: WORKLOAD_SECRET,
    type: {
      case: 'tlsCertificate',
      value: { certificateChain: inline(certificate.chainPem), privateKey: inline(certificate.privateKeyPem) },
    },
  })
  const roots = create(SecretSchema, {
    name: ROOTS_SECRET,
    type: { case: 'validationContext', value: { trustedCa: inline(certificate.trustBundlePem) } },
  })
  const served = (version: string, secret: typeof roots): ServedSecret => ({
    version,
    resource: create(AnySchema, { typeUrl: SECRET_TYPE_URL, value: toBinary(SecretSchema, secret) }),
  })
  return new Map([
    [WORKLOAD_SECRET, served(certificate.serial, workload)],
    [ROOTS_SECRET, served(rootsVersion(certificate.trustBundlePem), roots)],
  ])
}
