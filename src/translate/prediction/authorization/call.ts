import type { PathNormalization } from '../../../mesh/mesh-config.ts'
import type { PredictedRequest } from '../request.ts'

/** A request, or a connection where there is no HTTP, as the proxy of the workload that it comes to sees it. */
export interface Call {
  /** SPIFFE ID of the caller's certificate without its scheme; absent where it shows none. */
  readonly principal?: string
  /** Where the connection is from. */
  readonly peerAddress: string
  /** The original client's, by `X-Forwarded-For` where a trusted proxy wrote it. */
  readonly clientAddress: string
  readonly destinationAddress: string
  readonly port: number
  /** The name that the client asked for in TLS. */
  readonly serverName?: string
  /** Absent where there is no HTTP. */
  readonly http?: PredictedRequest
  /** What is done to its path before policies look; BASE if absent. */
  readonly paths?: PathNormalization
  /** Claims of the token that was taken; absent where there was none. */
  readonly claims?: Readonly<Record<string, unknown>>
}
