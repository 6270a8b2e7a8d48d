import { once } from 'node:events'
import { Client, credentials, Server, ServerCredentials, type StatusObject, status } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Call, Messages, streamBelow } from './messages.ts'

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

let server: Server
let client: Client
let onCall: (call: Call) => void

beforeEach(async () => {
  server = new Server()
  server.addService({ talk: METHOD }, { talk: (call: Call) => onCall(call) })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  )
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
})

afterEach(() => {
  client.close()
  server.forceShutdown()
})

test('with the grpc-js that is installed, messages go past its queues, and arrive as they are', async () => {
  const large = Buffer.alloc(100_000, 'x')
  const received: Buffer[] = []
  let below: boolean | undefined
  onCall = (call) => {
    below = streamBelow(call) !== undefined
    const messages: Messages = new Messages(call, {
      message: (message) => {
        received.push(Buffer.from(message))
        if (message.length > 0) return
        messages.write([Buffer.from([0, 0, 0, 0, 2, 1, 2])])
        messages.write([Buffer.from([0, ...lengthOf(100_001), 7]), large])
      },
      ended: () => call.end(),
      drained: () => {},
    })
  }
  const call = client.makeBidiStreamRequest(METHOD.path, bytes, bytes)
  const answers: Buffer[] = []
  call.on('data', (message: Buffer) => answers.push(message))
  const sent = [Buffer.from('hello'), large, Buffer.from('a'), Buffer.from('b'), Buffer.alloc(0)]
  for (const message of sent) call.write(message)
  call.end()
  const [{ code }] = await once(call, 'status')
  expect([code, below]).toEqual([status.OK, true])
  expect(received).toEqual(sent)
  expect(answers).toEqual([Buffer.from([1, 2]), Buffer.concat([Buffer.from([7]), large])])
})

test('what comes during a pause waits, in order', async () => {
  const received: string[] = []
  onCall = (call) => {
    const messages: Messages = new Messages(call, {
      message: (message) => {
        received.push(message.toString())
        messages.pause()
        setImmediate(() => {
          received.push('resumed')
          messages.resume()
        })
      },
      ended: () => call.end(),
      drained: () => {},
    })
  }
  const call = client.makeBidiStreamRequest(METHOD.path, bytes, bytes)
  call.resume()
  for (const message of ['a', 'b', 'c']) call.write(Buffer.from(message))
  call.end()
  await once(call, 'status')
  expect(received.join(' ')).toMatch(/^a resumed b resumed c/)
})

test('what is not understood ends the call', async () => {
  onCall = (call) =>
    new Messages(call, {
      message: () => {
        throw new Error('no good')
      },
      ended: () => {},
      drained: () => {},
    })
  const call = client.makeBidiStreamRequest(METHOD.path, bytes, bytes)
  call.on('error', () => {})
  call.write(Buffer.from('a'))
  const { code, details } = await new Promise<StatusObject>((resolve) => call.on('status', resolve))
  expect([code, details]).toEqual([status.INTERNAL, "a message can't be understood: no good"])
})

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}
