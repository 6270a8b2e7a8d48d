import type { JsonValue } from '@bufbuild/protobuf'
import { type BootstrapOptions, nodeId } from '../bootstrap.ts'

/**
 * What a gRPC library reads from the file that `GRPC_XDS_BOOTSTRAP` names, to know where it gets its configuration and as whom. The format is gRPC's
 * own (gRFC A27, A30).
 * @param uri of the one who serves it, as gRPC writes targets: `unix:/run/weft/pod/xds.sock`
 */
export function proxylessBootstrap(
  node: Pick<BootstrapOptions, 'address' | 'pod' | 'namespace'>,
  uri: string,
): JsonValue {
  return {
    // Who may connect there is decided by who may open the socket.
    xds_servers: [{ server_uri: uri, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] }],
    node: {
      id: nodeId({ role: 'sidecar', ...node }),
      cluster: `${node.pod}.${node.namespace}`,
      // grpc-js insists on there being one; the server knows the pod's.
      locality: {},
      metadata: { GENERATOR: 'grpc' },
    },
  }
}
