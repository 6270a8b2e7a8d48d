import type { SentMeasured } from '../measurements/measured-wire.ts'
import type { ApplicationLogsAnswer, ApplicationLogsQuestion } from './application-logs.ts'
import type { CallsAnswer, CallsQuestion } from './calls.ts'
import type { ChangesQuestion, ConfigurationChange } from './changes.ts'
import type { GraphAnswer, GraphQuestion } from './graph.ts'
import type { IntakeStatus } from './intake.ts'
import type { LogEntry, LogsAnswer, LogsQuestion } from './logs.ts'
import type { OutcomesAnswer, OutcomesQuestion } from './outcomes.ts'
import type { PlaintextEvidence, PlaintextQuestion } from './plaintext.ts'
import type { RefusalsAnswer } from './refusals.ts'
import type { SignalsAnswer, SignalsQuestion } from './signals.ts'
import type { TimeSpan } from './span-of-time.ts'
import type { Trace, TraceSummary, TracesQuestion } from './traces.ts'

/** What telemetry can be asked, whoever keeps it. */
export interface Questions {
  signals(question: SignalsQuestion): Promise<SignalsAnswer>
  graph(question: GraphQuestion): Promise<GraphAnswer>
  outcomes(question: OutcomesQuestion): Promise<OutcomesAnswer>
  /** The latest first. */
  plaintext(question: PlaintextQuestion): Promise<readonly PlaintextEvidence[]>
  refusals(question: TimeSpan): Promise<RefusalsAnswer>
  logs(question: LogsQuestion): Promise<LogsAnswer>
  /** The newest first. */
  traces(question: TracesQuestion): Promise<readonly TraceSummary[]>
  /** Undefined where nothing is kept of it. */
  trace(traceId: string): Promise<Trace | undefined>
  applicationLogs(question: ApplicationLogsQuestion): Promise<ApplicationLogsAnswer>
  calls(question: CallsQuestion): Promise<CallsAnswer>
  /** The newest first. */
  changes(question: ChangesQuestion): Promise<readonly ConfigurationChange[]>
  intake(): Promise<IntakeStatus>
  /** Servers that did not answer what this was asked: what they know is missing in the answers. */
  readonly missing?: readonly string[]
  /** Calls `listener` with what comes in from now on. Returns the call that ends it. */
  follow(listener: (event: TelemetryEvent) => void): () => void
}

/** What was counted in a time. */
export interface MeasuredQuestion extends TimeSpan {
  /** Length of points in ms; none if absent. */
  readonly step?: number | undefined
}

/** What one server of several can be asked by the others, besides: what is put together from the parts of all. */
export interface OwnQuestions extends Questions {
  measuredHere(question: MeasuredQuestion): Promise<SentMeasured>
  spansOf(traceIds: readonly string[]): Promise<readonly Trace[]>
}

/** What is told live: a part in each event. */
export type TelemetryEvent =
  /** Measurements up to this time are there to be asked about: whoever shows signals or the graph asks again. */
  | { readonly measured: number }
  /** Access logs that came in, the oldest first; at most 200 in one event, the newest of a burst. */
  | { readonly logs: readonly LogEntry[] }
  | { readonly changes: readonly ConfigurationChange[] }
