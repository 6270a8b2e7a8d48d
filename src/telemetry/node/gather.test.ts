import { create, toBinary } from '@bufbuild/protobuf'
import { Client, credentials, Metadata, Server, ServerCredentials } from '@grpc/grpc-js'
import { afterEach, expect, test, vi } from 'vitest'
import { StreamAccessLogsMessageSchema } from '#envoy/service/accesslog/v3/als'
import { addIntakeServices, type Intake, PATHS } from '../intake/grpc-services.ts'
import { gatherTelemetry } from './gather.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

const TAKEN = { outcome: 'taken', leftOut: 0 } as const
const asIs = (bytes: Buffer) => bytes

async function served(server: Server): Promise<Client> {
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  )
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  ends.push(
    () => server.forceShutdown(),
    () => client.close(),
  )
  return client
}

/** An agent between a proxy, which is `client`, and a server that takes in what comes. */
async function between() {
  const taken = { logs: vi.fn<Intake['takeAccessLogs']>(), spans: vi.fn<Intake['takeSpans']>(async () => TAKEN) }
  const upstream = new Server()
  addIntakeServices(
    upstream,
    {
      takeAccessLogs: taken.logs,
      takeSpans: taken.spans,
      takeMetrics: async () => TAKEN,
      takeMeasured: async () => TAKEN,
      takeLogs: async () => TAKEN,
    },
    { proxyOf: (_, node) => `shop/${node?.id}`, allowed() {} },
  )
  const toServer = await served(upstream)
  const server = new Server()
  const identify = vi.fn(async ({ bearer }: { readonly bearer: string | undefined }) => {
    if (bearer !== 'good') throw new Error('the token proves nothing')
    return 'shop/web'
  })
  const open = async (path: string) => toServer.makeBidiStreamRequest(path, asIs, asIs)
  ends.push(gatherTelemetry({ server, identify, open, proxies: () => new Map() }, () => {}))
  return { client: await served(server), taken, identify }
}

function token(bearer: string): Metadata {
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${bearer}`)
  return metadata
}

test('passes spans on, of proxies that show their token', async () => {
  const { client, taken, identify } = await between()
  const send = (bearer: string) =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest(PATHS.spans, asIs, asIs, Buffer.from('spans'), token(bearer), (error, answer) =>
        error ? reject(error) : resolve(answer),
      ),
    )
  await expect(send('bad')).rejects.toThrow('the token proves nothing')
  expect(taken.spans).not.toHaveBeenCalled()
  await send('good')
  await send('good')
  expect(taken.spans.mock.calls).toEqual([
    [Buffer.from('spans'), 'protobuf'],
    [Buffer.from('spans'), 'protobuf'],
  ])
  // A token that was good is believed for a while.
  expect(identify).toHaveBeenCalledTimes(2)
})

test('passes access logs on as they are, and says whose', async () => {
  const { client, taken, identify } = await between()
  const first = toBinary(
    StreamAccessLogsMessageSchema,
    create(StreamAccessLogsMessageSchema, { identifier: { node: { id: 'web-0' }, logName: 'weft.client' } }),
  )
  const stream = client.makeClientStreamRequest(PATHS.accessLogs, asIs, asIs, token('good'), () => {})
  ends.push(() => stream.cancel())
  stream.write(Buffer.from(first))
  stream.write(Buffer.alloc(0))
  await vi.waitFor(() => expect(taken.logs).toHaveBeenCalledTimes(2), 30_000)
  expect(taken.logs.mock.calls.map(([, pod, logName]) => [pod, logName])).toEqual([
    ['shop/web-0', 'weft.client'],
    ['shop/web-0', 'weft.client'],
  ])
  expect(identify).toHaveBeenCalledWith(expect.objectContaining({ bearer: 'good', nodeId: 'web-0' }))
})
