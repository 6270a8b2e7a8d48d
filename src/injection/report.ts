import { fieldText, type Message, type Severity } from '../resources/message.ts'
import type { FieldPath, Position } from '../resources/resource.ts'

/** The rules of injection's own, with what each means: for the reference of messages. */
export const INJECTION_RULES = {
  'application-runs-as-proxy':
    "A container runs as the proxy's user (1337): the kernel takes its calls for the proxy's, and they go past the mesh.",
  'bad-injection-annotation': 'An annotation about a proxy cannot be understood: the pod is refused.',
  'injection-annotation-ignored': 'An annotation or label about a proxy does nothing here.',
} as const

/** Something to tell about a pod's wishes. */
export interface Told {
  /** `port-of-proxy` is a rule of `weft analyze`, too. */
  readonly rule: keyof typeof INJECTION_RULES | 'port-of-proxy'
  readonly severity: Severity
  /** In the pod or template. */
  readonly path: FieldPath
  readonly problem: string
  readonly remedy: string
}

export type Report = (told: Told) => void

export function annotationPath(name: string): FieldPath {
  return ['metadata', 'annotations', name]
}

/** @param object such as `Pod shop/web` */
export function injectionMessage(
  { path, ...told }: Told,
  object: string,
  locate: ((path: FieldPath) => Position) | undefined,
): Message {
  return { object, field: fieldText(path), ...(locate ? { position: locate(path) } : {}), ...told }
}
