import { workloadName } from '../mesh/pod-owner.ts'
import type { ProxyConfigs } from '../mesh/proxy-configs.ts'
import type { PodTemplate } from '../resources/core.ts'
import type { Message } from '../resources/message.ts'
import { inject } from './inject.ts'
import { difference, jsonPatch } from './json-patch.ts'
import type { InjectionSettings, Texts } from './settings.ts'
import { workloadOf } from './workload.ts'

/** What an API server asks (admission.k8s.io/v1 AdmissionReview), as far as it matters here. */
interface Review {
  readonly apiVersion: string
  readonly kind: string
  readonly request: {
    readonly uid: string
    readonly operation?: string
    readonly namespace?: string
    readonly object?: unknown
  }
}

/** What an API server is answered. */
export interface ReviewAnswer {
  readonly apiVersion: string
  readonly kind: 'AdmissionReview'
  readonly response: {
    readonly uid: string
    readonly allowed: boolean
    readonly patchType?: 'JSONPatch'
    /** A JSON patch, as Base64. */
    readonly patch?: string
    readonly warnings?: readonly string[]
    readonly status?: { readonly code: number; readonly reason: string; readonly message: string }
  }
}

export interface AdmissionLookups {
  /** Undefined where there is no such namespace, as far as anybody knows. */
  readonly namespaceLabels: (name: string) => Promise<Texts | undefined> | Texts | undefined
  /** What ProxyConfigs say of the proxy of a pod with these labels. */
  readonly proxyConfigs?: (namespace: string, labels: Texts) => ProxyConfigs
}

/** API servers cut warnings that are longer. */
const WARNING_LENGTH = 256

/**
 * Answers whether a pod may be made, and with which proxy. Only what people wrote is refused; everything that is no new pod is let through as it is.
 * @throws TypeError for what is no AdmissionReview
 */
export async function admit(
  body: unknown,
  settings: InjectionSettings,
  lookups: AdmissionLookups,
): Promise<ReviewAnswer> {
  const { apiVersion, request } = reviewOf(body)
  const answer = (response: Omit<ReviewAnswer['response'], 'uid'>): ReviewAnswer => ({
    apiVersion,
    kind: 'AdmissionReview',
    response: { uid: request.uid, ...response },
  })
  const written = workloadOf(request.object)
  if (request.operation !== 'CREATE' || written?.kind !== 'Pod') return answer({ allowed: true })
  const namespace = request.namespace ?? written.namespace ?? 'default'
  const labels = await lookups.namespaceLabels(namespace)
  const workload = workloadName(written.template)
  const pod: PodTemplate = written.template
  const proxyConfigs = lookups.proxyConfigs?.(namespace, pod.metadata?.labels ?? {})
  const injection = inject(
    {
      pod,
      namespace: { name: namespace, ...(labels ? { labels } : {}) },
      workload,
      ...(proxyConfigs ? { proxyConfigs } : {}),
      object: `Pod ${namespace}/${written.name || `${workload}-*`}`,
    },
    settings,
  )
  if (injection.outcome === 'left alone') return answer({ allowed: true })
  const warnings = injection.messages.filter(({ severity }) => severity !== 'error').map(told)
  const said = warnings.length > 0 ? { warnings: warnings.map((text) => text.slice(0, WARNING_LENGTH)) } : {}
  if (injection.outcome === 'refused') {
    const message = injection.messages
      .filter(({ severity }) => severity === 'error')
      .map(told)
      .join('\n')
    return answer({ allowed: false, status: { code: 400, reason: 'BadRequest', message: `weft: ${message}` }, ...said })
  }
  const patch = jsonPatch(difference(pod, injection.pod))
  if (patch.length === 0) return answer({ allowed: true, ...said })
  const encoded = Buffer.from(JSON.stringify(patch)).toString('base64')
  return answer({ allowed: true, patchType: 'JSONPatch', patch: encoded, ...said })
}

/** Without what the reader of an API server's answer knows: which object it is about. */
function told({ field, problem, remedy }: Message): string {
  return `${field ? `${field}: ` : ''}${problem}; ${remedy}`
}

function reviewOf(body: unknown): Review {
  const { apiVersion, kind, request } = (body ?? {}) as Partial<Review>
  if (kind !== 'AdmissionReview' || apiVersion !== 'admission.k8s.io/v1' || typeof request?.uid !== 'string')
    throw new TypeError('this is no AdmissionReview of admission.k8s.io/v1 with a request')
  return { apiVersion, kind, request }
}
