import { create, type MessageInitShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { type TransportSocket, TransportSocketSchema } from '#envoy/config/core/v3/base'
import { RawBufferSchema } from '#envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer'
import {
  SubjectAltNameMatcher_SanType,
  type SubjectAltNameMatcherSchema,
  type TlsParameters,
  TlsParameters_CompliancePolicy,
  TlsParameters_TlsProtocol,
  TlsParametersSchema,
} from '#envoy/extensions/transport_sockets/tls/v3/common'
import { SdsSecretConfigSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import {
  type CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '#envoy/extensions/transport_sockets/tls/v3/tls'
import type { KeySource, Protocol } from '../mesh/model.ts'
import { isHttp, isHttp2 } from '../mesh/protocol.ts'
import type { MeshPeers } from '../mesh/trust-domains.ts'
import { identitySource, OWN_CERTIFICATE, TRUST_BUNDLE } from './config-source.ts'
import { typedConfig } from './typed-config.ts'

/**
 * Names that only mesh clients offer in ALPN, Istio's, so that the server side tells mesh mTLS from an application's own TLS, and HTTP
 * in it from anything else.
 */
export const MESH_HTTP_ALPN = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'] as const
export const MESH_TCP_ALPN = ['istio', 'istio-peer-exchange'] as const

type SanMatcher = MessageInitShape<typeof SubjectAltNameMatcherSchema>
type CommonTls = MessageInitShape<typeof CommonTlsContextSchema>

/** TLS 1.2 with forward secrecy and AEAD only, or 1.3: what Istio's proxies offer each other. */
const USUAL: TlsParameters = create(TlsParametersSchema, {
  tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
  tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
  cipherSuites: [
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
  ],
})

/** TLS 1.3 and nothing else. */
const TLS13: TlsParameters = create(TlsParametersSchema, {
  tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
  tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
})

/** Of both versions what is approved: the policy sets the versions, too, so that it has to be TLS 1.2 and 1.3. */
const APPROVED: TlsParameters = create(TlsParametersSchema, {
  ...USUAL,
  compliancePolicies: [TlsParameters_CompliancePolicy.FIPS_202205],
})

let approved = false

/** From now on has every Envoy offer what FIPS 140 approves alone, in versions, ciphers, curves and signatures: once, before anything is derived. */
export function useApprovedAlgorithms(): void {
  approved = true
}

/** Of any TLS of a proxy, besides what somebody wrote for a server of his. */
export function tlsParameters(version: 'usual' | 'TLS 1.3' = 'usual'): TlsParameters {
  if (approved) return APPROVED
  return version === 'usual' ? USUAL : TLS13
}

const secret = (name: string, keys: KeySource) =>
  create(SdsSecretConfigSchema, { name, sdsConfig: identitySource(keys) })
const SECRETS = {
  stream: { own: secret(OWN_CERTIFICATE, 'stream'), roots: secret(TRUST_BUNDLE, 'stream') },
  socket: { own: secret(OWN_CERTIFICATE, 'socket'), roots: secret(TRUST_BUNDLE, 'socket') },
} satisfies Record<KeySource, unknown>

/** Presents the workload's own certificate, and takes peers' that the mesh's trust bundle vouches for. */
function meshIdentity(keys: KeySource, alpn: readonly string[], sans: readonly SanMatcher[]): CommonTls {
  return {
    tlsParams: tlsParameters(),
    tlsCertificateSdsSecretConfigs: [SECRETS[keys].own],
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext: { matchTypedSubjectAltNames: [...sans] },
        validationContextSdsSecretConfig: SECRETS[keys].roots,
      },
    },
    alpnProtocols: [...alpn],
  }
}

function uriSan(matchPattern: NonNullable<SanMatcher['matcher']>['matchPattern']): SanMatcher {
  return { sanType: SubjectAltNameMatcher_SanType.URI, matcher: { ...(matchPattern ? { matchPattern } : {}) } }
}

/**
 * Mesh mTLS to a server with one of these SPIFFE IDs; none given, to any of the mesh.
 * @param sni tells a gateway which cluster is meant, in Istio's form `outbound_.9080_.v1_.reviews.default.svc.cluster.local`
 */
export function meshClientTls(
  keys: KeySource,
  sni: string,
  identities: readonly string[],
  alpn: readonly string[],
): TransportSocket {
  const sans = identities.map((value) => uriSan({ case: 'exact', value }))
  return tlsSocket(typedConfig(UpstreamTlsContextSchema, { commonTlsContext: meshIdentity(keys, alpn, sans), sni }))
}

/** What a client offers for a service's port: that it is of the mesh, and what it is going to speak. */
export function meshClientAlpn(protocol: Protocol): readonly string[] {
  if (isHttp2(protocol)) return ['istio-h2', 'istio']
  return isHttp(protocol) ? ['istio-http/1.1', 'istio'] : ['istio']
}

/** Mesh mTLS from these clients. Which version of TLS it is the server decides, as clients take the highest. */
export function meshServerTls(keys: KeySource, peers: MeshPeers): TransportSocket {
  const sans = peers.domains.map((domain) => uriSan({ case: 'prefix', value: `spiffe://${domain}/` }))
  return tlsSocket(
    typedConfig(DownstreamTlsContextSchema, {
      commonTlsContext: {
        ...meshIdentity(keys, ['h2', 'http/1.1'], sans),
        ...(peers.tls12 ? {} : { tlsParams: tlsParameters('TLS 1.3') }),
      },
      requireClientCertificate: true,
    }),
  )
}

export function tlsSocket(value: Any): TransportSocket {
  return create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.tls',
    configType: { case: 'typedConfig', value },
  })
}

/** Plain text. */
export const RAW_SOCKET: TransportSocket = create(TransportSocketSchema, {
  name: 'envoy.transport_sockets.raw_buffer',
  configType: { case: 'typedConfig', value: typedConfig(RawBufferSchema, {}) },
})
