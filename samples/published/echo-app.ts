// Stands in for `testing/app` of Istio's published samples, which is told by arguments where it listens: `--port` for HTTP, `--tcp`, `--grpc`, as often
// as needed, and `--version`. Over gRPC it has proto.EchoTestService/Echo. Other arguments are not for it.
import process from 'node:process'
import { parseArgs } from 'node:util'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { serveLines } from '../echo/lines.ts'
import { bindAddress, onStop, pod, serve } from '../service/serve.ts'

const ports = { type: 'string', multiple: true, default: [] as string[] } as const
const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { port: ports, tcp: ports, grpc: ports, version: { type: 'string', default: '' } },
  strict: false,
})
const listed = (name: 'port' | 'tcp' | 'grpc') => (values[name] as string[]).map(Number)
const about = `ServiceVersion=${values.version}\nHostname=${pod}\n`

for (const port of listed('port'))
  serve('echo', port, {
    '* /*': ({ method, url, headers }) => ({
      headers: { 'content-type': 'text/plain' },
      body: `${about}Method=${method}\nURL=${url.pathname}${url.search}\nHost=${headers.host}\n`,
    }),
  })
serveLines(listed('tcp'), `ServiceVersion=${values.version}`)

/** An EchoResponse, which is one text (field 1) of at most 127 bytes. */
const answer = Buffer.concat([Buffer.of(0x0a, about.length), Buffer.from(about)])
const same = (bytes: Buffer) => bytes
const server = new Server()
server.addService(
  {
    echo: {
      path: '/proto.EchoTestService/Echo',
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  },
  { echo: (_: unknown, reply: (error: null, response: Buffer) => void) => reply(null, answer) },
)
for (const port of listed('grpc'))
  server.bindAsync(`${bindAddress}:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error) throw error
    console.log(`echo listening on grpc://${bindAddress}:${port}`)
  })
onStop(() => server.tryShutdown(() => {}))
