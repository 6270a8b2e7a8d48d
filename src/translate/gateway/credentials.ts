import { X509Certificate } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import type { TransportSocket } from '#envoy/config/core/v3/base'
import {
  type CertificateValidationContextSchema,
  SubjectAltNameMatcher_SanType,
  TlsParameters_TlsProtocol,
  CertificateValidationContext_TrustChainVerification as TrustChainVerification,
} from '#envoy/extensions/transport_sockets/tls/v3/common'
import { type Secret as EnvoySecret, SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import { type CommonTlsContextSchema, DownstreamTlsContextSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls'
import { type KeyPair, keyPairIn, secretData } from '../../mesh/key-pair.ts'
import type { FrontendValidation } from '../../mesh/routing/frontend-validation.ts'
import type { GatewayProxy } from '../../mesh/routing/gateway-proxy.ts'
import type { Secret } from '../../resources/core.ts'
import type { ServerTls } from '../../resources/istio.ts'
import { keyOf } from '../../resources/resource.ts'
import { derive } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { ADS } from '../config-source.ts'
import type { EnvoyResource } from '../encoded-resource.ts'
import { meshServerTls, tlsParameters, tlsSocket } from '../mtls.ts'
import type { Init } from '../routes/init.ts'
import { typedConfig } from '../typed-config.ts'

/** The Kubernetes Secrets that a gateway's servers may use, by `namespace/name`. */
export type Credentials = PersistentMap<Secret>

/** Keys (`namespace/name`) of the Secrets that a server names, seen from a gateway proxy's namespace. */
export function credentialKeys(tls: ServerTls | undefined, namespace: string): string[] {
  if (!tls) return []
  const names = [...certificateNames(tls), ...(tls.caCertCredentialName ? [tls.caCertCredentialName] : [])]
  return names.flatMap((name) => [secretKey(name, namespace), `${secretKey(name, namespace)}-cacert`])
}

/**
 * The end of TLS on a server. Undefined where a certificate that it needs is not there or can't be used: a listener that waited
 * for it would hold up all else on its port.
 * @param alpn what the server speaks inside
 * @param clients what clients' certificates are verified by, where `tls` does not say so
 */
export function serverTls(
  tls: ServerTls | undefined,
  credentials: Credentials,
  { namespace, keys, peers }: Pick<GatewayProxy, 'namespace' | 'keys' | 'peers'>,
  alpn: readonly string[],
  clients?: FrontendValidation,
): TransportSocket | undefined {
  if (!tls) return undefined
  if (tls.mode === 'ISTIO_MUTUAL') return meshServerTls(keys, peers)
  const certificates = serverCertificates(tls, credentials, namespace)
  if (!certificates) return undefined
  const verifies = tls.mode === 'MUTUAL' || tls.mode === 'OPTIONAL_MUTUAL'
  const validation = verifies ? clientValidation(tls, credentials, namespace) : clients ? knownClients(clients) : {}
  if (!validation) return undefined
  const commonTlsContext = { tlsParams: parameters(tls), alpnProtocols: [...alpn], ...certificates, ...validation }
  const requireClientCertificate = tls.mode === 'MUTUAL' || (clients !== undefined && !clients.insecureFallback)
  return tlsSocket(typedConfig(DownstreamTlsContextSchema, { commonTlsContext, requireClientCertificate }))
}

/** The Secrets as the proxy takes them: `kubernetes://KEY` with the certificate, `kubernetes://KEY-cacert` with what clients are verified by. */
export function envoySecrets(credentials: Credentials): EnvoyResource<EnvoySecret>[] {
  return [...credentials.values()].flatMap((secret) => {
    const pair = keyPair(secret)
    const authority = certificateAuthority(secret)
    return [
      ...(pair ? [envoySecret(`kubernetes://${keyOf(secret)}`, secret, certificate(pair))] : []),
      ...(authority ? [envoySecret(authorityName(keyOf(secret)), secret, authority)] : []),
    ]
  })
}

/** The certificate and key in a Secret, undefined unless both are there, can be read and belong together. */
const keyPair = derive('translate/gateway/key-pair', (secret: Secret): KeyPair | undefined => {
  const pair = keyPairIn(secret)
  return 'chain' in pair ? pair : undefined
})

type SecretType = Init<typeof SecretSchema>['type']
type CommonTls = Init<typeof CommonTlsContextSchema>

function certificate({ chain, key }: Pick<KeyPair, 'chain' | 'key'>): SecretType {
  return { case: 'tlsCertificate', value: { certificateChain: inline(chain), privateKey: inline(key) } }
}

/** What is in a Secret to verify clients by; undefined where there is nothing that can be read. */
function certificateAuthority(secret: Secret): SecretType {
  const authority = secretData(secret, 'ca.crt') ?? secretData(secret, 'cacert')
  const crl = secretData(secret, 'ca.crl') ?? secretData(secret, 'crl')
  if (!authority || !isCertificate(authority)) return undefined
  return { case: 'validationContext', value: { trustedCa: inline(authority), ...(crl ? { crl: inline(crl) } : {}) } }
}

function envoySecret(name: string, secret: Secret, type: SecretType): EnvoyResource<EnvoySecret> {
  return { name, message: create(SecretSchema, { name, ...(type ? { type } : {}) }), sources: [secret] }
}

function serverCertificates(tls: ServerTls, credentials: Credentials, namespace: string): CommonTls | undefined {
  const names = certificateNames(tls)
  if (names.length > 0) {
    const usable = names.map((name) => secretKey(name, namespace)).filter((key) => isKeyPair(credentials.get(key)))
    if (usable.length === 0) return undefined
    return { tlsCertificateSdsSecretConfigs: usable.map((key) => ({ name: `kubernetes://${key}`, sdsConfig: ADS })) }
  }
  const written = tls.tlsCertificates?.length ? tls.tlsCertificates : [tls]
  const tlsCertificates = written.flatMap(({ serverCertificate, privateKey }) =>
    serverCertificate && privateKey
      ? [{ certificateChain: file(serverCertificate), privateKey: file(privateKey) }]
      : [],
  )
  return tlsCertificates.length > 0 ? { tlsCertificates } : undefined
}

/** Clients are verified by `NAME-cacert`, or by the `ca.crt` that is in the certificate's own Secret. */
function clientValidation(tls: ServerTls, credentials: Credentials, namespace: string): CommonTls | undefined {
  const checks = certificateChecks(tls)
  const [first] = certificateNames(tls)
  const name = tls.caCertCredentialName ?? first
  if (name === undefined) {
    const roots =
      tls.caCertificates ?? tls.tlsCertificates?.find(({ caCertificates }) => caCertificates)?.caCertificates
    if (!roots) return undefined
    const value = { trustedCa: file(roots), ...(tls.caCrl ? { crl: file(tls.caCrl) } : {}), ...checks }
    return { validationContextType: { case: 'validationContext', value } }
  }
  const key = secretKey(name, namespace)
  const found = [`${key}-cacert`, key].find((each) => hasAuthority(credentials.get(each)))
  if (!found) return undefined
  return {
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext: checks,
        validationContextSdsSecretConfig: { name: authorityName(found), sdsConfig: ADS },
      },
    },
  }
}

