import { type QueryClient, type QueryFilters, useQueryClient } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react'
import type { LiveTopic } from '../../../src/server/console/answers.ts'

/** `off`: the stream broke, and comes back by itself. */
export type LiveState = 'connecting' | 'on' | 'off'

const Connected = createContext<LiveState>('connecting')

const AGAIN_MS = 3000

/** Whether what is shown follows the mesh at this moment. */
export function useLiveState(): LiveState {
  return useContext(Connected)
}

/** One stream for the whole page: answers on it that may be others now are asked for again. */
export function LiveUpdates({ children }: { readonly children: ReactNode }) {
  const queries = useQueryClient()
  const [state, setState] = useState<LiveState>('connecting')
  useEffect(() => {
    let stream: EventSource
    let again: ReturnType<typeof setTimeout> | undefined
    let wasOff = false
    const { askAgain, end } = asker(queries)
    const open = () => {
      stream = new EventSource('/api/v1/console/live')
      stream.addEventListener('hello', () => {
        setState('on')
        // Whatever happened while nobody told.
        if (wasOff) askAgain({})
        wasOff = false
      })
      stream.addEventListener('changed', (event: MessageEvent<string>) => {
        const topics = new Set(JSON.parse(event.data) as readonly LiveTopic[])
        askAgain({
          predicate: ({ meta }) =>
            ((meta?.['topics'] ?? []) as readonly LiveTopic[]).some((topic) => topics.has(topic)),
        })
      })
      stream.addEventListener('error', () => {
        wasOff = true
        setState('off')
        // A browser comes back by itself to who went away, but not to who refused.
        if (stream.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS)
      })
    }
    open()
    return () => {
      clearTimeout(again)
      stream.close()
      end()
    }
  }, [queries])
  return <Connected value={state}>{children}</Connected>
}

/**
 * Asks again for answers that may be others now. One that is on its way is waited for, and asked for once more then: to begin anew with each change
 * would never come to an end where an answer takes longer than the mesh is quiet.
 */
function asker(queries: QueryClient): { readonly askAgain: (which: QueryFilters) => void; readonly end: () => void } {
  const cache = queries.getQueryCache()
  const due = new Set<string>()
  const ask = (which: QueryFilters) => void queries.invalidateQueries(which, { cancelRefetch: false })
  const end = cache.subscribe(({ type, query: { queryHash, queryKey, state } }) => {
    if (type !== 'updated' || state.fetchStatus === 'fetching' || !due.delete(queryHash)) return
    ask({ queryKey, exact: true })
  })
  const askAgain = (which: QueryFilters) => {
    for (const { queryHash } of cache.findAll({ ...which, fetchStatus: 'fetching' })) due.add(queryHash)
    ask(which)
  }
  return { askAgain, end }
}
