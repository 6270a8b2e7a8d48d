import { keepPreviousData, type UseQueryResult, useQuery } from '@tanstack/react-query'
import type { LiveTopic, Refused } from '../../../src/server/console/answers.ts'

/** What the server, or the way to it, says against a question. */
export class Refusal extends Error {
  readonly status: number
  readonly remedy: string | undefined

  constructor(status: number, { error, remedy }: Refused) {
    super(error)
    this.status = status
    this.remedy = remedy
  }
}

/** The answer to a GET below `/api/v1/`. @throws Refusal */
async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  return answerOf<T>(() => fetch(`/api/v1/${path}`, signal ? { signal } : {}))
}

/** The answer to a POST below `/api/v1/console/`. @throws Refusal */
export function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json' }
  return answerOf<T>(() => fetch(`/api/v1/console/${path}`, { method: 'POST', headers, body: JSON.stringify(body) }))
}

async function answerOf<T>(send: () => Promise<Response>): Promise<T> {
  const response = await send().catch((error: Error) => {
    if (error.name === 'AbortError') throw error
    throw new Refusal(503, {
      error: 'The mesh does not answer',
      remedy: 'Is it still running? It is asked again by itself',
    })
  })
  const body: unknown = await response.json().catch(() => undefined)
  if (response.ok) return body as T
  const { error, message, remedy } = (body ?? {}) as Partial<Refused> & { readonly message?: string }
  throw new Refusal(response.status, {
    error: message ?? error ?? `The server answered ${response.status}`,
    ...(remedy ? { remedy } : {}),
  })
}

interface AskOptions {
  readonly enabled?: boolean
  /** Shows the answer to the last question until that to the new one is there. */
  readonly keep?: boolean
}

/** An answer that is asked for again when the server says that something of `topics` changed. */
export function useAsk<T>(
  path: string,
  topics: readonly LiveTopic[],
  { enabled = true, keep = false }: AskOptions = {},
): UseQueryResult<T, Error> {
  return useQuery<T, Error>({
    queryKey: [path],
    queryFn: ({ signal }) => ask<T>(path, signal),
    meta: { topics },
    enabled,
    ...(keep ? { placeholderData: keepPreviousData } : {}),
  })
}

/** The same of the console's own answers. */
export function useConsole<T>(path: string, ...topics: readonly LiveTopic[]): UseQueryResult<T, Error> {
  return useAsk<T>(`console/${path}`, topics)
}
