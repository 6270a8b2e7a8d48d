import { create } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import type { TransportSocket } from '#envoy/config/core/v3/base'
import { ProxyProtocolUpstreamTransportSchema } from '#envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol'
import { CertificateValidationContextSchema } from '#envoy/extensions/transport_sockets/tls/v3/common'
import { SdsSecretConfigSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import {
  type CommonTlsContext,
  CommonTlsContext_CombinedCertificateValidationContextSchema,
  UpstreamTlsContextSchema,
} from '#envoy/extensions/transport_sockets/tls/v3/tls'
import type { GatewayProxy } from '../../mesh/routing/gateway-proxy.ts'
import { deriveFlatMap, deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { NO_SERVER } from '../client-transport.ts'
import { ADS } from '../config-source.ts'
import { type WantedCredential, wantedCredential } from '../credential-metadata.ts'
import { type EncodedResource, encoder } from '../encoded-resource.ts'
import { tlsSocket } from '../mtls.ts'
import { typedConfig } from '../typed-config.ts'
import { authorityName, type Credentials, hasAuthority, isKeyPair, secretKey } from './credentials.ts'

type Clusters = PersistentMap<EncodedResource>

/** Keys (`namespace/name`) of the Secrets that a gateway's clusters want. They are looked for in the namespace of its pods, as with Istio. */
export function clientCredentialKeys(clusters: Clusters, proxy: GatewayProxy): PersistentMap<true> {
  return wantedKeys([clusters], proxy)
}

const wantedKeys = deriveFlatMap<[Clusters], [GatewayProxy], true>(
  'translate/gateway/client-credentials/keys',
  (_, [cluster], { namespace }) => {
    const wanted = cluster && wantedCredential(cluster.message as Cluster)
    return wanted ? keysOf(wanted, namespace).map((key) => [key, true] as const) : []
  },
)

/** The Secret itself first, then what its servers are verified by where that is kept apart. */
function keysOf({ name }: WantedCredential, namespace: string): readonly [string, string] {
  const key = secretKey(name, namespace)
  return [key, `${key}-cacert`]
}

/**
 * The clusters of a gateway, which speak TLS with what is in the Secrets that `tls.credentialName` of DestinationRules names. Where there is none, no server
 * is believed, and nothing else suffers.
 */
export function withClientCredentials(clusters: Clusters, proxy: GatewayProxy, credentials: Credentials): Clusters {
  return credentialed([clusters], proxy, credentials)
}

const encode = encoder('cluster', ClusterSchema)

const credentialed = deriveMap<[Clusters], [GatewayProxy, Credentials], EncodedResource>(
  'translate/gateway/client-credentials',
  (_, [cluster], { namespace }, credentials) => {
    const wanted = cluster && wantedCredential(cluster.message as Cluster)
    if (!wanted) return cluster
    const message = cluster.message as Cluster
    const { transportSocket } = message
    const secured =
      transportSocket && withTls(transportSocket, (tls) => useSecrets(tls, wanted, namespace, credentials))
    if (!secured) return cluster
    const { name, sources } = cluster
    return encode({ name, sources, message: create(ClusterSchema, { ...message, transportSocket: secured }) })
  },
)

/** A copy with another TLS context, also inside of the PROXY protocol. */
function withTls(socket: TransportSocket, change: (tls: CommonTlsContext) => void): TransportSocket | undefined {
  const config = socket.configType.case === 'typedConfig' ? socket.configType.value : undefined
  const around = config && anyUnpack(config, ProxyProtocolUpstreamTransportSchema)
  if (around?.transportSocket) {
    const transportSocket = withTls(around.transportSocket, change)
    if (!transportSocket) return undefined
    const value = typedConfig(ProxyProtocolUpstreamTransportSchema, { ...around, transportSocket })
    return { ...socket, configType: { case: 'typedConfig', value } }
  }
  const tls = config && anyUnpack(config, UpstreamTlsContextSchema)
  if (!tls?.commonTlsContext) return undefined
  // Ours alone: it was just unpacked.
  change(tls.commonTlsContext)
  return tlsSocket(typedConfig(UpstreamTlsContextSchema, tls))
}

function useSecrets(
  tls: CommonTlsContext,
  wanted: WantedCredential,
  namespace: string,
  credentials: Credentials,
): void {
  const [key, authorityKey] = keysOf(wanted, namespace)
  const authority = [authorityKey, key].find((each) => hasAuthority(credentials.get(each)))
  const certificate = isKeyPair(credentials.get(key))
  const checks =
    tls.validationContextType.case === 'validationContext'
      ? tls.validationContextType.value
      : create(CertificateValidationContextSchema)
  const isThere = wanted.mutual ? certificate : authority !== undefined || credentials.get(key) !== undefined
  if (!isThere) {
    const value = create(CertificateValidationContextSchema, NO_SERVER)
    tls.validationContextType = { case: 'validationContext', value }
    return
  }
  if (wanted.mutual)
    tls.tlsCertificateSdsSecretConfigs = [
      create(SdsSecretConfigSchema, { name: `kubernetes://${key}`, sdsConfig: ADS }),
    ]
  // Without roots of its own the Secret leaves it to those of the system; where nothing is to be verified, there are no checks.
  if (authority === undefined || tls.validationContextType.case === undefined) return
  delete (checks as { trustedCa?: unknown }).trustedCa
  tls.validationContextType = {
    case: 'combinedValidationContext',
    value: create(CommonTlsContext_CombinedCertificateValidationContextSchema, {
      defaultValidationContext: checks,
      validationContextSdsSecretConfig: { name: authorityName(authority), sdsConfig: ADS },
    }),
  }
}
