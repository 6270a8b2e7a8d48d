import type { CaStore } from './ca-store.ts'
import { refreshFederated } from './federation.ts'
import type { Log } from './log.ts'

/** How often to look whether a bundle is due, in ms. */
const LOOK_MS = 15_000

/** Keeps the roots of other trust domains as their bundle endpoints have them, until `signal` ends it. A problem is told once. */
export function followFederated(store: CaStore, trustDomain: string, log: Log, signal: AbortSignal): void {
  let told = ''
  const look = async () => {
    const problems = await refreshFederated(store, trustDomain, Date.now()).catch((error: Error) => [error.message])
    const text = problems.join('; ')
    if (text !== '' && text !== told) log('warning', text)
    told = text
  }
  const timer = setInterval(() => void look(), LOOK_MS).unref()
  signal.addEventListener('abort', () => clearInterval(timer))
}
