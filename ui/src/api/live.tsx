import { useQueryClient } from '@tanstack/react-query'
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
    const open = () => {
      stream = new EventSource('/api/v1/console/live')
      stream.addEventListener('hello', () => {
        setState('on')
        // Whatever happened while nobody told.
        if (wasOff) void queries.invalidateQueries()
        wasOff = false
      })
      stream.addEventListener('changed', (event: MessageEvent<string>) => {
        const topics = new Set(JSON.parse(event.data) as readonly LiveTopic[])
        void queries.invalidateQueries({
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
    }
  }, [queries])
  return <Connected value={state}>{children}</Connected>
}
