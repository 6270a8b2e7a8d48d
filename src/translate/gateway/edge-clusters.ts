import { create } from '@bufbuild/protobuf'
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt'
import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { Http1ProtocolOptionsSchema as Http1Schema } from '#envoy/config/core/v3/protocol'
import {
  HttpProtocolOptions_ExplicitHttpConfigSchema as ExplicitHttpConfigSchema,
  HttpProtocolOptionsSchema,
} from '#envoy/extensions/upstreams/http/v3/http_protocol_options'
import { deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { HTTP_PROTOCOL_OPTIONS } from '../connection-pool.ts'
import { type EncodedResource, encoder } from '../encoded-resource.ts'
import { typedConfig } from '../typed-config.ts'

type Clusters = PersistentMap<EncodedResource>

/**
 * The clusters of a gateway. A sidecar speaks to a port of unknown protocol as its application does, which knows the server; a gateway speaks HTTP/1.1 to
 * it, as its clients come with HTTP/2 whenever they can.
 */
export function edgeClusters(clusters: Clusters): Clusters {
  return plain([clusters])
}

const encode = encoder('cluster', ClusterSchema)

const plain = deriveMap<[Clusters], [], EncodedResource>('translate/gateway/edge-clusters', (_, [cluster]) => {
  const message = cluster?.message as Cluster | undefined
  const written = message?.typedExtensionProtocolOptions[HTTP_PROTOCOL_OPTIONS]
  const changed = written && withHttp1(written)
  if (!cluster || !message || !changed) return cluster
  const { name, sources } = cluster
  const typedExtensionProtocolOptions = { ...message.typedExtensionProtocolOptions, [HTTP_PROTOCOL_OPTIONS]: changed }
  return encode({ name, sources, message: create(ClusterSchema, { ...message, typedExtensionProtocolOptions }) })
})

/** Undefined where the protocol is not the client's. */
function withHttp1(written: Any): Any | undefined {
  const options = anyUnpack(written, HttpProtocolOptionsSchema)
  if (options?.upstreamProtocolOptions.case !== 'useDownstreamProtocolConfig') return undefined
  const { httpProtocolOptions } = options.upstreamProtocolOptions.value
  const protocolConfig = { case: 'httpProtocolOptions' as const, value: httpProtocolOptions ?? create(Http1Schema) }
  // Ours alone: it was just unpacked.
  options.upstreamProtocolOptions = {
    case: 'explicitHttpConfig',
    value: create(ExplicitHttpConfigSchema, { protocolConfig }),
  }
  return typedConfig(HttpProtocolOptionsSchema, options)
}
