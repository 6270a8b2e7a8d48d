import type { FastifyInstance } from 'fastify'
import { type Grain, type LearnedPolicy, learnPolicies } from '../management/authorization/learn.ts'
import { type JudgedCalls, type Simulation, simulate } from '../management/authorization/simulate.ts'
import { messageText } from '../resources/message.ts'
import { readObject } from '../resources/read-object.ts'
import type { Resource } from '../resources/resource.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { CallsAnswer } from '../telemetry/questions/calls.ts'
import type { Questions } from '../telemetry/questions/questions.ts'
import type { ExplainedStep } from './authorization-check.ts'
import { resourceSource } from './resource-sources.ts'

/** What evidence an answer rests on. */
export type Evidence = Omit<CallsAnswer, 'calls'>

/** What `GET /api/v1/authorization/learned` answers. */
export interface LearnedAnswer {
  readonly evidence: Evidence
  readonly grain: Grain
  readonly workloads: readonly LearnedPolicy[]
}

/** What `POST /api/v1/authorization/simulation` is asked. */
export interface SimulationQuestion {
  /** Objects as they are written, that are added or replaced. */
  readonly objects: readonly unknown[]
  /** Ms since the epoch. */
  readonly from: number
  readonly to: number
}

export interface ExplainedCalls extends Omit<JudgedCalls, 'steps'> {
  readonly steps: readonly ExplainedStep[]
}

type Judgement = 'newlyDenied' | 'newlyAllowed' | 'notObserved'
export interface SimulationAnswer
  extends Omit<Simulation, Judgement>,
    Readonly<Record<Judgement, readonly ExplainedCalls[]>> {
  readonly evidence: Evidence
}

interface View {
  readonly snapshot: () => Snapshot
  readonly telemetry?: () => Questions | undefined
}

const NO_TELEMETRY = { error: 'this server keeps no telemetry, so no calls are recorded' }

/** Adds what recorded calls say of policies. Nothing is changed by it. */
export function addAuthorizationEvidence(app: FastifyInstance, view: View): void {
  app.get<{ Querystring: { from: number; to: number; grain: Grain; namespace?: string; workload?: string } }>(
    '/api/v1/authorization/learned',
    { schema: { querystring: learnedSchema } },
    async ({ query: { from, to, grain, ...destination } }, reply): Promise<LearnedAnswer | undefined> => {
      const answer = await view.telemetry?.()?.calls({ from, to, destination })
      if (!answer) return reply.code(404).send(NO_TELEMETRY)
      const { calls, ...evidence } = answer
      return { evidence, grain, workloads: learnPolicies(view.snapshot(), calls, grain) }
    },
  )

  app.post<{ Body: SimulationQuestion }>(
    '/api/v1/authorization/simulation',
    { schema: { body: simulationSchema } },
    async ({ body: { objects, from, to } }, reply): Promise<SimulationAnswer | undefined> => {
      const read = objects.map((object) => readObject(object, undefined, {}))
      const [problem] = read.flatMap(({ resource, messages }) => (resource ? [] : messages))
      if (problem) return reply.code(422).send({ error: messageText(problem) })
      const answer = await view.telemetry?.()?.calls({ from, to })
      if (!answer) return reply.code(404).send(NO_TELEMETRY)
      const { calls, ...evidence } = answer
      const before = view.snapshot()
      const after = before.with(read.map(({ resource }) => ({ put: resource as Resource })))
      const { newlyDenied, newlyAllowed, notObserved, ...counts } = simulate(before, after, calls)
      return {
        ...counts,
        evidence,
        newlyDenied: newlyDenied.map(explained),
        newlyAllowed: newlyAllowed.map(explained),
        notObserved: notObserved.map(explained),
      }
    },
  )
}

function explained({ steps, ...rest }: JudgedCalls): ExplainedCalls {
  return {
    ...rest,
    steps: steps.map(({ object, ...step }) => ({ ...step, ...(object ? { source: resourceSource(object) } : {}) })),
  }
}

const learnedSchema = {
  type: 'object',
  required: ['from', 'to'],
  properties: {
    from: { type: 'number' },
    to: { type: 'number' },
    grain: { type: 'string', enum: ['principals', 'methods', 'paths'], default: 'paths' },
    namespace: { type: 'string' },
    workload: { type: 'string' },
  },
} as const

const simulationSchema = {
  type: 'object',
  required: ['objects', 'from', 'to'],
  properties: {
    objects: { type: 'array', items: { type: 'object' } },
    from: { type: 'number' },
    to: { type: 'number' },
  },
} as const
