import type { FastifyInstance } from 'fastify'
import { type ValidationOptions, type Verdict, validate } from '../controllers/validation.ts'
import type { Log } from '../identity/log.ts'
import type { Store } from '../store/store.ts'

export interface ValidationWebhook extends Pick<ValidationOptions, 'budgetMs' | 'patienceMs'> {
  /** Knows all of the cluster already. */
  readonly store: Store
  readonly log: Log
}

/** What an API server asks (admission.k8s.io/v1 AdmissionReview), as far as it matters here. */
interface Review {
  readonly apiVersion?: unknown
  readonly request?: {
    readonly uid?: unknown
    readonly operation?: string
    readonly subResource?: string
    readonly namespace?: string
    readonly object?: unknown
    readonly oldObject?: unknown
    readonly dryRun?: boolean
  }
}

interface Answer {
  readonly allowed: boolean
  readonly warnings?: readonly string[]
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string }
}

/** API servers cut a warning that is longer, and leave out what is more together. */
const WARNING_LENGTH = 256
const MOST_WARNINGS = 15
/** More than a person at a terminal reads. */
const MOST_ERRORS = 20

/**
 * Serves `POST /validate` to API servers: configuration that would be wrong is refused, in the words of `weft analyze`. What goes wrong in
 * here refuses nothing: it comes back as a warning.
 */
export function validationWebhook(app: FastifyInstance, webhook: ValidationWebhook): void {
  app.post('/validate', async (request, reply) => {
    const review = request.body as Review | null
    const uid = review?.request?.uid
    if (typeof uid !== 'string' || typeof review?.apiVersion !== 'string')
      return reply.code(400).send({ error: 'this is no AdmissionReview of admission.k8s.io/v1' })
    const response = { uid, ...(await answer(review, webhook)) }
    return { apiVersion: review.apiVersion, kind: 'AdmissionReview', response }
  })
}

async function answer(
  { request = {} }: Review,
  { store, log, budgetMs, patienceMs }: ValidationWebhook,
): Promise<Answer> {
  const { operation, subResource, object, oldObject, namespace, dryRun } = request
  if ((operation !== 'CREATE' && operation !== 'UPDATE') || subResource || !object) return { allowed: true }
  // Whoever only takes its finalizers away must be let.
  if (isGoing(object)) return { allowed: true }
  try {
    const change = {
      object,
      ...(operation === 'UPDATE' && oldObject ? { oldObject } : {}),
      ...(namespace ? { namespace } : {}),
      dryRun: dryRun === true,
    }
    return told(
      await validate(change, {
        snapshot: () => store.snapshot,
        changed: (signal) => nextChange(store, signal),
        ...(budgetMs === undefined ? {} : { budgetMs }),
        ...(patienceMs === undefined ? {} : { patienceMs }),
      }),
    )
  } catch (error) {
    log('error', `could not check an object: ${error instanceof Error ? error.stack : String(error)}`)
    return { allowed: true, warnings: ['Weft could not check this object: see the log of weft-server'] }
  }
}

function told({ errors, warnings }: Verdict): Answer {
  const cut = warnings.map((text) => (text.length > WARNING_LENGTH ? `${text.slice(0, WARNING_LENGTH - 1)}…` : text))
  const more = cut.length > MOST_WARNINGS ? [`and ${cut.length - MOST_WARNINGS} more: see weft analyze`] : []
  const said = cut.length > 0 ? { warnings: [...cut.slice(0, MOST_WARNINGS), ...more] } : {}
  if (errors.length === 0) return { allowed: true, ...said }
  const message = errors.slice(0, MOST_ERRORS).join('\n')
  return { allowed: false, ...said, status: { code: 422, reason: 'Invalid', message } }
}

function isGoing(object: unknown): boolean {
  const { metadata } = object as { readonly metadata?: { readonly deletionTimestamp?: unknown } }
  return metadata?.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null
}

function nextChange(store: Store, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      end()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const end = store.subscribe(done)
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}
