import { create } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { SdsSecretConfigSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import { UpstreamTlsContextSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls'
import { isKind } from '../../resources/resource.ts'
import { deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { ADS } from '../config-source.ts'
import { type EncodedResource, encoder } from '../encoded-resource.ts'
import { tlsSocket } from '../mtls.ts'
import { typedConfig } from '../typed-config.ts'

type Clusters = PersistentMap<EncodedResource>

/**
 * The clusters of a gateway that shows a certificate to the backends that it speaks TLS to by a BackendTLSPolicy.
 * @param key `namespace/name` of the Secret that holds it
 */
export function withClientCertificate(clusters: Clusters, key: string): Clusters {
  return shown([clusters], key)
}

const encode = encoder('cluster', ClusterSchema)

const shown = deriveMap<[Clusters], [string], EncodedResource>(
  'translate/gateway/client-certificate',
  (_, [cluster], key) => {
    if (!cluster?.sources.some((source) => isKind(source, 'gateway.networking.k8s.io/BackendTLSPolicy'))) return cluster
    const message = cluster.message as Cluster
    const config = message.transportSocket?.configType
    const tls = config?.case === 'typedConfig' ? anyUnpack(config.value, UpstreamTlsContextSchema) : undefined
    if (!tls?.commonTlsContext) return cluster
    // Ours alone: it was just unpacked.
    tls.commonTlsContext.tlsCertificateSdsSecretConfigs = [
      create(SdsSecretConfigSchema, { name: `kubernetes://${key}`, sdsConfig: ADS }),
    ]
    const transportSocket = tlsSocket(typedConfig(UpstreamTlsContextSchema, tls))
    const { name, sources } = cluster
    return encode({ name, sources, message: create(ClusterSchema, { ...message, transportSocket }) })
  },
)
