import { graphOf } from '../answers/graph.ts'
import { outcomesOf } from '../answers/outcomes.ts'
import { signalsByRoute } from '../answers/routes.ts'
import { signalsOf } from '../answers/signals.ts'
import type { Measurements } from '../measurements/measured.ts'
import type { LogsQuestion } from '../questions/logs.ts'
import type { OwnQuestions, Questions } from '../questions/questions.ts'
import type { Trace, TracesQuestion } from '../questions/traces.ts'
import { keptStep } from '../store/measurement-store.ts'
import { summaryOf } from '../store/span-store.ts'
import {
  earliest,
  mergedCalls,
  mergedEntries,
  mergedIntake,
  mergedMeasured,
  mergedPlaintext,
  mergedRefusals,
  mergedTraces,
} from './merged.ts'

/** What one server may ask another. Changes of configuration each of them sees by itself. */
export const SHARED = [
  'measuredHere',
  'logs',
  'applicationLogs',
  'plaintext',
  'refusals',
  'calls',
  'traces',
  'spansOf',
  'intake',
] as const
export type SharedMethod = (typeof SHARED)[number]

/** Asks another server. Rejects where it does not answer. */
export type AskReplica = (method: SharedMethod, question: unknown) => Promise<unknown>

/** As in the stores. */
const USUAL = { logs: 100, traces: 50 } as const
const MOST_LOGS_OF_ROUTES = 10_000
/** Of how many traces spans are asked for at once: their ids are in a path. */
const TRACES_AT_ONCE = 100

/**
 * Questions to all servers of an installation, each of which knows the proxies of its own nodes. Make one for each request: `missing` is about what this one was asked.
 * @param others by the names of their pods
 * @param now ms since the epoch
 */
export function questionsOfReplicas(
  own: OwnQuestions,
  others: ReadonlyMap<string, AskReplica>,
  now: () => number = Date.now,
): Questions {
  const missing = new Set<string>()
  const all = async <M extends SharedMethod>(method: M, question: Parameters<OwnQuestions[M]>[0]) => {
    type Answer = Awaited<ReturnType<OwnQuestions[M]>>
    const mine = (own[method] as (question: unknown) => Promise<Answer>).call(own, question)
    const theirs = Array.from(others, ([name, ask]) =>
      ask(method, question).then(
        (answer) => [answer as Answer],
        () => {
          missing.add(name)
          return []
        },
      ),
    )
    return [await mine, ...(await Promise.all(theirs)).flat()] as readonly Answer[]
  }
  const logs = async (question: LogsQuestion) => ({
    ...{ from: question.from, to: question.to },
    ...mergedEntries(await all('logs', question), question.limit ?? USUAL.logs),
  })
  const traces = async (ids: readonly string[]): Promise<readonly Trace[]> => {
    const parts: Trace[] = []
    for (let i = 0; i < ids.length; i += TRACES_AT_ONCE)
      parts.push(...(await all('spansOf', ids.slice(i, i + TRACES_AT_ONCE))).flat())
    return mergedTraces(parts)
  }
  return {
    get missing() {
      return [...missing]
    },
    async signals(question) {
      const { by } = question
      if (by !== 'route') return signalsOf(await measurements(all, now), { ...question, by })
      const answer = await logs({ ...ofCalls(question), limit: MOST_LOGS_OF_ROUTES })
      return signalsByRoute(() => answer, question)
    },
    graph: async (question) => graphOf(await measurements(all, now), question),
    outcomes: async (question) => outcomesOf(await measurements(all, now), logs, question),
    plaintext: async (question) => mergedPlaintext((await all('plaintext', question)).flat()),
    refusals: async (question) => ({ ...question, ...mergedRefusals(await all('refusals', question)) }),
    logs,
    async traces(question) {
      // How long one took is known only when all of its spans are there.
      const { minDuration, limit = USUAL.traces, ...rest } = question
      const wide: TracesQuestion = { ...rest, limit: minDuration === undefined ? limit : limit * 10 }
      const found = (await all('traces', wide)).flat().sort((a, b) => b.at - a.at)
      const whole = await traces([...new Set(found.map(({ traceId }) => traceId))].slice(0, wide.limit))
      return whole
        .map(summaryOf)
        .filter(({ duration }) => minDuration === undefined || duration >= minDuration)
        .sort((a, b) => b.at - a.at)
        .slice(0, limit)
    },
    trace: async (id) => (await traces([id]))[0],
    applicationLogs: async (question) => ({
      ...{ from: question.from, to: question.to },
      ...mergedEntries(await all('applicationLogs', question), question.limit ?? USUAL.logs),
    }),
    async calls(question) {
      const answers = await all('calls', question)
      const { from, to } = question
      return { from, to, oneOf: answers[0]?.oneOf ?? 1, ...mergedCalls(answers) }
    },
    changes: (question) => own.changes(question),
    async intake() {
      const [mine, ...theirs] = await all('intake', undefined)
      return mergedIntake(mine ?? (await own.intake()), theirs, [...missing])
    },
    follow: (listener) => own.follow(listener),
  }
}

type AskAll = <M extends 'measuredHere'>(
  method: M,
  question: Parameters<OwnQuestions[M]>[0],
) => Promise<readonly Awaited<ReturnType<OwnQuestions[M]>>[]>

/** Since when there are any is asked first: of a moment in which nothing was counted. */
async function measurements(all: AskAll, now: () => number): Promise<Measurements> {
  const known = await all('measuredHere', { from: 0, to: 1 })
  return {
    since: earliest(known.map(({ since }) => since)) ?? undefined,
    async read({ from, to }, wanted, step) {
      return mergedMeasured(await all('measuredHere', { from, to, step })).filter(({ labels }) => wanted(labels))
    },
    stepFor: ({ from }, step) => keptStep(now() - from, step),
  }
}

function ofCalls({ from, to, source, destination }: LogsQuestion): LogsQuestion {
  return { from, to, ...(source ? { source } : {}), ...(destination ? { destination } : {}) }
}
