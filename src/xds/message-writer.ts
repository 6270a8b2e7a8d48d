import type { ServerHttp2Stream } from 'node:http2'
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js'
import { HEAD } from './response-frame.ts'

type Call = ServerDuplexStream<unknown, Buffer>

/**
 * Writes gRPC messages in pieces that are shared by many calls. grpc-js copies each message before it sends it: with hundreds of proxies that
 * get megabytes each, the copies take more time and memory than all the rest. So the pieces go straight to the HTTP/2 stream below
 * the call, which sends them as they are.
 */
export class MessageWriter {
  readonly #call: Call
  readonly #stream: ServerHttp2Stream | undefined
  #begun = false

  /** @param drained called when `write` said no, and there is room again */
  constructor(call: Call, drained: () => void) {
    this.#call = call
    this.#stream = streamBelow(call)
    const whoDrains = this.#stream ?? call
    whoDrains.on('drain', drained)
  }

  /**
   * Sends one message, given with its head. The pieces must not be changed any more.
   * @returns whether there is room for more
   */
  write(pieces: readonly Buffer[]): boolean {
    const stream = this.#stream
    if (!stream) return this.#call.write(Buffer.concat(pieces).subarray(HEAD))
    if (stream.destroyed || stream.closed) return false
    if (!this.#begun) this.#call.sendMetadata(new Metadata())
    this.#begun = true
    if (pieces.length > 1) stream.cork()
    let room = true
    for (const piece of pieces) room = stream.write(piece)
    if (pieces.length > 1) stream.uncork()
    return room
  }
}

/** Where grpc-js keeps it; undefined where a version of it keeps it elsewhere (a test tells). */
export function streamBelow(call: Call): ServerHttp2Stream | undefined {
  const { stream } = (call as unknown as { readonly call?: { readonly stream?: ServerHttp2Stream } }).call ?? {}
  return typeof stream?.respond === 'function' ? stream : undefined
}
