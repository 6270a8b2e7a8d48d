// Stands in for ext-authz of Istio's published samples: an authorizer, over HTTP at 8000 and over gRPC at 9000, that allows what has a header
// `x-ext-authz: allow`.
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { bindAddress, onStop, serve } from '../service/serve.ts'

const RESULT = 'x-ext-authz-check-result'

serve('ext-authz', 8000, {
  '* /*': ({ headers }) => {
    if (headers['x-ext-authz'] === 'allow') return { headers: { [RESULT]: 'allowed' } }
    const body = 'denied by ext_authz for not found header `x-ext-authz: allow` in the request'
    return { status: 403, headers: { [RESULT]: 'denied', 'content-type': 'text/plain' }, body }
  },
})

/** Of a header in the bytes of an envoy.service.auth.v3.CheckRequest: an entry of a map, key and value with their lengths. */
const ALLOW = Buffer.concat([
  Buffer.of(0x0a, 'x-ext-authz'.length),
  Buffer.from('x-ext-authz'),
  Buffer.of(0x12, 'allow'.length),
  Buffer.from('allow'),
])
/** CheckResponse.status.code: 0, and 7 (PERMISSION_DENIED). */
const [ALLOWED, DENIED] = [Buffer.of(), Buffer.of(0x0a, 2, 0x08, 7)]
const same = (bytes: Buffer) => bytes

const server = new Server()
server.addService(
  {
    check: {
      path: '/envoy.service.auth.v3.Authorization/Check',
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  },
  {
    check: ({ request }: { request: Buffer }, answer: (error: null, response: Buffer) => void) =>
      answer(null, request.includes(ALLOW) ? ALLOWED : DENIED),
  },
)
server.bindAsync(`${bindAddress}:9000`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error
  console.log(`ext-authz listening on grpc://${bindAddress}:9000`)
})
onStop(() => server.tryShutdown(() => {}))
