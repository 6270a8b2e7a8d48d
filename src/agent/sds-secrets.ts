import { create, toBinary } from '@bufbuild/protobuf'
import { type Any, AnySchema, anyPack } from '@bufbuild/protobuf/wkt'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import { SPIFFECertValidatorConfigSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config'
import { certificatesIn, urisOf } from '../identity/certificate.ts'
import { ownDomains } from '../identity/own-domains.ts'
import { parseSpiffeId } from '../identity/spiffe.ts'
import { versionOf, type WorkloadSecrets } from './certificates.ts'

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
    type: {
      case: 'validationContext',
      value: { trustedCa: inline(certificate.trustBundlePem), ...byTrustDomain(certificate) },
    },
  })
  const served = (version: string, secret: typeof roots): ServedSecret => ({
    version,
    resource: create(AnySchema, { typeUrl: SECRET_TYPE_URL, value: toBinary(SecretSchema, secret) }),
  })
  return new Map([
    [WORKLOAD_SECRET, served(certificate.serial, workload)],
    [ROOTS_SECRET, served(versionOf(certificate), roots)],
  ])
}

/** With other trust domains: the roots of each vouch for identities of that one, and for no others. Envoy's own check knows no such bounds. */
function byTrustDomain({ chainPem, trustBundlePem, federated = [] }: WorkloadSecrets) {
  const [leaf] = certificatesIn(chainPem)
  const [own = ''] = leaf ? urisOf(leaf) : []
  if (federated.length === 0 || own === '') return {}
  const names = ownDomains(parseSpiffeId(own).trustDomain)
  const bundles = [...names.map((trustDomain) => ({ trustDomain, rootsPem: trustBundlePem })), ...federated]
  const validator = create(SPIFFECertValidatorConfigSchema, {
    trustDomains: bundles.map(({ trustDomain: name, rootsPem }) => ({
      name,
      trustBundle: { specifier: { case: 'inlineBytes' as const, value: Buffer.from(rootsPem) } },
    })),
  })
  return {
    customValidatorConfig: {
      name: 'envoy.tls.cert_validator.spiffe',
      typedConfig: anyPack(SPIFFECertValidatorConfigSchema, validator),
    },
  }
}
