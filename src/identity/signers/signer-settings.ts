import { closest } from '../../resources/did-you-mean.ts'
import type { CertificateSigner } from '../signer.ts'
import { type AwsPrivateCaSettings, awsPrivateCaSigner } from './aws-private-ca.ts'
import { type CertManagerSettings, certManagerSigner } from './cert-manager.ts'
import { type GoogleCasSettings, googleCasSigner } from './google-cas.ts'
import { type KeyfactorSettings, keyfactorSigner } from './keyfactor.ts'
import { type StepCaSettings, stepCaSigner } from './step-ca.ts'
import { type VaultSettings, vaultSigner } from './vault.ts'
import { type VenafiSettings, venafiSigner } from './venafi.ts'

/** An authority elsewhere that signs the certificates of workloads; the entry `signer.json`. Holds what proves who asks there. */
export type SignerSettings =
  | AwsPrivateCaSettings
  | CertManagerSettings
  | GoogleCasSettings
  | KeyfactorSettings
  | StepCaSettings
  | VaultSettings
  | VenafiSettings

/** Fields of each type: those that must be there, then others. */
const FIELDS: {
  readonly [T in SignerSettings['type']]: readonly [required: readonly string[], others: readonly string[]]
} = {
  'aws-private-ca': [
    ['region', 'certificateAuthorityArn'],
    ['signingAlgorithm', 'templateArn', 'credentials', 'endpoint', 'stsEndpoint'],
  ],
  'cert-manager': [['issuer'], ['namespace', 'kubeconfig']],
  'google-cas': [['pool'], ['certificateAuthority', 'serviceAccountKey', 'endpoint', 'metadataEndpoint']],
  keyfactor: [
    ['url', 'certificateAuthority', 'template'],
    ['user', 'accessToken', 'caPem'],
  ],
  'step-ca': [['url', 'provisioner', 'password'], ['caPem']],
  vault: [
    ['url', 'role'],
    ['mount', 'namespace', 'caPem', 'token', 'kubernetes', 'appRole'],
  ],
  venafi: [['url', 'policy', 'accessToken'], ['caPem']],
}

/** @throws Error naming the field that is missing, unknown or wrong */
export function signerSettings(value: unknown): SignerSettings {
  if (typeof value !== 'object' || value === null || !('type' in value))
    throw new Error(`an object with the field type is wanted: one of ${Object.keys(FIELDS).join(', ')}`)
  const type = String(value.type)
  const fields = FIELDS[type as SignerSettings['type']]
  if (!fields)
    throw new Error(`type: ${JSON.stringify(type)} is not known; write one of ${Object.keys(FIELDS).join(', ')}`)
  const [required, others] = fields
  const missing = required.find((field) => !(field in value))
  if (missing !== undefined) throw new Error(`${missing} is missing, which ${type} needs`)
  const known = ['type', ...required, ...others]
  const unknown = Object.keys(value).find((field) => !known.includes(field))
  if (unknown !== undefined) {
    const near = closest(unknown, known)
    throw new Error(
      `${unknown} is no field of ${type}${near === undefined ? `, which has ${known.join(', ')}` : `; did you mean ${near}?`}`,
    )
  }
  const settings = value as SignerSettings
  if ('url' in settings) checkUrl(settings.url)
  return settings
}

/** @param rootPem the root of the mesh */
export function openSigner(settings: SignerSettings, rootPem: string): CertificateSigner {
  switch (settings.type) {
    case 'aws-private-ca':
      return awsPrivateCaSigner(settings)
    case 'cert-manager':
      return certManagerSigner(settings)
    case 'google-cas':
      return googleCasSigner(settings)
    case 'keyfactor':
      return keyfactorSigner(settings)
    case 'step-ca':
      return stepCaSigner(settings, rootPem)
    case 'vault':
      return vaultSigner(settings)
    case 'venafi':
      return venafiSigner(settings)
  }
}

function checkUrl(text: string): void {
  const url = URL.parse(text)
  const isLocal = url?.hostname === '127.0.0.1' || url?.hostname === 'localhost'
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal)) return
  throw new Error(`url: ${JSON.stringify(text)} must begin with https://, as what proves who asks goes there`)
}
