import type { ApplicationLogsAnswer, ApplicationLogsQuestion } from './application-logs.ts'
import type { CallsAnswer, CallsQuestion } from './calls.ts'
import type { ChangesQuestion, ConfigurationChange } from './changes.ts'
import type { GraphAnswer, GraphQuestion } from './graph.ts'
import type { IntakeStatus } from './intake.ts'
import type { LogEntry, LogsAnswer, LogsQuestion } from './logs.ts'
import type { OutcomesAnswer, OutcomesQuestion } from './outcomes.ts'
import type { PlaintextEvidence, PlaintextQuestion } from './plaintext.ts'
import type { SignalsAnswer, SignalsQuestion } from './signals.ts'
import type { Trace, TraceSummary, TracesQuestion } from './traces.ts'

/** What telemetry can be asked, whoever keeps it. */
export interface Questions {
  signals(question: SignalsQuestion): Promise<SignalsAnswer>
  graph(question: GraphQuestion): Promise<GraphAnswer>
  outcomes(question: OutcomesQuestion): Promise<OutcomesAnswer>
  /** The latest first. */
  plaintext(question: PlaintextQuestion): Promise<readonly PlaintextEvidence[]>
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
  /** Calls `listener` with what comes in from now on. Returns the call that ends it. */
  follow(listener: (event: TelemetryEvent) => void): () => void
}

/** What is told live: a part in each event. */
export type TelemetryEvent =
  /** Measurements up to this time are there to be asked about: whoever shows signals or the graph asks again. */
  | { readonly measured: number }
  /** Access logs that came in, the oldest first; at most 200 in one event, the newest of a burst. */
  | { readonly logs: readonly LogEntry[] }
  | { readonly changes: readonly ConfigurationChange[] }
