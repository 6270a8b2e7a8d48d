import { create } from '@bufbuild/protobuf'
import {
  ApiConfigSource_ApiType,
  ApiVersion,
  type ConfigSource,
  ConfigSourceSchema,
} from '#envoy/config/core/v3/config_source'
import type { GrpcServiceSchema } from '#envoy/config/core/v3/grpc_service'
import type { KeySource } from '../mesh/model.ts'
import type { Init } from './routes/init.ts'

/** The bootstrap's cluster through which a proxy reaches its agent for certificates. */
export const SDS_CLUSTER = 'sds-grpc'
/** The bootstrap's cluster through which a proxy reaches the server. */
export const XDS_CLUSTER = 'xds-grpc'
/** The agent's name for the workload's own certificate and key. */
export const OWN_CERTIFICATE = 'default'
/** The agent's name for the certificates that the mesh's identities are verified with. */
export const TRUST_BUNDLE = 'ROOTCA'

/**
 * How soon a proxy asks again after its stream broke: by itself it would wait for up to half a minute, long after the server or the agent is
 * back. With full jitter, so that proxies do not come all at once.
 */
const RECONNECT = {
  retryBackOff: { baseInterval: { seconds: 0n, nanos: 200_000_000 }, maxInterval: { seconds: 3n, nanos: 0 } },
}

/** A cluster of the bootstrap that speaks xDS. Envoy's own client rather than gRPC's: only of that one can be said how soon it comes back. */
export function xdsService(clusterName: string): Init<typeof GrpcServiceSchema> {
  return { targetSpecifier: { case: 'envoyGrpc', value: { clusterName, retryPolicy: RECONNECT } } }
}

const NO_TIMEOUT = { seconds: 0n, nanos: 0 }

/** From the stream that the resource at hand came by. Waits as long as it takes: half a configuration serves nobody. */
export const ADS: ConfigSource = create(ConfigSourceSchema, {
  configSourceSpecifier: { case: 'ads', value: {} },
  resourceApiVersion: ApiVersion.V3,
  initialFetchTimeout: NO_TIMEOUT,
})

/** Where the workload's key, certificate and roots come from. */
export function identitySource(keys: KeySource): ConfigSource {
  return keys === 'stream' ? ADS : SDS
}

/** From the agent's Unix socket. */
const SDS: ConfigSource = create(ConfigSourceSchema, {
  configSourceSpecifier: {
    case: 'apiConfigSource',
    value: {
      apiType: ApiConfigSource_ApiType.GRPC,
      transportApiVersion: ApiVersion.V3,
      setNodeOnFirstMessageOnly: true,
      grpcServices: [xdsService(SDS_CLUSTER)],
    },
  },
  resourceApiVersion: ApiVersion.V3,
  initialFetchTimeout: NO_TIMEOUT,
})
