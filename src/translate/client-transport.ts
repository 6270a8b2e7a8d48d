import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import type { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import type { DataSourceSchema, TransportSocketSchema } from '#envoy/config/core/v3/base'
import { ProxyProtocolConfig_Version } from '#envoy/config/core/v3/proxy_protocol'
import { ProxyProtocolUpstreamTransportSchema } from '#envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol'
import { SubjectAltNameMatcher_SanType } from '#envoy/extensions/transport_sockets/tls/v3/common'
import { type CommonTlsContextSchema, UpstreamTlsContextSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls'
import type { BackendTls } from '../mesh/backend-tls.ts'
import type { KeySource, Service, ServicePort } from '../mesh/model.ts'
import { isHttp } from '../mesh/protocol.ts'
import type { ClientTls, TrafficPolicy } from '../resources/istio.ts'
import { credentialMetadata } from './credential-metadata.ts'
import { meshClientAlpn, meshClientTls, RAW_SOCKET, tlsParameters, tlsSocket } from './mtls.ts'
import type { Init } from './routes/init.ts'
import { SYSTEM_ROOTS } from './system-roots.ts'
import { typedConfig } from './typed-config.ts'

/** What decides how connections of a cluster are secured. */
export interface ClientTransportInputs {
  readonly service: Service
  readonly port: ServicePort
  readonly subset: string
  /** `trafficPolicy.tls`; without it mesh mTLS is used wherever the endpoint takes it. */
  readonly tls: ClientTls | undefined
  /** What a BackendTLSPolicy says, where `tls` says nothing. */
  readonly backendTls?: BackendTls | undefined
  /** `trafficPolicy.proxyProtocol` */
  readonly proxyProtocol?: TrafficPolicy['proxyProtocol'] | undefined
  readonly identities: readonly string[]
  /** Of the client. */
  readonly keys: KeySource
}

/** The transport's fields of a cluster, and what its HTTP options have to know of it. */
export interface ClientTransport {
  readonly cluster: Pick<Init<typeof ClusterSchema>, 'transportSocket' | 'transportSocketMatches' | 'metadata'>
  /** Set where the server name is not known before the request. */
  readonly hostFromRequest?: { readonly autoSni: boolean; readonly verifyHost: boolean }
  /** Whether the server is to choose the version of HTTP that is spoken inside of TLS. */
  readonly negotiated?: boolean
}

export function clientTransport(inputs: ClientTransportInputs): ClientTransport {
  const { proxyProtocol } = inputs
  const transport = securedTransport(inputs)
  return proxyProtocol ? { ...transport, cluster: announced(transport.cluster, proxyProtocol) } : transport
}

/** Says ahead of all else who the client is, by the PROXY protocol; outside of TLS. */
function announced(
  { transportSocket, transportSocketMatches, metadata }: ClientTransport['cluster'],
  { version }: NonNullable<TrafficPolicy['proxyProtocol']>,
): ClientTransport['cluster'] {
  const around = (inner: MessageInitShape<typeof TransportSocketSchema>): Init<typeof TransportSocketSchema> => ({
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    configType: {
      case: 'typedConfig' as const,
      value: typedConfig(ProxyProtocolUpstreamTransportSchema, {
        config: { version: version === 'V2' ? ProxyProtocolConfig_Version.V2 : ProxyProtocolConfig_Version.V1 },
        transportSocket: inner,
      }),
    },
  })
  const rest = metadata ? { metadata } : {}
  if (!transportSocketMatches) return { ...rest, transportSocket: around(transportSocket ?? RAW_SOCKET) }
  return {
    ...rest,
    transportSocketMatches: transportSocketMatches.map(({ name = '', match = {}, transportSocket }) => ({
      name,
      match,
      transportSocket: around(transportSocket ?? RAW_SOCKET),
    })),
  }
}

function securedTransport(inputs: ClientTransportInputs): ClientTransport {
  const { service, port, subset, tls, backendTls, identities, keys } = inputs
  if (!tls && backendTls) return backendTransport(backendTls, port)
  const sni = tls?.sni || `outbound_.${port.number}_.${subset}_.${service.host}`
  const expected = tls?.subjectAltNames ?? service.subjectAltNames ?? identities
  const mesh = () => meshClientTls(keys, sni, expected, meshClientAlpn(port.protocol))
  switch (tls?.mode) {
    case 'DISABLE':
      return { cluster: {} }
    case 'ISTIO_MUTUAL':
      return { cluster: { transportSocket: mesh() } }
    case 'SIMPLE':
    case 'MUTUAL':
      return originatedTls(tls, port)
    default:
      if (service.external || service.resolution === 'passthrough') return { cluster: {} }
      return {
        cluster: {
          transportSocketMatches: [
            { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket: mesh() },
            { name: 'tlsMode-disabled', match: {}, transportSocket: RAW_SOCKET },
          ],
        },
      }
  }
}

/** Believes no server: no certificate has this SHA-256. Needs no roots, which a proxy may not have. */
export const NO_SERVER = { verifyCertificateHash: ['0'.repeat(64)] }

/**
 * TLS as a BackendTLSPolicy wants it. Where nothing says which version of HTTP is inside, it is settled with the server by ALPN.
 */
function backendTransport(backendTls: BackendTls, { protocol }: ServicePort): ClientTransport {
  const { hostname, roots, subjectAltNames } = backendTls
  const names = subjectAltNames.length > 0 ? subjectAltNames : [{ type: 'DNS' as const, value: hostname }]
  const expected = names.map(({ type, value }) => ({
    sanType: SubjectAltNameMatcher_SanType[type],
    matcher: exactly(value),
  }))
  const trustedCa = typeof roots === 'object' ? inline(roots.pem) : SYSTEM_ROOTS
  const value = roots ? { trustedCa, matchTypedSubjectAltNames: expected } : NO_SERVER
  const commonTlsContext: Init<typeof CommonTlsContextSchema> = {
    tlsParams: tlsParameters(),
    validationContextType: { case: 'validationContext', value },
  }
  return {
    cluster: { transportSocket: tlsSocket(typedConfig(UpstreamTlsContextSchema, { commonTlsContext, sni: hostname })) },
    negotiated: protocol !== 'tcp' && !isHttp(protocol),
  }
}

function exactly(value: string) {
  return { matchPattern: { case: 'exact' as const, value } }
}

function inline(text: string): Init<typeof DataSourceSchema> {
  return { specifier: { case: 'inlineString', value: text } }
}

/**
 * TLS to a server outside the mesh, with certificates from files that the proxy can read, or the system's roots. A `credentialName` is for gateways,
 * each of which has Secrets of its own: the cluster says what it wants, see gateway/client-credentials.ts.
 */
function originatedTls(tls: ClientTls, port: ServicePort): ClientTransport {
  const hasNames = (tls.subjectAltNames ?? []).length > 0
  const commonTlsContext: Init<typeof CommonTlsContextSchema> = {
    tlsParams: tlsParameters(),
    ...(tls.mode === 'MUTUAL' && tls.clientCertificate && tls.privateKey
      ? { tlsCertificates: [{ certificateChain: file(tls.clientCertificate), privateKey: file(tls.privateKey) }] }
      : {}),
    ...(tls.insecureSkipVerify ? {} : { validationContextType: { case: 'validationContext', value: validation(tls) } }),
    ...(isHttp(port.protocol) ? { alpnProtocols: port.protocol === 'http' ? ['http/1.1'] : ['h2'] } : {}),
  }
  const value: Any = typedConfig(UpstreamTlsContextSchema, { commonTlsContext, sni: tls.sni ?? '' })
  return {
    cluster: {
      transportSocket: tlsSocket(value),
      ...(tls.credentialName ? { metadata: credentialMetadata(tls.credentialName, tls.mode === 'MUTUAL') } : {}),
    },
    ...(tls.sni ? {} : { hostFromRequest: { autoSni: true, verifyHost: !tls.insecureSkipVerify && !hasNames } }),
  }
}

function validation(tls: ClientTls) {
  return {
    trustedCa: tls.caCertificates ? file(tls.caCertificates) : SYSTEM_ROOTS,
    ...(tls.caCrl ? { crl: file(tls.caCrl) } : {}),
    matchTypedSubjectAltNames: [SubjectAltNameMatcher_SanType.DNS, SubjectAltNameMatcher_SanType.URI].flatMap(
      (sanType) =>
        (tls.subjectAltNames ?? []).map((value) => ({
          sanType,
          matcher: { matchPattern: { case: 'exact' as const, value } },
        })),
    ),
  }
}

function file(filename: string): Init<typeof DataSourceSchema> {
  return { specifier: { case: 'filename', value: filename } }
}
