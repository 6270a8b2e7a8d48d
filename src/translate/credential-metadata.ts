import type { JsonObject } from '@bufbuild/protobuf'
import type { Cluster } from '#envoy/config/cluster/v3/cluster'
import type { MetadataSchema } from '#envoy/config/core/v3/base'
import type { Init } from './routes/init.ts'

/** What a cluster of all clients wants of those that may read Secrets: `tls.credentialName` of a DestinationRule. */
export interface WantedCredential {
  /** `NAME` or `NAMESPACE/NAME` of a Secret. */
  readonly name: string
  /** Whether the client shows a certificate of its own. */
  readonly mutual: boolean
}

/** Envoy makes nothing of it. */
const NAMESPACE = 'weft.dev'

/** Has a cluster say so. */
export function credentialMetadata(credentialName: string, mutual: boolean): Init<typeof MetadataSchema> {
  return { filterMetadata: { [NAMESPACE]: { credentialName, mutual } } }
}

/** Undefined where it wants none. */
export function wantedCredential({ metadata }: Cluster): WantedCredential | undefined {
  const { credentialName: name, mutual } = (metadata?.filterMetadata[NAMESPACE] ?? {}) as JsonObject
  return typeof name === 'string' ? { name, mutual: mutual === true } : undefined
}
