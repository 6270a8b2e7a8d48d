import { setTimeout as after } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Log } from '../../identity/log.ts'
import type { OtlpFormat } from '../intake/otlp-values.ts'
import type { ScrapeTarget } from '../intake/scraper.ts'
import type { Sender } from '../intake/sender.ts'
import type { Taking } from '../intake/taking.ts'
import type { PodAddresses } from '../intake/workload-addresses.ts'
import type { SentMeasured } from '../measurements/measured-wire.ts'
import type { ApplicationLogsAnswer, ApplicationLogsQuestion } from '../questions/application-logs.ts'
import type { CallsAnswer, CallsQuestion } from '../questions/calls.ts'
import type { ChangesQuestion, ConfigurationChange } from '../questions/changes.ts'
import type { GraphAnswer, GraphQuestion } from '../questions/graph.ts'
import type { IntakeStatus } from '../questions/intake.ts'
import type { LogsAnswer, LogsQuestion } from '../questions/logs.ts'
import type { OutcomesAnswer, OutcomesQuestion } from '../questions/outcomes.ts'
import type { PlaintextEvidence, PlaintextQuestion } from '../questions/plaintext.ts'
import type { MeasuredQuestion, OwnQuestions, TelemetryEvent } from '../questions/questions.ts'
import type { RefusalsAnswer } from '../questions/refusals.ts'
import type { SignalsAnswer, SignalsQuestion } from '../questions/signals.ts'
import type { TimeSpan } from '../questions/span-of-time.ts'
import type { Trace, TraceSummary, TracesQuestion } from '../questions/traces.ts'
import type { HandedOver, Handing } from '../replicas/handing-over.ts'
import type { FromThread, Method, ThreadSettings, ToTake, ToThread } from './messages.ts'

/** More bytes than this that the thread has not looked at yet, and what comes is let go: memory is for proxies. */
const MOST_WAITING = 64 * 1024 * 1024
/** Of this applications have so much: they never keep out what proxies tell. */
const MOST_OF_APPLICATIONS = MOST_WAITING / 4
/** How long after it broke the thread is started again, in ms. */
const AGAIN_MS = 1000
const CLOSE_MS = 5000

interface Asked {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
}

/** Telemetry in a thread of its own. It never blocks and never throws: what cannot be taken is counted as lost. */
export class TelemetryThread implements OwnQuestions, Handing {
  readonly #settings: ThreadSettings
  readonly #log: Log
  readonly #listeners = new Set<(event: TelemetryEvent) => void>()
  readonly #asked = new Map<number, Asked>()
  #worker: Worker
  #next = 0
  #waiting = 0
  #lost = 0
  /** Told what became of what was given to the thread, in the same order. */
  #givers: ((taking: Taking) => void)[] = []
  #pods: readonly PodAddresses[] = []
  #targets: readonly ScrapeTarget[] = []
  #closed = false

  constructor(settings: ThreadSettings, log: Log) {
    this.#settings = settings
    this.#log = log
    this.#worker = this.#start()
  }

  setPods(pods: readonly PodAddresses[]): void {
    this.#pods = pods
    this.#tell({ kind: 'pods', pods })
  }

  /** The proxies whose metrics it reads. */
  setTargets(targets: readonly ScrapeTarget[]): void {
    this.#targets = targets
    this.#tell({ kind: 'targets', targets })
  }

  /** Takes an ExportMetricsServiceRequest. */
  takeMetrics(bytes: Uint8Array, format: OtlpFormat, sender?: Sender): Promise<Taking> {
    return this.#take({ kind: 'metrics', bytes, format, sender }, sender && MOST_OF_APPLICATIONS)
  }

  /** Takes what an agent counted of the proxies of its node. */
  takeMeasured(bytes: Uint8Array): Promise<Taking> {
    return this.#take({ kind: 'measured', bytes })
  }

  /** Takes an ExportTraceServiceRequest. @param sender absent where a proxy sends */
  takeSpans(bytes: Uint8Array, format: OtlpFormat, sender?: Sender): Promise<Taking> {
    return this.#take({ kind: 'spans', bytes, format, sender }, sender && MOST_OF_APPLICATIONS)
  }

  /** Takes an ExportLogsServiceRequest of an application. */
  takeLogs(bytes: Uint8Array, format: OtlpFormat, sender: Sender): Promise<Taking> {
    return this.#take({ kind: 'application-logs', bytes, format, sender }, MOST_OF_APPLICATIONS)
  }

  /** Takes a StreamAccessLogsMessage of the proxy of a pod, `NAMESPACE/NAME`. */
  takeAccessLogs(bytes: Uint8Array, pod: string, logName: string): void {
    void this.#take({ kind: 'logs', bytes, pod, logName })
  }

  /** Something came that cannot be read. */
  refused(): void {
    this.#tell({ kind: 'malformed' })
  }

