import { graphOf } from '../answers/graph.ts'
import { outcomesOf } from '../answers/outcomes.ts'
import { signalsOf } from '../answers/signals.ts'
import type { Questions } from '../questions/questions.ts'
import { PrometheusMeasurements } from './prometheus-measurements.ts'

/** The same questions, of which those about numbers go to a Prometheus, and the others to whoever keeps logs, traces and evidence. */
export function withPrometheus(url: string, others: Questions): Questions {
  const measurements = new PrometheusMeasurements(url)
  return {
    signals: (question) => {
      const { by } = question
      // Of routes only logs tell.
      return by === 'route' ? others.signals(question) : signalsOf(measurements, { ...question, by })
    },
    outcomes: (question) => outcomesOf(measurements, (logs) => others.logs(logs), question),
    graph: (question) => graphOf(measurements, question),
    plaintext: (question) => others.plaintext(question),
    refusals: (question) => others.refusals(question),
    logs: (question) => others.logs(question),
    traces: (question) => others.traces(question),
    trace: (id) => others.trace(id),
    applicationLogs: (question) => others.applicationLogs(question),
    calls: (question) => others.calls(question),
    changes: (question) => others.changes(question),
    get missing() {
      return others.missing ?? []
    },
    intake: async () => ({ ...(await others.intake()), backend: 'prometheus' }),
    follow: (listener) => others.follow(listener),
  }
}
