import { create } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { type TransportSocket, TransportSocketSchema } from '#envoy/config/core/v3/base'
import { QuicDownstreamTransportSchema } from '#envoy/extensions/transport_sockets/quic/v3/quic_transport'
import { TlsParameters_TlsProtocol } from '#envoy/extensions/transport_sockets/tls/v3/common'
import { DownstreamTlsContextSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls'
import type { GatewayProxy } from '../../mesh/routing/gateway-proxy.ts'
import { typedConfig } from '../typed-config.ts'

/** HTTP/3 beside HTTPS: the same certificates and routes, over QUIC. */
export interface Http3 {
  /** For datagrams, that the proxy listens on. */
  readonly port: number
  /** That clients call, as they are told in `alt-svc`. */
  readonly publicPort: number
  readonly transportSocket: TransportSocket
}

/**
 * What an HTTPS server has for HTTP/3. It is there where a Service before the gateway takes datagrams at the port's number (as with Istio), so that they
 * arrive at all. Undefined otherwise; where clients show certificates, which Envoy does not ask for over QUIC; and where TLS 1.3 is not allowed, without
 * which there is no QUIC.
 * @param port as people write it
 * @param tls of the same server over TCP
 */
export function http3(port: number, tls: TransportSocket, { udpPorts }: GatewayProxy): Http3 | undefined {
  const target = udpPorts[port]
  const transportSocket = target === undefined ? undefined : overQuic(tls)
  return transportSocket && target !== undefined ? { port: target, publicPort: port, transportSocket } : undefined
}

function overQuic({ configType }: TransportSocket): TransportSocket | undefined {
  const tls = configType.case === 'typedConfig' ? anyUnpack(configType.value, DownstreamTlsContextSchema) : undefined
  if (!tls?.commonTlsContext || tls.commonTlsContext.validationContextType.case !== undefined) return undefined
  const { TLSv1_3, TLS_AUTO } = TlsParameters_TlsProtocol
  const parameters = tls.commonTlsContext.tlsParams
  const maximum = parameters?.tlsMaximumProtocolVersion ?? TLS_AUTO
  if (maximum !== TLS_AUTO && maximum < TLSv1_3) return undefined
  // Ours alone: it was just unpacked.
  if (parameters) parameters.tlsMinimumProtocolVersion = TLSv1_3
  tls.commonTlsContext.alpnProtocols = ['h3']
  return create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.quic',
    configType: {
      case: 'typedConfig',
      value: typedConfig(QuicDownstreamTransportSchema, { downstreamTlsContext: tls }),
    },
  })
}