  changed(changes: readonly Omit<ConfigurationChange, 'id'>[]): void {
    this.#tell({ kind: 'changes', changes })
  }

  signals(question: SignalsQuestion): Promise<SignalsAnswer> {
    return this.#ask('signals', question)
  }

  graph(question: GraphQuestion): Promise<GraphAnswer> {
    return this.#ask('graph', question)
  }

  outcomes(question: OutcomesQuestion): Promise<OutcomesAnswer> {
    return this.#ask('outcomes', question)
  }

  plaintext(question: PlaintextQuestion): Promise<readonly PlaintextEvidence[]> {
    return this.#ask('plaintext', question)
  }

  refusals(question: TimeSpan): Promise<RefusalsAnswer> {
    return this.#ask('refusals', question)
  }

  logs(question: LogsQuestion): Promise<LogsAnswer> {
    return this.#ask('logs', question)
  }

  traces(question: TracesQuestion): Promise<readonly TraceSummary[]> {
    return this.#ask('traces', question)
  }

  trace(traceId: string): Promise<Trace | undefined> {
    return this.#ask('trace', traceId)
  }

  applicationLogs(question: ApplicationLogsQuestion): Promise<ApplicationLogsAnswer> {
    return this.#ask('applicationLogs', question)
  }

  calls(question: CallsQuestion): Promise<CallsAnswer> {
    return this.#ask('calls', question)
  }

  changes(question: ChangesQuestion): Promise<readonly ConfigurationChange[]> {
    return this.#ask('changes', question)
  }

  measuredHere(question: MeasuredQuestion): Promise<SentMeasured> {
    return this.#ask('measuredHere', question)
  }

  spansOf(traceIds: readonly string[]): Promise<readonly Trace[]> {
    return this.#ask('spansOf', traceIds)
  }

  evidence(limit: number): Promise<HandedOver> {
    return this.#ask('evidence', limit)
  }

  takeOver(given: HandedOver): Promise<void> {
    return this.#ask('takeOver', given)
  }

  handedOver(given: HandedOver): Promise<void> {
    return this.#ask('handedOver', given)
  }

  intake(): Promise<IntakeStatus> {
    return this.#ask('intake', undefined)
  }

  follow(listener: (event: TelemetryEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when all that came in is written. */
  async close(): Promise<void> {
    this.#closed = true
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve))
    this.#tell({ kind: 'close' })
    await Promise.race([ended, after(CLOSE_MS, undefined, { ref: false })])
    await this.#worker.terminate()
  }

  #start(): Worker {
    const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: this.#settings })
    worker.on('message', (message: FromThread) => this.#heard(message))
    worker.on('error', (error: Error) => this.#log('error', `telemetry broke: ${error.stack ?? error.message}`))
    worker.on('exit', () => void this.#ended())
    return worker
  }

  async #ended(): Promise<void> {
    for (const { reject } of this.#asked.values()) reject(new Error('telemetry ended before it answered'))
    this.#asked.clear()
    this.#waiting = 0
    for (const giver of this.#givers.splice(0)) giver({ outcome: 'full' })
    if (this.#closed) return
    await after(AGAIN_MS, undefined, { ref: false })
    if (this.#closed) return
    this.#worker = this.#start()
    this.setPods(this.#pods)
    this.setTargets(this.#targets)
  }

  #heard(message: FromThread): void {
    switch (message.kind) {
      case 'taken':
        this.#waiting = Math.max(0, this.#waiting - message.bytes)
        this.#givers.shift()?.(message.taking)
        return
      case 'event':
        for (const listener of this.#listeners) listener(message.event)
        return
      case 'answer':
        this.#asked.get(message.id)?.resolve(message.answer)
        this.#asked.delete(message.id)
        return
      case 'failed':
        this.#asked.get(message.id)?.reject(new Error(message.message))
        this.#asked.delete(message.id)
    }
  }

  /** @param most how much may wait for it to be taken */
  #take(message: ToTake, most = MOST_WAITING): Promise<Taking> {
    if (this.#waiting > most) {
      this.#lost++
      return Promise.resolve({ outcome: 'full' })
    }
    if (this.#lost > 0) {
      this.#tell({ kind: 'lost', count: this.#lost })
      this.#lost = 0
    }
    this.#waiting += message.bytes.length
    this.#tell(message)
    return new Promise((resolve) => this.#givers.push(resolve))
  }

  #tell(message: ToThread): void {
    this.#worker.postMessage(message)
  }

  #ask<T>(method: Method, question: unknown): Promise<T> {
    if (this.#closed) return Promise.reject(new Error('telemetry has ended'))
    const id = this.#next++
    return new Promise<T>((resolve, reject) => {
      this.#asked.set(id, { resolve: (answer) => resolve(answer as T), reject })
      this.#tell({ kind: 'ask', id, method, question })
    })
  }
}
