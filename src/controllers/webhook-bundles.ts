import { setTimeout as after } from 'node:timers/promises'
import { INJECTOR_WEBHOOK, VALIDATOR_WEBHOOK } from '../resources/cluster-names.ts'
import { ApiError, type ApiServer } from '../sources/kubernetes/api-server.ts'
import { BackOff } from '../sources/kubernetes/back-off.ts'
import { patchObject, readLive } from '../sources/kubernetes/write.ts'

export interface WebhookBundlesOptions {
  readonly server: ApiServer
  /** Where Weft is installed: webhooks that name a Service elsewhere are another installation's. */
  readonly namespace: string
  /** All roots that the webhooks' certificates may end in, PEM. */
  readonly roots: () => string
  readonly log: (severity: 'info' | 'warning' | 'error', text: string) => void
  /** How often to look, in ms. */
  readonly lookEveryMs?: number
}

/** Our own configurations are two objects that change when somebody installs: asked for, they need no right to list those of others. */
const LOOK_EVERY_MS = 15_000

const CONFIGURATIONS = [
  ['MutatingWebhookConfiguration', INJECTOR_WEBHOOK],
  ['ValidatingWebhookConfiguration', VALIDATOR_WEBHOOK],
] as const

interface Webhook {
  readonly name: string
  readonly clientConfig: { readonly caBundle?: string; readonly service?: { readonly namespace: string } }
}

/** Keeps the `caBundle` of our webhooks what the certificates of the servers end in, until `signal` says that this replica leads no more. */
export async function keepWebhookBundles(options: WebhookBundlesOptions, signal: AbortSignal): Promise<void> {
  const { log, lookEveryMs = LOOK_EVERY_MS } = options
  const backOff = new BackOff()
  let told: string | undefined
  while (!signal.aborted) {
    let wait = lookEveryMs
    try {
      for (const [kind, name] of CONFIGURATIONS) await keepOne(kind, name, options, signal)
      if (told !== undefined) log('info', 'keeps the caBundle of the webhooks again')
      told = undefined
      backOff.reset()
    } catch (error) {
      if (signal.aborted) return
      const { status, message, retryAfterMs } = error instanceof ApiError ? error : new ApiError(500, String(error))
      wait = Math.min(lookEveryMs, backOff.next(retryAfterMs))
      // 409: somebody else has just written it; 404: it has just been deleted.
      if (status !== 409 && status !== 404) {
        if (told !== message) log('error', `cannot keep the caBundle of the webhooks: ${message}`)
        told = message
      }
    }
    await after(wait, undefined, { signal, ref: false }).catch(() => {})
  }
}

async function keepOne(
  kind: string,
  name: string,
  { server, namespace, roots, log }: WebhookBundlesOptions,
  signal: AbortSignal,
): Promise<void> {
  const ref = { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name } }
  const live = await readLive(server, ref, signal)
  if (!live) return
  const caBundle = Buffer.from(roots()).toString('base64')
  const webhooks = (live['webhooks'] ?? []) as readonly Webhook[]
  const next = webhooks.map((webhook) => {
    const { clientConfig } = webhook
    const isOurs = clientConfig.service?.namespace === namespace
    return isOurs && clientConfig.caBundle !== caBundle
      ? { ...webhook, clientConfig: { ...clientConfig, caBundle } }
      : webhook
  })
  if (next.every((webhook, i) => webhook === webhooks[i])) return
  const { resourceVersion } = live.metadata
  await patchObject(server, ref, { metadata: { resourceVersion }, webhooks: next }, { signal })
  log('info', `wrote the caBundle of ${kind} ${name}`)
}
