import type { ServerHttp2Stream } from 'node:http2'
import { status as grpcStatus, Metadata, type ServerDuplexStream } from '@grpc/grpc-js'
import { HEAD } from './response-frame.ts'

/** With bytes both ways: nothing is serialized by grpc-js. */
export type Call = ServerDuplexStream<Buffer, Buffer>

/** What may come in one message: a proxy that comes back names all that it holds. */
export const LONGEST_MESSAGE = 64 * 1024 * 1024

export interface MessageListener {
  /** Throws where it can't be understood: that ends the call. */
  message(bytes: Buffer): void
  /** The other side says no more. */
  ended(): void
  /** `write` said no, and there is room again. */
  drained(): void
}

/**
 * The messages of one call. grpc-js copies each message that it sends, and takes each that comes through several queues: with hundreds
 * of proxies that is most of the time and memory of a push. So messages go straight to and from the HTTP/2 stream below the call, in pieces
 * that many calls share; grpc-js keeps the connection, the headers and the end.
 */
export class Messages {
  readonly #call: Call
  readonly #stream: ServerHttp2Stream | undefined
  readonly #listener: MessageListener
  /** What came of messages that were not handed on yet. */
  #chunks: Buffer[] = []
  #length = 0
  #paused = false
  #begun = false

  constructor(call: Call, listener: MessageListener) {
    this.#call = call
    this.#listener = listener
    this.#stream = streamBelow(call)
    if (!this.#stream) {
      call.on('data', (bytes: Buffer) => this.#take(bytes))
      call.on('end', () => listener.ended())
      call.on('drain', () => listener.drained())
      return
    }
    // grpc-js listens, too, but has been asked for nothing.
    this.#stream.removeAllListeners('data')
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk))
    this.#stream.on('end', () => listener.ended())
    this.#stream.on('drain', () => listener.drained())
    this.#stream.resume()
  }

  /** No more messages are handed on until `resume`. */
  pause(): void {
    this.#paused = true
    const from = this.#stream ?? this.#call
    from.pause()
  }

  resume(): void {
    this.#paused = false
    if (this.#stream) this.#handOn()
    const from = this.#stream ?? this.#call
    if (!this.#paused) from.resume()
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

  #read(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    this.#handOn()
  }

  /** All that came as a whole. */
  #handOn(): void {
    while (!this.#paused && this.#length >= HEAD) {
      const [first] = this.#chunks as [Buffer]
      const head = first.length >= HEAD ? first : this.#joined()
      const end = HEAD + head.readUInt32BE(1)
      if (head[0] !== 0) this.#end(grpcStatus.UNIMPLEMENTED, 'compressed messages are not understood')
      else if (end > LONGEST_MESSAGE)
        this.#end(grpcStatus.RESOURCE_EXHAUSTED, `a message of ${end} bytes is longer than ${LONGEST_MESSAGE}`)
      if (this.#length < end) return
      const bytes = first.length >= end ? first : this.#joined()
      this.#length -= end
      const rest = bytes.subarray(end)
      if (rest.length > 0) this.#chunks[0] = rest
      else this.#chunks.shift()
      this.#take(bytes.subarray(HEAD, end))
    }
  }

  #joined(): Buffer {
    const bytes = Buffer.concat(this.#chunks)
    this.#chunks = [bytes]
    return bytes
  }

  #take(bytes: Buffer): void {
    try {
      this.#listener.message(bytes)
    } catch (error) {
      this.#end(grpcStatus.INTERNAL, `a message can't be understood: ${(error as Error).message}`)
    }
  }

  #end(code: grpcStatus, details: string): void {
    this.#chunks = []
    this.#length = 0
    this.#stream?.removeAllListeners('data')
    this.#call.emit('error', { code, details })
  }
}

/** Where grpc-js keeps it; undefined where a version of it keeps it elsewhere (a test tells). */
export function streamBelow(call: Call): ServerHttp2Stream | undefined {
  const { stream } = (call as unknown as { readonly call?: { readonly stream?: ServerHttp2Stream } }).call ?? {}
  return typeof stream?.respond === 'function' ? stream : undefined
}
