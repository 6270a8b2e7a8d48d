import { Agent, get } from 'node:http'

/** How often somebody asks, in ms. */
const EVERY_MS = 250
/** One of so many is asked by a user whom examples route elsewhere. */
const ONE_OF = 5
/** What takes longer is given up: whoever asks next must not wait for it. */
const LONGEST_MS = 10_000

/** Asks for a page again and again, so that there is traffic to look at. Ends with `signal`. */
export function demoTraffic(url: string, signal: AbortSignal): void {
  if (signal.aborted) return
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  let count = 0
  const timer = setInterval(() => {
    const headers = count++ % ONE_OF === 0 ? { 'end-user': 'jason' } : {}
    // Whether it is answered is for the mesh to tell.
    get(url, { agent, headers, signal, timeout: LONGEST_MS }, (answer) => answer.on('error', () => {}).resume())
      .on('error', () => {})
      .on('timeout', function (this: ReturnType<typeof get>) {
        this.destroy()
      })
  }, EVERY_MS)
  signal.addEventListener('abort', () => {
    clearInterval(timer)
    agent.destroy()
  })
}