function knownClients({ pem = '', insecureFallback }: FrontendValidation): CommonTls {
  const { ACCEPT_UNTRUSTED, VERIFY_TRUST_CHAIN } = TrustChainVerification
  const trustChainVerification = insecureFallback ? ACCEPT_UNTRUSTED : VERIFY_TRUST_CHAIN
  const value = { trustedCa: inline(Buffer.from(pem)), trustChainVerification }
  return { validationContextType: { case: 'validationContext', value } }
}

function certificateChecks(tls: ServerTls): Init<typeof CertificateValidationContextSchema> {
  const types = [SubjectAltNameMatcher_SanType.DNS, SubjectAltNameMatcher_SanType.URI]
  return {
    ...(tls.insecureSkipVerify ? { trustChainVerification: TrustChainVerification.ACCEPT_UNTRUSTED } : {}),
    matchTypedSubjectAltNames: (tls.subjectAltNames ?? []).flatMap((value) =>
      types.map((sanType) => ({ sanType, matcher: { matchPattern: { case: 'exact' as const, value } } })),
    ),
    verifyCertificateSpki: [...(tls.verifyCertificateSpki ?? [])],
    verifyCertificateHash: [...(tls.verifyCertificateHash ?? [])],
  }
}

const VERSIONS: Readonly<Record<string, TlsParameters_TlsProtocol>> = {
  TLSV1_0: TlsParameters_TlsProtocol.TLSv1_0,
  TLSV1_1: TlsParameters_TlsProtocol.TLSv1_1,
  TLSV1_2: TlsParameters_TlsProtocol.TLSv1_2,
  TLSV1_3: TlsParameters_TlsProtocol.TLSv1_3,
}

function parameters({ minProtocolVersion, maxProtocolVersion, cipherSuites }: ServerTls): CommonTls['tlsParams'] {
  const minimum = VERSIONS[minProtocolVersion ?? '']
  const maximum = VERSIONS[maxProtocolVersion ?? '']
  return {
    ...tlsParameters(),
    ...(minimum === undefined ? {} : { tlsMinimumProtocolVersion: minimum }),
    ...(maximum === undefined ? {} : { tlsMaximumProtocolVersion: maximum }),
    ...(cipherSuites?.length ? { cipherSuites: [...cipherSuites] } : {}),
  }
}

function certificateNames(tls: ServerTls): readonly string[] {
  return tls.credentialNames?.length ? tls.credentialNames : tls.credentialName ? [tls.credentialName] : []
}

/** Secrets are looked for in the namespace of the gateway's pods, as with Istio, unless the name says another one (`NAMESPACE/NAME`). */
export function secretKey(written: string, namespace: string): string {
  const name = written.replace(/^kubernetes:\/\//, '')
  return name.includes('/') ? name : `${namespace}/${name}`
}

/** Of the Secret with this key, as the proxy knows it. */
export function authorityName(key: string): string {
  return key.endsWith('-cacert') ? `kubernetes://${key}` : `kubernetes://${key}-cacert`
}

/** Whether there is a certificate in it with its key, that can be read and belong together. */
export function isKeyPair(secret: Secret | undefined): boolean {
  return secret !== undefined && keyPair(secret) !== undefined
}

/** Whether there are certificates in it to verify others by. */
export function hasAuthority(secret: Secret | undefined): boolean {
  return secret !== undefined && certificateAuthority(secret) !== undefined
}

function isCertificate(pem: Buffer): boolean {
  try {
    return new X509Certificate(pem).fingerprint256 !== ''
  } catch {
    return false
  }
}

function inline(value: Buffer) {
  return { specifier: { case: 'inlineBytes' as const, value } }
}

function file(filename: string) {
  return { specifier: { case: 'filename' as const, value: filename } }
}
