import { once } from 'node:events'
import { Client, credentials, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { MessageWriter, streamBelow } from './message-writer.ts'

const bytes = (message: Buffer) => message
const METHOD = {
  path: '/test/Talk',
  requestStream: true,
  responseStream: true,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
}

test('with the grpc-js that is installed, messages go to the stream below, and arrive as they are', async () => {
  const server = new Server()
  const calls: ServerDuplexStream<Buffer, Buffer>[] = []
  server.addService(
    { talk: METHOD },
    {
      talk: (call: ServerDuplexStream<Buffer, Buffer>) => {
        calls.push(call)
        call.on('data', () => {
          const writer = new MessageWriter(call, () => {})
          const large = Buffer.alloc(100_000, 'x')
          writer.write([Buffer.from([0, 0, 0, 0, 2, 1, 2])])
          writer.write([Buffer.from([0, ...lengthOf(100_001), 7]), large])
          call.end()
        })
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  )
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  const call = client.makeBidiStreamRequest(METHOD.path, bytes, bytes)
  const received: Buffer[] = []
  call.on('data', (message: Buffer) => received.push(message))
  call.write(Buffer.from('hello'))
  const [status] = await once(call, 'status')
  expect(status.code).toBe(0)
  expect(calls.map((each) => streamBelow(each) !== undefined)).toEqual([true])
  expect(received).toEqual([Buffer.from([1, 2]), Buffer.concat([Buffer.from([7]), Buffer.alloc(100_000, 'x')])])
  client.close()
  server.forceShutdown()
})

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}
