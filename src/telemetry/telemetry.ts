import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { graphOf } from './answers/graph.ts'
import { outcomesOf } from './answers/outcomes.ts'
import { signalsByRoute } from './answers/routes.ts'
import { signalsOf } from './answers/signals.ts'
import { batches } from './export/batches.ts'
import { Exporter } from './export/exporter.ts'
import type { Receiver } from './export/receiver.ts'
import { accessLogs } from './intake/access-logs.ts'
import { Losses } from './intake/losses.ts'
import { otlpLogs } from './intake/otlp-logs.ts'
import { otlpMeasurements } from './intake/otlp-metrics.ts'
import { otlpSpans } from './intake/otlp-spans.ts'
import type { OtlpFormat } from './intake/otlp-values.ts'
import type { SeenCall } from './intake/seen-call.ts'
import type { SeenRefusal } from './intake/seen-refusal.ts'
import type { Sender } from './intake/sender.ts'
import type { Taking } from './intake/taking.ts'
import { type PodAddresses, WorkloadAddresses } from './intake/workload-addresses.ts'
import type { Measured, Measurements } from './measurements/measured.ts'
import { type SentMeasured, sentMeasured } from './measurements/measured-wire.ts'
import { add, type Measurement } from './measurements/measurement.ts'
import { decodedMeasurements } from './measurements/wire.ts'
import type { ApplicationLog, ApplicationLogsQuestion } from './questions/application-logs.ts'
import type { CallsAnswer, CallsQuestion } from './questions/calls.ts'
import type { ChangesQuestion, ConfigurationChange } from './questions/changes.ts'
import type { GraphQuestion } from './questions/graph.ts'
import type { IntakeStatus } from './questions/intake.ts'
import type { LogEntry, LogsQuestion } from './questions/logs.ts'
import type { OutcomesQuestion } from './questions/outcomes.ts'
import type { PlaintextQuestion } from './questions/plaintext.ts'
import type { MeasuredQuestion, OwnQuestions, TelemetryEvent } from './questions/questions.ts'
import type { SignalsQuestion } from './questions/signals.ts'
import type { TimeSpan } from './questions/span-of-time.ts'
import type { Trace, TracesQuestion } from './questions/traces.ts'
import type { HandedOver, Handing } from './replicas/handing-over.ts'
import { ApplicationLogStore } from './store/application-log-store.ts'
import { CallStore } from './store/call-store.ts'
import { EvidenceStore, type SeenPlaintext } from './store/evidence-store.ts'
import { LogStore } from './store/log-store.ts'
import { keptStep, MeasurementStore } from './store/measurement-store.ts'
import { RefusalStore } from './store/refusal-store.ts'
import { type SpanOfTrace, SpanStore } from './store/span-store.ts'

export interface TelemetryOptions {
  /** Folder of the store's files; absent: in memory only. */
  readonly folder?: string
  /** What all of it may take on disk, in bytes. */
  readonly limitBytes: number
  readonly seriesLimit: number
  /** Of how many requests that went well one is logged; those that failed all are. */
  readonly logsOneOf: number
  /** Whether applications are taken from that send from an address of no pod, as on a laptop, where all of them do. */
  readonly strangers: boolean
  /** Where all that is taken in is sent, too. */
  readonly export?: Receiver
  /** Ms since the epoch. */
  readonly now: () => number
  readonly onEvent: (event: TelemetryEvent) => void
}

/** Of what the store may take: the share of each file. */
const SHARES = {
  measurements: 0.35,
  logs: 0.2,
  spans: 0.2,
  applications: 0.1,
  evidence: 0.05,
  calls: 0.05,
  refusals: 0.05,
} as const

/** Beyond that, what may wait to be sent elsewhere. */
const EXPORT_SHARE = 0.25

/** More than this waiting to be written is not taken. */
const MOST_WAITING = 50_000
/** More logs than this are not told in one event. */
const MOST_TOLD = 200

/** Takes telemetry in, keeps it, and answers questions about it. Nothing is written before `flush`. */
export class Telemetry implements Omit<OwnQuestions, 'follow'>, Measurements, Handing {
  readonly #options: TelemetryOptions
  readonly #measurements: MeasurementStore
  readonly #logs: LogStore
  readonly #spans: SpanStore
  readonly #applications: ApplicationLogStore
  readonly #evidence: EvidenceStore
  readonly #calls: CallStore
  readonly #refusals: RefusalStore
  readonly #exporter: Exporter | undefined
  #flushedAt: number
  readonly #addresses = new WorkloadAddresses()
  readonly #losses = new Losses()
  #counted = new Map<string, Measurement>()
  #waitingLogs: Omit<LogEntry, 'id'>[] = []
  #waitingSpans: SpanOfTrace[] = []
  #waitingApplications: Omit<ApplicationLog, 'id'>[] = []
  #waitingPlaintext: SeenPlaintext[] = []
  #waitingChanges: Omit<ConfigurationChange, 'id'>[] = []
  #waitingCalls: SeenCall[] = []
  #waitingRefusals: SeenRefusal[] = []
  #refusalsLost = 0
  #logsTaken = 0
  #spansTaken = 0
  #applicationLogsTaken = 0
  #proxies = { answering: 0, silent: 0 }

