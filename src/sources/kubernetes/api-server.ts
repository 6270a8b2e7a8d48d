import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'

/** Which cluster, and as whom. */
export interface ClusterAccess {
  /** A kubeconfig file. Absent: what KUBECONFIG names, else ~/.kube/config, else the service account of the pod that this runs in. */
  readonly kubeconfig?: string
  /** Of the kubeconfig; its current one where absent. */
  readonly context?: string
}

/** A Kubernetes `Status`, as far as we read it. */
interface StatusObject {
  readonly code?: number
  readonly reason?: string
  readonly message?: string
  readonly details?: { readonly retryAfterSeconds?: number }
}

/** The API server did not do what it was asked to. */
export class ApiError extends Error {
  /** HTTP status; 0 where there was no answer at all. */
  readonly status: number
  /** How long the server asks us to stay away, in ms. */
  readonly retryAfterMs: number | undefined
  /** As the API calls it: `AlreadyExists`, `Conflict`, `Invalid`. */
  readonly reason: string | undefined

  constructor(status: number, message: string, retryAfterMs?: number, reason?: string) {
    super(message)
    this.status = status
    this.retryAfterMs = retryAfterMs
    this.reason = reason
  }

  static ofStatus({ code = 500, message, reason, details }: StatusObject): ApiError {
    const seconds = details?.retryAfterSeconds
    return new ApiError(code, message || reason || `status ${code}`, seconds ? seconds * 1000 : undefined, reason)
  }
}

/** What to ask an API server for, beside a GET. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With its query. */
  readonly path: string
  /** Sent as JSON. */
  readonly body?: unknown
  /** Of the body: `application/json` where absent. */
  readonly contentType?: string
  readonly signal?: AbortSignal
}

/** A line of a watch. `ERROR` is thrown instead. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: Readonly<Record<string, unknown>>
}

/** No answer for this long, in ms, is none. Lists of large clusters take seconds. */
const ANSWER_MS = 60_000
/** A quiet connection is probed after this time, in ms, so that one to a machine that is gone ends by itself. */
const PROBE_AFTER_MS = 15_000

/** An idle connection is kept for this time, in ms: less than any API server or load balancer before it does. */
const IDLE_MS = 20_000

/** The HTTP side of one API server: who we are to it, answers as JSON, watches line by line. */
export class ApiServer {
  readonly #config: KubeConfig
  /** For short requests: it tells apart connections made with different certificates. */
  readonly #connections: https.Agent | http.Agent | undefined
  /** `https://HOST:PORT`, with a path where the API is below one. */
  readonly url: string

  /** Throws, with a message for a person, where there is no such file, context or cluster. */
  constructor({ kubeconfig, context }: ClusterAccess) {
    const config = new KubeConfig()
    if (kubeconfig === undefined) config.loadFromDefault()
    else config.loadFromFile(kubeconfig)
    if (context !== undefined) {
      const names = config.getContexts().map(({ name }) => name)
      if (!names.includes(context))
        throw new Error(`the kubeconfig has no context ${context}; it has ${names.join(', ') || 'none'}`)
      config.setCurrentContext(context)
    }
    const cluster = config.getCurrentCluster()
    if (!cluster) throw new Error('the kubeconfig names no cluster: set its current-context, or name one')
    this.#config = config
    this.url = cluster.server.replace(/\/+$/, '')
    const { Agent } = this.url.startsWith('http:') ? http : https
    if (cluster.proxyUrl === undefined) this.#connections = new Agent({ keepAlive: true, timeout: IDLE_MS })
  }

  /** The answer to a GET of `path` (with its query). Throws ApiError. */
  async get(path: string, signal: AbortSignal, accept = 'application/json'): Promise<unknown> {
    const response = await this.#open({ method: 'GET', path, signal }, accept)
    return JSON.parse((await bytesOf(response)).toString('utf8'))
  }

  /** The answer to a GET of something that is not JSON, such as a pod's log. Throws ApiError. */
  async text(path: string, signal?: AbortSignal): Promise<string> {
    const response = await this.#open({ method: 'GET', path, ...(signal && { signal }) }, '*/*', this.#connections)
    return (await bytesOf(response)).toString('utf8')
  }

  /** For connections that are not HTTP: `PortForward` of the Kubernetes client. */
  get config(): KubeConfig {
    return this.#config
  }

