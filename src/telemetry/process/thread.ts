import { parentPort, workerData } from 'node:worker_threads'
import { Scraper } from '../intake/scraper.ts'
import type { Taking } from '../intake/taking.ts'
import { Telemetry } from '../telemetry.ts'
import type { FromThread, Method, ThreadSettings, ToTake, ToThread } from './messages.ts'

// Runs in a thread of its own: reading, writing and searching never hold up what configures proxies.

/** How often what has come in is written, in ms: so much is lost when the process is killed. */
const FLUSH_MS = 1000
const GROW_MS = 60_000

const { scrapeInterval, ...settings } = workerData as ThreadSettings
const port = parentPort
if (!port) throw new Error('this is run as a thread')
const tell = (message: FromThread) => port.postMessage(message)

const telemetry = new Telemetry({ ...settings, now: Date.now, onEvent: (event) => tell({ kind: 'event', event }) })
const scraper = new Scraper({
  interval: scrapeInterval,
  onMeasured: (counted) => telemetry.measured(counted),
  onRound: ({ answering, silent, malformed }) => {
    if (answering + silent > 0) telemetry.setProxies(answering, silent)
    telemetry.malformed(malformed)
    telemetry.flush()
  },
})
const timers = [setInterval(() => telemetry.flush(), FLUSH_MS), setInterval(() => telemetry.grow(), GROW_MS)]

port.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'pods':
      return telemetry.setPods(message.pods)
    case 'targets':
      return scraper.setTargets(message.targets)
    case 'metrics':
    case 'spans':
    case 'application-logs':
    case 'measured':
    case 'logs':
      return tell({ kind: 'taken', bytes: message.bytes.length, taking: taken(message) })
    case 'changes':
      return telemetry.changed(message.changes)
    case 'malformed':
      return telemetry.malformed(1)
    case 'lost':
      return telemetry.overrun(message.count)
    case 'ask':
      return void answer(message.id, message.method, message.question)
    case 'close':
      scraper.close()
      for (const timer of timers) clearInterval(timer)
      return void telemetry.close().finally(() => port.close())
  }
})

function taken(message: ToTake): Taking {
  const { bytes } = message
  switch (message.kind) {
    case 'metrics':
      return telemetry.takeMetrics(bytes, message.format, message.sender)
    case 'spans':
      return telemetry.takeSpans(bytes, message.format, message.sender)
    case 'application-logs':
      return telemetry.takeLogs(bytes, message.format, message.sender)
    case 'measured':
      return telemetry.takeMeasured(bytes)
    case 'logs':
      return telemetry.takeAccessLogs(bytes, message.pod, message.logName)
  }
}

async function answer(id: number, method: Method, question: unknown): Promise<void> {
  try {
    const ask = telemetry[method] as (question: unknown) => Promise<unknown>
    tell({ kind: 'answer', id, answer: await ask.call(telemetry, question) })
  } catch (error) {
    tell({ kind: 'failed', id, message: (error as Error).message })
  }
}
