// How a sample program calls another: plain HTTP, over kept connections, through the sidecar where HTTP_PROXY names one.
import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'
import process from 'node:process'

export type Answer = { status: number; headers: IncomingHttpHeaders; body: string }

export type CallOptions = {
  method?: string
  headers?: OutgoingHttpHeaders
  body?: string
  /** Milliseconds until the whole answer must be here. */
  timeout: number
}

// An agent with `proxyEnv` reads HTTP_PROXY, http_proxy and NO_PROXY by itself, with no NODE_USE_ENV_PROXY needed, and
// asks the proxy for `GET http://details:9080/...`. Unlike fetch, which would open a tunnel, it lets the proxy see HTTP.
const agent = new Agent({ keepAlive: true, proxyEnv: process.env })

/**
 * Makes one HTTP call. An answer of any status is an answer.
 * @throws Error when there is none: name unknown, connection refused or cut, or `timeout` over
 */
export async function call(url: string, options: CallOptions): Promise<Answer> {
  const signal = AbortSignal.timeout(options.timeout)
  try {
    return await attempt(url, options, signal)
  } catch (error) {
    if (signal.aborted) throw new Error(`${url} did not answer within ${options.timeout} ms`, { cause: error })
    // The other side may close a kept connection just as it is used again; that says nothing of the service.
    if (error instanceof ReusedConnectionCut) return attempt(url, options, signal)
    throw error
  }
}

class ReusedConnectionCut extends Error {}

function attempt(url: string, options: CallOptions, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const method = options.method ?? 'GET'
    const outgoing = request(url, { agent, method, headers: options.headers ?? {}, signal }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      )
    })
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const again = outgoing.reusedSocket && error.code === 'ECONNRESET' && method === 'GET'
      reject(again ? new ReusedConnectionCut(error.message) : error)
    })
    outgoing.end(options.body)
  })
}

// What a program passes on of each request, so that one user's request can be followed through the mesh. The names are
// those that Istio's documentation lists for its tracers.
const passedOn = [
  'x-request-id',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'x-ot-span-context',
  'x-datadog-trace-id',
  'x-datadog-parent-id',
  'x-datadog-sampling-priority',
  'x-cloud-trace-context',
  'grpc-trace-bin',
  'sw8',
  'user-agent',
  'cookie',
  'authorization',
  'jwt',
]

/** The headers of a request to send along with the calls made for it. */
export function passOn(headers: IncomingHttpHeaders, ...also: string[]): OutgoingHttpHeaders {
  const passed: OutgoingHttpHeaders = {}
  for (const name of [...passedOn, ...also]) {
    const value = headers[name]
    if (value !== undefined) passed[name] = value
  }
  return passed
}
