import type { ServiceDefinition } from '@grpc/grpc-js'
import { HEALTH_CHECKED, OF_HOST } from '../../mesh/member-health.ts'
import { WELL_KNOWN } from '../../mesh/model.ts'
import type { WorkloadEntry, WorkloadGroup } from '../../resources/istio.ts'
import { entryOf } from './entry.ts'
import type { Health } from './membership.ts'

/** How the traffic of a host gets to its proxy. */
export type HostCapture =
  /** The kernel redirects it. */
  | { readonly mode: 'redirect'; readonly dns: boolean }
  /** The proxy listens at the host's address, the application at `appAddress`, where the proxy takes its HTTP calls too, at `httpProxyPort`. */
  | { readonly mode: 'listeners'; readonly appAddress: string; readonly httpProxyPort: number }

/** What the agent of a host tells the server. */
export type HostMessage =
  | { readonly join: { readonly address: string; readonly capture: HostCapture } }
  | { readonly tell: { readonly address: string; readonly capture: HostCapture; readonly health: Health } }
  | { readonly leave: Record<string, never> }

/** What a host is in the mesh. */
export interface HostPlace {
  /** The WorkloadGroup that it is a member of: says how its application is asked whether it is well. */
  readonly group: WorkloadGroup
  /** Its WorkloadEntry. */
  readonly namespace: string
  readonly entry: string
  /** SPIFFE ID of its workload. */
  readonly identity: string
}

const json = {
  serialize: (message: unknown) => Buffer.from(JSON.stringify(message)),
  deserialize: (bytes: Buffer) => JSON.parse(bytes.toString('utf8')),
}

/** One message of a host's agent, as itself, and the server's answer to it. In JSON, on a stream that ends then. */
export const hostMembershipDefinition = {
  send: {
    path: '/weft.v1.HostMembership/Send',
    requestStream: true,
    responseStream: true,
    requestSerialize: json.serialize,
    requestDeserialize: json.deserialize as (bytes: Buffer) => HostMessage,
    responseSerialize: json.serialize,
    responseDeserialize: json.deserialize as (bytes: Buffer) => HostPlace,
  },
} as const satisfies ServiceDefinition

/** The WorkloadEntry of a host with a proxy that the mesh configures. @param host what `weft token create` called it */
export function entryOfHost(
  group: WorkloadGroup,
  host: string,
  { address, capture }: { readonly address: string; readonly capture: HostCapture },
): WorkloadEntry {
  const entry = entryOf(group, { address, name: host })
  const { annotations, labels } = entry.metadata
  const captured: Record<string, string> =
    capture.mode === 'redirect'
      ? { 'weft.dev/dns-capture': String(capture.dns) }
      : { [WELL_KNOWN.appAddress]: capture.appAddress, [WELL_KNOWN.httpProxyPort]: String(capture.httpProxyPort) }
  return {
    ...entry,
    metadata: {
      ...entry.metadata,
      labels: { ...labels, [WELL_KNOWN.tlsMode]: 'istio' },
      // Without a probe, too: it takes no requests before its proxy listens.
      annotations: { ...annotations, ...captured, [OF_HOST]: host, [HEALTH_CHECKED]: 'true' },
    },
  }
}
