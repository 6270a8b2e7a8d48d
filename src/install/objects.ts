import packageJson from '../../package.json' with { type: 'json' }
import type { Template } from './template.ts'
import { value } from './template.ts'

/** An object of an installation, with gaps. */
export interface ObjectTemplate {
  readonly apiVersion: string
  readonly kind: Template
  readonly metadata: { readonly [field: string]: Template }
  readonly [field: string]: Template
}

/** What is to be known of every object of an installation: whose it is, and who takes it away. */
function labels(name: string): { readonly [label: string]: Template } {
  return {
    'app.kubernetes.io/name': name,
    'app.kubernetes.io/part-of': 'weft',
    'app.kubernetes.io/version': packageJson.version,
    'app.kubernetes.io/managed-by': value('managedBy'),
  }
}

/** Metadata of an object in the namespace of the installation. `component`: what it belongs to, where that is not its name. */
export function inNamespace(name: string, component = name): { readonly [field: string]: Template } {
  return { name, namespace: value('namespace'), labels: labels(component) }
}

/** Metadata of an object that is in no namespace. */
export function ofCluster(name: string, component = name): { readonly [field: string]: Template } {
  return { name, labels: labels(component) }
}

/** By which the pods of a Deployment or DaemonSet are known: never changes. */
export function selectorLabels(name: string): { readonly [label: string]: Template } {
  return { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'weft' }
}

/** Labels of such pods. They never get a proxy. */
export function podLabels(name: string): { readonly [label: string]: Template } {
  return { ...selectorLabels(name), 'sidecar.istio.io/inject': 'false' }
}

/** What Pod Security calls `restricted`, of a container. */
export const RESTRICTED_CONTAINER = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} as const

/** An environment variable from the pod's own fields. */
export function fieldVariable(name: string, fieldPath: string): Template {
  return { name, valueFrom: { fieldRef: { fieldPath } } }
}
