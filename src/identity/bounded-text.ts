import type { IncomingMessage } from 'node:http'

/** More than anybody has to say who answers as expected. */
const LARGEST_BYTES = 1_000_000

/** The body of an answer. Rejects where it breaks off, or is larger than a megabyte: who answers may be anybody. */
export function boundedText(incoming: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > LARGEST_BYTES) incoming.destroy(new Error('the answer is too large'))
      else chunks.push(chunk)
    })
    incoming.on('error', reject)
    incoming.on('end', () => resolve(Buffer.concat(chunks).toString()))
  })
}
