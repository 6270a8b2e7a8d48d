import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as after } from 'node:timers/promises'
import type { ServerEvent } from './api.ts'

const RETRY_MS = 200

/**
 * Calls `onEvent` with what the server at a Unix socket has to tell, coming back when the server does. Returns the call that ends it.
 */
export function followEvents(socketPath: string, onEvent: (event: ServerEvent) => void): () => void {
  const closing = new AbortController()
  const { signal } = closing
  const listen = () =>
    new Promise<void>((resolve) => {
      const outgoing = request({ socketPath, path: '/api/v1/events', agent: false, signal }, (incoming) => {
        const lines = createInterface(incoming)
        lines.on('line', (line) => onEvent(JSON.parse(line) as ServerEvent))
        lines.on('close', resolve).on('error', () => {}) // cut off: it closes, too
        incoming.on('error', () => resolve())
      })
      outgoing.on('error', () => resolve())
      outgoing.end()
    })
  void (async () => {
    while (!signal.aborted) {
      await listen()
      await after(RETRY_MS, undefined, { signal }).catch(() => {})
    }
  })()
  return () => closing.abort()
}