  constructor(options: TelemetryOptions) {
    this.#options = options
    const { folder, limitBytes, seriesLimit, now } = options
    if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 })
    const ledger = (name: keyof typeof SHARES) => ({
      file: folder === undefined ? ':memory:' : join(folder, `${name}.sqlite`),
      limitBytes: limitBytes * SHARES[name],
      onProblem: (problem: string) => this.#losses.problem(`file ${name}`, problem, now()),
    })
    this.#measurements = new MeasurementStore({ ...ledger('measurements'), seriesLimit })
    this.#logs = new LogStore(ledger('logs'))
    this.#spans = new SpanStore(ledger('spans'))
    this.#applications = new ApplicationLogStore(ledger('applications'))
    this.#evidence = new EvidenceStore(ledger('evidence'))
    this.#calls = new CallStore(ledger('calls'))
    this.#refusals = new RefusalStore(ledger('refusals'))
    this.#flushedAt = now()
    this.#exporter =
      options.export &&
      new Exporter({
        ...ledger('measurements'),
        ...options.export,
        ...{ losses: this.#losses, now, limitBytes: limitBytes * EXPORT_SHARE },
        file: folder === undefined ? ':memory:' : join(folder, 'export.sqlite'),
      })
  }

  /** All pods there are. */
  setPods(pods: readonly PodAddresses[]): void {
    this.#addresses.set(pods)
  }

  /** How many proxies answered when they were asked for metrics, and how many did not. */
  setProxies(answering: number, silent: number): void {
    this.#proxies = { answering, silent }
  }

  /** Adds what was counted since the last time. */
  measured(counted: ReadonlyMap<string, Measurement>): void {
    for (const [key, measurement] of counted) {
      const sum = this.#counted.get(key)
      if (sum) add(sum, measurement)
      else if (this.#counted.size < MOST_WAITING) this.#counted.set(key, measurement)
      else this.#losses.add('queue full')
    }
  }

  /** Lines or messages that could not be read. */
  malformed(count: number): void {
    if (count > 0) this.#losses.add('malformed', count)
  }

  /** Messages that were let go before they came here. */
  overrun(count: number): void {
    this.#losses.add('queue full', count)
  }

  /** Takes an ExportMetricsServiceRequest: of an application only to tell it that its metrics are not kept, as they would count as its proxy's. */
  takeMetrics(bytes: Uint8Array, format: OtlpFormat, sender?: Sender): Taking {
    return this.#read(() => {
      const { counted, leftOut } = otlpMeasurements(bytes, format, this.#losses)
      if (!sender) this.measured(counted)
      else if (counted.size > 0) this.#losses.add('other metric', counted.size)
      return leftOut + (sender ? counted.size : 0)
    }, sender)
  }

  /** Takes what an agent counted of the proxies of its node. */
  takeMeasured(bytes: Uint8Array): Taking {
    return this.#read(() => {
      this.measured(decodedMeasurements(bytes))
      return 0
    })
  }

  /** Takes an ExportTraceServiceRequest. @param sender absent where a proxy sends */
  takeSpans(bytes: Uint8Array, format: OtlpFormat, sender?: Sender): Taking {
    return this.#read(() => {
      const about = { sender, addresses: this.#addresses, now: this.#options.now(), losses: this.#losses }
      const spans = otlpSpans(bytes, format, about)
      this.#spansTaken += spans.length
      this.#wait(this.#waitingSpans, spans)
      return 0
    }, sender)
  }

  /** Takes an ExportLogsServiceRequest of an application. */
  takeLogs(bytes: Uint8Array, format: OtlpFormat, sender: Sender): Taking {
    return this.#read(() => {
      const about = { sender, addresses: this.#addresses, now: this.#options.now(), losses: this.#losses }
      const logs = otlpLogs(bytes, format, about)
      this.#applicationLogsTaken += logs.length
      this.#wait(this.#waitingApplications, logs)
      return 0
    }, sender)
  }

  /**
   * Takes a StreamAccessLogsMessage.
   * @param pod whose proxy sends it: `NAMESPACE/NAME`
   * @param logName as the first message of its stream has it
   */
  takeAccessLogs(bytes: Uint8Array, pod: string, logName: string): Taking {
    return this.#read(() => {
      const { now, logsOneOf } = this.#options
      const { entries, plaintext, calls, refusals } = accessLogs(bytes, pod, logName, {
        addresses: this.#addresses,
        oneOf: logsOneOf,
        now: now(),
        losses: this.#losses,
      })
      this.#logsTaken += entries.length
      this.#wait(this.#waitingLogs, entries)
      this.#wait(this.#waitingPlaintext, plaintext)
      this.#wait(this.#waitingCalls, calls)
      this.#refusalsLost += this.#wait(this.#waitingRefusals, refusals)
      return 0
    })
  }

  /** Notes that configuration changed. */
  changed(changes: readonly Omit<ConfigurationChange, 'id'>[]): void {
    this.#wait(this.#waitingChanges, changes)
  }

  /** Writes what has come in since the last time. What cannot be written is lost, and counted: there may be no room for it soon. */
  flush(): void {
    const at = this.#options.now()
    const [counted, logs, spans] = [this.#counted, this.#waitingLogs, this.#waitingSpans]
    const applications = this.#waitingApplications
    const [plaintext, changes, calls] = [this.#waitingPlaintext, this.#waitingChanges, this.#waitingCalls]
    const [refusals, refusalsLost] = [this.#waitingRefusals, this.#refusalsLost]
    this.#counted = new Map()
    this.#waitingLogs = []
    this.#waitingSpans = []
    this.#waitingApplications = []
    this.#waitingPlaintext = []
    this.#waitingChanges = []
    this.#waitingCalls = []
    this.#waitingRefusals = []
    this.#refusalsLost = 0
    if (counted.size > 0) this.#write('measurements', counted.size, () => this.#measurements.keep(at, counted))
    if (counted.size > 0) this.#options.onEvent({ measured: at })
    if (logs.length > 0)
      this.#write('logs', logs.length, () => {
        this.#options.onEvent({ logs: this.#logs.keep(logs).slice(-MOST_TOLD) })
      })
    if (spans.length > 0) this.#write('spans', spans.length, () => this.#spans.keep(spans))
    if (applications.length > 0)
      this.#write('applications', applications.length, () => this.#applications.keep(applications))
    if (calls.length > 0) this.#write('calls', calls.length, () => this.#calls.keep(calls))
    if (refusals.length > 0 && !this.#write('refusals', refusals.length, () => this.#refusals.keep(refusals)))
      this.#refusalsLost += refusals.length
    if (refusalsLost > 0) this.#write('refusals', 0, () => this.#refusals.notKept(refusalsLost, at))
    if (plaintext.length > 0) this.#write('evidence', plaintext.length, () => this.#evidence.keepPlaintext(plaintext))
    if (changes.length > 0)
      this.#write('evidence', changes.length, () => {
        this.#options.onEvent({ changes: this.#evidence.keepChanges(changes) })
      })
    const exporter = this.#exporter
    if (!exporter) return
    const came = { counted, spans, logs, applications, plaintext, changes }
    for (const { signal, things, message } of batches({ from: this.#flushedAt, to: at, ...came }))
      this.#write('export', things, () => exporter.add(signal, things, message()))
    this.#flushedAt = at
  }

  /** Sums up what has grown old, and has the oldest go where there is too much. To be called every minute or so. */
  grow(): void {
    const now = this.#options.now()
    this.#write('measurements', 0, () => {
      this.#measurements.grow(now)
      this.#measurements.forgetSeries()
    })
    this.#write('logs', 0, () => this.#logs.trim())
    this.#write('spans', 0, () => this.#spans.trim())
    this.#write('applications', 0, () => this.#applications.trim())
    this.#write('evidence', 0, () => this.#evidence.grow(now))
    this.#write('calls', 0, () => this.#calls.grow(now))
    this.#write('refusals', 0, () => this.#refusals.grow(now))
  }

  get since(): number | undefined {
    return this.#measurements.oldest
  }

  async signals(question: SignalsQuestion) {
    const { by } = question
    if (by === 'route') return signalsByRoute((logs) => this.#logs.find(logs), question)
    return signalsOf(this, { ...question, by })
  }

  async graph(question: GraphQuestion) {
    return graphOf(this, question)
  }

  async outcomes(question: OutcomesQuestion) {
    return outcomesOf(this, (logs) => this.#logs.find(logs), question)
  }

  async plaintext(question: PlaintextQuestion) {
    return this.#evidence.plaintext(question)
  }

  async refusals(question: TimeSpan) {
    return this.#refusals.find(question)
  }

  async logs(question: LogsQuestion) {
    return this.#logs.find(question)
  }

  async traces(question: TracesQuestion) {
    return this.#spans.find(question)
  }

  async trace(traceId: string) {
    return this.#spans.trace(traceId)
  }

  async applicationLogs(question: ApplicationLogsQuestion) {
    return this.#applications.find(question)
  }

  async calls(question: CallsQuestion): Promise<CallsAnswer> {
    const { from, to } = question
    const calls = this.#calls.find(question)
    return { from, to, calls, since: this.#calls.since, oneOf: this.#options.logsOneOf, folded: this.#calls.folded() }
  }

  async changes(question: ChangesQuestion) {
    return this.#evidence.changes(question)
  }

  async intake(): Promise<IntakeStatus> {
    const stores = this.#stores
    return {
      backend: 'embedded',
      storeBytes: stores.reduce((sum, { bytes }) => sum + bytes, 0),
      storeLimitBytes: stores.reduce((sum, { limitBytes }) => sum + limitBytes, 0),
      series: this.#measurements.series,
      seriesLimit: this.#measurements.seriesLimit,
      folded: this.#measurements.folded,
      proxies: this.#proxies.answering,
      silentProxies: this.#proxies.silent,
      logs: this.#logsTaken,
      spans: this.#spansTaken,
      applicationLogs: this.#applicationLogsTaken,
      lost: this.#losses.counts,
      ...(this.#exporter ? { export: this.#exporter.status } : {}),
      oldest: this.#measurements.oldest ?? null,
      problems: this.#losses.problems(this.#options.now()),
    }
  }

  async read(span: TimeSpan, wanted: Parameters<Measurements['read']>[1], step?: number): Promise<readonly Measured[]> {
    return this.#measurements.read(span, wanted, step)
  }

  /** What it knows by itself, for another server of the mesh that puts all together. */
  async measuredHere({ from, to, step }: MeasuredQuestion): Promise<SentMeasured> {
    return sentMeasured(await this.read({ from, to }, () => true, step), this.since)
  }

  async evidence(limit: number): Promise<HandedOver> {
    this.flush()
    return {
      plaintext: this.#evidence.latest(limit),
      refusals: this.#refusals.latest(limit),
      calls: this.#calls.latest(limit),
      unrecorded: this.#refusals.unrecorded,
    }
  }

  async takeOver({ plaintext, refusals, calls, unrecorded }: HandedOver): Promise<void> {
    this.#evidence.add(plaintext)
    this.#calls.add(calls)
    this.#refusals.add(refusals, unrecorded)
  }

  async handedOver({ plaintext, refusals, calls, unrecorded }: HandedOver): Promise<void> {
    this.#evidence.forget(plaintext)
    this.#calls.forget(calls)
    this.#refusals.forget(refusals, unrecorded)
  }

  async spansOf(traceIds: readonly string[]): Promise<readonly Trace[]> {
    return traceIds.flatMap((id) => this.#spans.trace(id) ?? [])
  }

  stepFor({ from }: TimeSpan, step: number): number {
    return keptStep(this.#options.now() - from, step)
  }

  /** Resolves when what was on its way elsewhere is there, or waits on disk. */
  async close(): Promise<void> {
    this.flush()
    await this.#exporter?.close()
    for (const store of this.#stores) store.close()
  }

  get #stores() {
    return [
      this.#measurements,
      this.#logs,
      this.#spans,
      this.#applications,
      this.#evidence,
      this.#calls,
      this.#refusals,
    ]
  }

  /** @returns how many there is no room for */
  #wait<T>(waiting: T[], more: readonly T[]): number {
    const room = Math.max(0, MOST_WAITING - waiting.length)
    waiting.push(...more.slice(0, room))
    if (more.length > room) this.#losses.add('queue full', more.length - room)
    return Math.max(0, more.length - room)
  }

  /** @param read returns how many things it left out */
  #read(read: () => number, sender?: Sender): Taking {
    if (sender && !this.#options.strangers && !this.#addresses.at(sender.address)) {
      this.#losses.add('stranger')
      return { outcome: 'stranger' }
    }
    try {
      return { outcome: 'taken', leftOut: read() }
    } catch {
      this.#losses.add('malformed')
      return { outcome: 'malformed' }
    }
  }

  /** @returns whether it is written */
  #write(store: keyof typeof SHARES | 'export', count: number, write: () => void): boolean {
    try {
      write()
      this.#losses.solved(store)
      return true
    } catch (error) {
      const { message, errcode } = error as Error & { errcode?: number }
      const isFull = errcode === SQLITE_FULL
      if (count > 0) this.#losses.add(isFull ? 'disk full' : 'write failed', count)
      const room = isFull ? 'there is no room for it on the disk, or within its limit' : message
      this.#losses.problem(store, `${store} cannot be written: ${room}`, this.#options.now())
      return false
    }
  }
}

const SQLITE_FULL = 13
