import type { EncodedResource } from '../translate/encoded-resource.ts'
import type { Push } from './delta-stream.ts'
import type { FullPush } from './full-stream.ts'

/**
 * Writes envoy.service.discovery.v3.DeltaDiscoveryResponse by hand: the resources are bytes already, shared by many proxies, and a generated
 * serializer would look into each of them again for every proxy.
 *
 * Field numbers: DeltaDiscoveryResponse { resources = 2, type_url = 4, nonce = 5, removed_resources = 6 },
 * Resource { version = 1, resource (an Any) = 2, name = 3 }.
 *
 * @returns the pieces of a gRPC message, its 5 bytes of head included. Large pieces are shared with other streams: they must not be changed.
 */
export function responseMessage(push: Push): readonly Buffer[] {
  const { url, nonce, removed, parts } = push
  // Not to be asked for where there are parts: these are thousands, and a list of them is made anew.
  const own = parts ? [] : push.resources
  const shared = parts?.map(({ bytes }) => bytes) ?? []
  let size = textSize(url) + textSize(nonce)
  for (const resource of own) size += fieldSize(resourceSize(resource))
  for (const name of removed) size += textSize(name)
  const frame = new FrameWriter(HEAD + size)
  frame.messageHead(size + shared.reduce((sum, { length }) => sum + length, 0))
  frame.resources(own)
  for (const name of removed) frame.text(6, name)
  frame.text(4, url)
  frame.text(5, nonce)
  // Fields may come in any order.
  return [frame.buffer, ...shared]
}

/**
 * Writes envoy.service.discovery.v3.DiscoveryResponse: { version_info = 1, resources (each an Any) = 2, type_url = 4, nonce = 5 }.
 * @returns the pieces of a gRPC message, its head included
 */
export function fullResponseMessage({ url, nonce, version, resources }: FullPush): readonly Buffer[] {
  let size = textSize(version) + textSize(url) + textSize(nonce)
  for (const { any } of resources) size += fieldSize(any.length)
  const frame = new FrameWriter(HEAD + size)
  frame.messageHead(size)
  frame.text(1, version)
  for (const { any } of resources) frame.bytes(2, any)
  frame.text(4, url)
  frame.text(5, nonce)
  return [frame.buffer]
}

/** Resources as they stand in a response, without anything around them. */
export function resourcesFrame(resources: readonly EncodedResource[]): Buffer {
  let size = 0
  for (const resource of resources) size += fieldSize(resourceSize(resource))
  const frame = new FrameWriter(size)
  frame.resources(resources)
  return frame.buffer
}

/** Of a gRPC message: whether it is compressed, and its length in 4 bytes. */
export const HEAD = 5

function resourceSize({ name, version, any }: EncodedResource): number {
  return textSize(version) + textSize(name) + fieldSize(any.length)
}

/** Of a string field, with its tag and length. All field numbers here are below 16, so a tag is one byte. */
function textSize(text: string): number {
  return fieldSize(Buffer.byteLength(text))
}

function fieldSize(length: number): number {
  let size = 2 + length
  for (let rest = length; rest >= 128; rest = Math.floor(rest / 128)) size++
  return size
}

const LENGTH_DELIMITED = 2

/** Fills a buffer whose size was worked out before. */
class FrameWriter {
  readonly buffer: Buffer
  #at = 0

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size)
  }

  messageHead(length: number): void {
    this.buffer[this.#at++] = 0
    this.#at = this.buffer.writeUInt32BE(length, this.#at)
  }

  resources(resources: readonly EncodedResource[]): void {
    for (const resource of resources) {
      const { name, version, any } = resource
      this.head(2, resourceSize(resource))
      this.text(1, version)
      this.text(3, name)
      this.bytes(2, any)
    }
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.head(field, bytes.length)
    this.buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** Tag and length of a field that is strings or messages. */
  head(field: number, length: number): void {
    this.buffer[this.#at++] = (field << 3) | LENGTH_DELIMITED
    let rest = length
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.buffer[this.#at++] = (rest % 128) | 128
    this.buffer[this.#at++] = rest
  }

  text(field: number, text: string): void {
    this.head(field, Buffer.byteLength(text))
    this.#at += this.buffer.write(text, this.#at)
  }
}
