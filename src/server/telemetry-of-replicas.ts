import type { FastifyInstance } from 'fastify'
import { PORTS } from '../resources/cluster-names.ts'
import type { Store } from '../store/store.ts'
import type { OwnQuestions, Questions } from '../telemetry/questions/questions.ts'
import {
  type AskReplica,
  questionsOfReplicas,
  SHARED,
  type SharedMethod,
} from '../telemetry/replicas/questions-of-replicas.ts'
import { otherReplicas } from './other-replicas.ts'
import { answerReplicas, type ReplicaCalls } from './replica-calls.ts'

/** Where a replica answers the others about telemetry of its own nodes, at the port of its webhooks. */
const TELEMETRY_PATH = '/telemetry'

export interface ReplicasParts {
  readonly store: Store
  /** Where Weft is installed. */
  readonly namespace: string
  /** Name of this pod. */
  readonly replica: string
  readonly replicas: Pick<ReplicaCalls, 'ask'>
}

/** What all replicas know together; make it anew for each request, as they come and go. */
export function telemetryOfReplicas(own: OwnQuestions, parts: ReplicasParts, signal: AbortSignal): Questions {
  const { store, namespace, replica, replicas } = parts
  const others = otherReplicas(store.snapshot, namespace, replica)
  if (others.length === 0) return own
  const asking = ([name, address]: (typeof others)[number]): readonly [string, AskReplica] => [
    name,
    (method, question) => replicas.ask(address, PORTS.serverWebhooks, pathOf(method, question), signal),
  ]
  return questionsOfReplicas(own, new Map(others.map(asking)))
}

function pathOf(method: SharedMethod, question: unknown): string {
  return `${TELEMETRY_PATH}?${new URLSearchParams({ method, question: JSON.stringify(question ?? null) })}`
}

/** Answers the others, and nobody else. @param own undefined as long as it keeps no telemetry */
export function answerAboutTelemetry(
  app: FastifyInstance,
  trustDomain: string,
  own: () => OwnQuestions | undefined,
): void {
  answerReplicas(app, TELEMETRY_PATH, trustDomain, ({ method = '', question = 'null' }) => {
    const asked = own()
    const shared = SHARED.find((name) => name === method)
    if (!asked || shared === undefined) throw new Error(`there is no telemetry here to ask for ${method}`)
    const ask = asked[shared] as (question: unknown) => Promise<unknown>
    return ask.call(asked, JSON.parse(question) ?? undefined)
  })
}
