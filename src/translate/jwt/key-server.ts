import { create } from '@bufbuild/protobuf'
import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { SubjectAltNameMatcher_SanType } from '#envoy/extensions/transport_sockets/tls/v3/common'
import { UpstreamTlsContextSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls'
import { socketAddress } from '../address.ts'
import { circuitBreakers, httpProtocolOptions } from '../connection-pool.ts'
import { dnsDiscovery } from '../dns-discovery.ts'
import { tlsParameters, tlsSocket } from '../mtls.ts'
import { SYSTEM_ROOTS } from '../system-roots.ts'
import { typedConfig } from '../typed-config.ts'

/** Where keys are fetched from. */
export interface KeyServer {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

/** @returns undefined for what is no URL of http or https */
export function keyServer(uri: string): KeyServer | undefined {
  let url: URL
  try {
    url = new URL(uri)
  } catch {
    return undefined
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined
  const tls = url.protocol === 'https:'
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || (tls ? 443 : 80)), tls }
}

export function keyServerCluster({ host, port, tls }: KeyServer): string {
  return `${tls ? 'jwks-tls' : 'jwks'}|${port}||${host}`
}

/** A cluster for a server that is none of the mesh's: by DNS, over TLS as its URL says, with a certificate for its name from an authority that the system trusts. */
export function keyServerResource(server: KeyServer, name = keyServerCluster(server)): Cluster {
  const { host, port, tls } = server
  return create(ClusterSchema, {
    name,
    connectTimeout: { seconds: 10n, nanos: 0 },
    circuitBreakers: circuitBreakers({}),
    clusterDiscoveryType: dnsDiscovery(),
    loadAssignment: {
      clusterName: name,
      endpoints: [
        { lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: socketAddress(host, port) } } }] },
      ],
    },
    typedExtensionProtocolOptions: httpProtocolOptions('http', {}),
    ...(tls ? { transportSocket: verifiedTls(host) } : {}),
  })
}

function verifiedTls(host: string) {
  const sanType = /^[\d.]+$|:/.test(host) ? SubjectAltNameMatcher_SanType.IP_ADDRESS : SubjectAltNameMatcher_SanType.DNS
  return tlsSocket(
    typedConfig(UpstreamTlsContextSchema, {
      sni: sanType === SubjectAltNameMatcher_SanType.DNS ? host : '',
      commonTlsContext: {
        tlsParams: tlsParameters(),
        validationContextType: {
          case: 'validationContext',
          value: {
            trustedCa: SYSTEM_ROOTS,
            matchTypedSubjectAltNames: [{ sanType, matcher: { matchPattern: { case: 'exact', value: host } } }],
          },
        },
        alpnProtocols: ['http/1.1'],
      },
    }),
  )
}
