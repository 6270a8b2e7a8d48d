import type { EncodedResource } from '../translate/encoded-resource.ts'
import type { Push } from './delta-stream.ts'

/**
 * Writes envoy.service.discovery.v3.DeltaDiscoveryResponse by hand: the resources are bytes already, shared by many proxies, and a generated
 * serializer would look into each of them again for every proxy.
 *
 * Field numbers: DeltaDiscoveryResponse { resources = 2, type_url = 4, nonce = 5, removed_resources = 6 },
 * Resource { version = 1, resource (an Any) = 2, name = 3 }.
 */
export function responseFrame({ url, nonce, resources, removed }: Push): Buffer {
  const lengths: number[] = []
  let size = textSize(url) + textSize(nonce)
  for (const resource of resources) {
    const length = resourceSize(resource)
    lengths.push(length)
    size += fieldSize(length)
  }
  for (const name of removed) size += textSize(name)
  const frame = new FrameWriter(size)
  for (let i = 0; i < resources.length; i++) {
    const { name, version, any } = resources[i] as EncodedResource
    frame.head(2, lengths[i] as number)
    frame.text(1, version)
    frame.text(3, name)
    frame.head(2, any.length)
    frame.bytes(any)
  }
  for (const name of removed) frame.text(6, name)
  frame.text(4, url)
  frame.text(5, nonce)
  return frame.buffer
}

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

  bytes(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }
}
