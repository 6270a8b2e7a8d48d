import type { ProxyResources } from '../translate/encoded-resource.ts'
import { DeltaStream, type Push, type StreamEvents } from './delta-stream.ts'
import { type FullPush, type FullRequest, FullStream, readFullRequest } from './full-stream.ts'
import { type DeltaRequest, readRequest } from './request.ts'
import { fullResponseMessage, responseMessage } from './response-frame.ts'
import type { Waits } from './send-order.ts'
import type { TypeCounts, TypeStatus } from './status.ts'

/** What is known of a type beside what its stream knows. */
export interface Answers {
  readonly counts: Readonly<TypeCounts>
  /** Milliseconds since the epoch of the last answer that took a response. */
  readonly lastAck: number | undefined
}

/** One stream of one proxy as a state machine without I/O and clock. */
export interface ResourceStream<Request, Sent extends Push> {
  /** Takes in what the proxy says. */
  request(request: Request): void
  /** From now on the proxy should hold what it asks for of these. */
  retarget(resources: ProxyResources): void
  /** The next response to send, if one is due now. Counts as sent. */
  next(now: number): Sent | undefined
  /** When to call `next` again though nothing came; infinite if nothing is waited for. Of the last call of `next`. */
  readonly wakeAt: number
  /** Of every type that the proxy asked for. */
  types(answers: (url: string) => Answers): TypeStatus[]
}

/** A way of speaking xDS. */
export interface Protocol<Request extends { readonly node?: Uint8Array }, Sent extends Push> {
  /** Throws where the bytes are no protobuf. */
  read(bytes: Uint8Array): Request
  open(events: StreamEvents, waits: Waits | undefined): ResourceStream<Request, Sent>
  /** A gRPC message with its head, in pieces that must not be changed. */
  message(sent: Sent): readonly Buffer[]
}

/** Only what differs goes over the wire: for Envoy. */
export const DELTA: Protocol<DeltaRequest, Push> = {
  read: readRequest,
  open: (events, waits) => new DeltaStream(events, waits),
  message: responseMessage,
}

/** Each response holds all that was asked for of a type ("state of the world"): what gRPC's own xDS clients speak. */
export const FULL: Protocol<FullRequest, FullPush> = {
  read: readFullRequest,
  open: (events) => new FullStream(events),
  message: fullResponseMessage,
}