  /** The answer to any short request. Throws ApiError. */
  async send(request: ApiRequest): Promise<unknown> {
    const response = await this.#open(request, 'application/json', this.#connections)
    return JSON.parse((await bytesOf(response)).toString('utf8'))
  }

  /**
   * Follows a watch until the server ends it. All that arrives together is handed over in one go of the event loop.
   * Throws ApiError where it is refused, breaks or tells an error.
   */
  async watch(path: string, signal: AbortSignal, accept: string, onEvent: (event: WatchEvent) => void): Promise<void> {
    const response = await this.#open({ method: 'GET', path, signal }, accept)
    response.socket.setTimeout(0).setKeepAlive(true, PROBE_AFTER_MS)
    await eachLine(response, (line) => {
      const event = JSON.parse(line) as WatchEvent | { readonly type: 'ERROR'; readonly object: StatusObject }
      if (event.type === 'ERROR') throw ApiError.ofStatus(event.object)
      onEvent(event)
    })
  }

  async #open(request: ApiRequest, accept: string, agent?: https.Agent | http.Agent): Promise<IncomingMessage> {
    const { method, path, body, contentType = 'application/json', signal } = request
    const options: RequestOptions = { method, headers: { accept, 'user-agent': 'weft' }, ...(signal && { signal }) }
    try {
      // Each time, as tokens are renewed.
      await this.#config.applyToHTTPSOptions(options)
    } catch (error) {
      throw new ApiError(401, `cannot make the credentials that the kubeconfig asks for: ${(error as Error).message}`)
    }
    if (agent) options.agent = agent
    const text = body === undefined ? undefined : JSON.stringify(body)
    if (text !== undefined) {
      const ofBody = { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }
      options.headers = { ...options.headers, ...ofBody } as OutgoingHttpHeaders
    }
    const response = await this.#send(new URL(this.url + path), options, text)
    const status = response.statusCode ?? 500
    if (status >= 200 && status < 300) return response
    const answer = (await bytesOf(response)).toString('utf8')
    const seconds = Number(response.headers['retry-after'])
    const { message, reason } = statusIn(answer)
    const problem = message ?? `${response.statusMessage || 'refused'} (${status})`
    throw new ApiError(status, problem, seconds > 0 ? seconds * 1000 : undefined, reason)
  }

  #send(url: URL, options: RequestOptions, body: string | undefined): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'http:' ? http : https).request(url, options, resolve)
      request.setTimeout(ANSWER_MS, () => request.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)))
      request.on('error', (error: NodeJS.ErrnoException) => {
        // The server closed a kept connection at the moment that it was used again: it has not seen this request.
        if (request.reusedSocket && error.code === 'ECONNRESET') this.#send(url, options, body).then(resolve, reject)
        else reject(noAnswer(error))
      })
      request.end(body)
    })
  }
}

function noAnswer(error: NodeJS.ErrnoException): ApiError {
  // An AggregateError of several addresses has no message of its own.
  const message = error.message === 'aborted' ? 'the connection was cut' : error.message
  return new ApiError(0, message || error.code || 'the connection failed')
}

async function bytesOf(response: IncomingMessage): Promise<Buffer> {
  try {
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  } catch (error) {
    throw noAnswer(error as Error)
  }
}

const NEWLINE = 0x0a

/** Calls `onLine` with each line as it arrives; ends when the response does, or with what `onLine` throws. */
function eachLine(response: IncomingMessage, onLine: (line: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest: Buffer[] = []
    response.on('data', (chunk: Buffer) => {
      let start = 0
      try {
        for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
          const part = chunk.subarray(start, end)
          const line = rest.length > 0 ? Buffer.concat([...rest, part]) : part
          rest = []
          start = end + 1
          if (line.length > 0) onLine(line.toString('utf8'))
        }
      } catch (error) {
        reject(error)
        response.destroy()
        return
      }
      if (start < chunk.length) rest.push(chunk.subarray(start))
    })
    response.on('end', resolve)
    response.on('error', (error) => reject(noAnswer(error)))
    response.on('close', () => reject(new ApiError(0, 'the connection was cut')))
  })
}

function statusIn(body: string): StatusObject {
  try {
    const status = JSON.parse(body) as StatusObject | null
    if (typeof status?.message === 'string') return status
  } catch {
    // Said by something before the API server.
  }
  const text = body.trim().slice(0, 200)
  return text ? { message: text } : {}
}
