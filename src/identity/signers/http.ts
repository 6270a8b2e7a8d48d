import { randomUUID } from 'node:crypto'
import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { setTimeout as after } from 'node:timers/promises'
import { boundedText } from '../bounded-text.ts'
import { retryDelay } from '../renewal.ts'

/** The authority cannot be reached, or has too much to do: the same may work later. */
export class SignerUnavailable extends Error {}

/** The authority does not give what was asked for. The message says what it said. */
export class SignerRefused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface ApiCall {
  readonly url: string | URL
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  /** An object goes as JSON. */
  readonly body?: string | object
  /** Roots to know the API by, PEM; absent: those of the system. */
  readonly caPem?: string | undefined
  /** What an error's body says, for people. Default: the body. */
  readonly problemIn?: (body: string) => string | undefined
}

export interface ApiAnswer {
  readonly status: number
  readonly body: string
}

/** How long an attempt may take, and all of them, in ms: agents wait ten seconds for a certificate, and ask again by themselves. */
const ATTEMPT_MS = 5000
const ALL_MS = 8000

/**
 * Calls an API over HTTP; again, ever less often, where it is away (no connection, 429, 5xx).
 * @param what for messages, such as `Vault`
 * @throws SignerUnavailable where that did not help; SignerRefused for any other answer that is no success
 */
export async function callApi(what: string, call: ApiCall): Promise<ApiAnswer> {
  const end = performance.now() + ALL_MS
  const place = `${what} at ${new URL(call.url).host}`
  for (let failures = 1; ; failures++) {
    let wait = retryDelay(failures, Math.random)
    let problem: string
    try {
      const { retryAfterMs, ...answer } = await once(call)
      if (answer.status < 400) return answer
      problem = `status ${answer.status}: ${said(call, answer.body)}`
      if (answer.status !== 429 && answer.status < 500)
        throw new SignerRefused(answer.status, `${place} refuses: ${problem}`)
      wait = Math.max(wait, retryAfterMs)
    } catch (error) {
      if (error instanceof SignerRefused) throw error
      problem = (error as Error).message
    }
    if (performance.now() + wait >= end)
      throw new SignerUnavailable(`${place} does not answer as it should: ${problem}`)
    await after(wait)
  }
}

/** The answer's JSON. @throws SignerUnavailable where it is none: something else answers there */
export async function callJson<T>(what: string, call: ApiCall): Promise<T> {
  const { body } = await callApi(what, call)
  try {
    return JSON.parse(body) as T
  } catch {
    throw new SignerUnavailable(`${what} at ${new URL(call.url).host} answers with no JSON: ${body.slice(0, 100)}`)
  }
}

/** Asks again and again until there is an answer, or it takes too long. @throws SignerUnavailable */
export async function untilReady<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + ALL_MS
  for (let attempt = 1; ; attempt++) {
    const answer = await ask()
    if (answer !== undefined) return answer
    const wait = retryDelay(attempt, Math.random)
    if (performance.now() + wait >= end)
      throw new SignerUnavailable(`${what} has not signed yet; it is asked anew later. Is an approval missing?`)
    await after(wait)
  }
}

/** So that a request which is repeated is known to be the same. */
export function requestId(): string {
  return randomUUID()
}

function said({ problemIn }: ApiCall, body: string): string {
  let problem: string | undefined
  try {
    problem = problemIn?.(body)
  } catch {}
  return (problem ?? body).slice(0, 500).trim() || 'nothing'
}

function once({
  url,
  method = 'GET',
  headers = {},
  body,
  caPem,
}: ApiCall): Promise<ApiAnswer & { retryAfterMs: number }> {
  const target = new URL(url)
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const options = {
    method,
    headers: {
      ...(typeof body === 'object' ? { 'content-type': 'application/json' } : {}),
      ...(text === undefined ? {} : { 'content-length': String(Buffer.byteLength(text)) }),
      ...headers,
    },
    signal: AbortSignal.timeout(ATTEMPT_MS),
    agent: false as const,
  }
  return new Promise((resolve, reject) => {
    const request = target.protocol === 'http:' ? plainRequest : tlsRequest
    const outgoing = request(
      target,
      { ...options, ...(caPem === undefined ? {} : { ca: caPem }), minVersion: 'TLSv1.2' },
      (incoming) => {
        boundedText(incoming).then((body) => {
          const seconds = Number(incoming.headers['retry-after'] ?? 0)
          const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : 0
          resolve({ status: incoming.statusCode ?? 0, body, retryAfterMs })
        }, reject)
      },
    )
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}
