import { PROXY_CONTAINER } from '../resources/cluster-names.ts'
import type { PodTemplate } from '../resources/core.ts'
import { isCustomProxy } from './custom-proxy.ts'
import type { InjectionSettings, Texts } from './settings.ts'

/** Whether a pod gets a proxy, and if not, why: a clause such as `it uses the network of its node`. */
export type Decision = { readonly inject: true } | { readonly inject: false; readonly reason: string }

export interface NamespaceOfPod {
  readonly name: string
  /** Absent where nobody knows: then that we are asked at all means that it is to have proxies. */
  readonly labels?: Texts
}

/** Namespaces in which Kubernetes itself runs; Istio's list. */
const NEVER = new Set(['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage'])

/** Containers of other meshes, and of pods that are gateways and have what they need. */
const OTHER_PROXIES = ['istio-proxy', 'linkerd-proxy', 'kuma-sidecar', 'cilium-envoy']

/** Ours before Istio's, and labels, which webhooks can be selected by, before annotations, as Istio has it. */
const INJECT_KEYS = ['weft.dev/inject', 'sidecar.istio.io/inject']

/**
 * Decides as Istio's documentation says ("Controlling the injection policy"): what opts out wins, then the namespace's own label, its revision, the pod's
 * revision, and last the pod's wish.
 */
export function decide(pod: PodTemplate, namespace: NamespaceOfPod, settings: InjectionSettings): Decision {
  const { labels = {}, annotations = {} } = pod.metadata ?? {}
  if (pod.spec?.hostNetwork) return no('it uses the network of its node')
  if (NEVER.has(namespace.name)) return no(`namespace ${namespace.name} belongs to Kubernetes`)
  if (namespace.name === settings.systemNamespace) return no(`namespace ${namespace.name} is that of Weft itself`)
  if (pod.spec?.os?.name === 'windows' || pod.spec?.nodeSelector?.['kubernetes.io/os'] === 'windows')
    return no('it runs on Windows')
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  const other =
    containers.find((each) => OTHER_PROXIES.includes(each.name) && !isCustomProxy(each)) ??
    pod.spec?.containers.find((each) => each.name === PROXY_CONTAINER && !isCustomProxy(each))
  if (other) return no(`it has a proxy already, container ${other.name}`)

  const wish = wishOf(labels, annotations)
  if (wish?.value === false) return no(`its ${wish.key} is ${wish.text}`)
  if (!namespace.labels) return { inject: true }
  const asked = revisionAsked(namespace, labels, wish?.value)
  if ('reason' in asked) return no(asked.reason)
  if (settings.revisions.includes(asked.revision)) return { inject: true }
  return no(`${asked.by} asks for revision ${asked.revision}, and this is ${settings.revisions.join(', ')}`)
}

type Asked = { readonly revision: string; readonly by: string } | { readonly reason: string }

function revisionAsked(namespace: NamespaceOfPod, podLabels: Texts, wish: boolean | undefined): Asked {
  const labels = namespace.labels ?? {}
  const here = `namespace ${namespace.name}`
  for (const key of ['weft.dev/inject', 'istio-injection']) {
    const value = labels[key]
    if (value === 'disabled' || value === 'false') return { reason: `label ${key} of ${here} is ${value}` }
    if (value === 'enabled' || value === 'true') return { revision: 'default', by: here }
  }
  if (labels['istio.io/rev']) return { revision: labels['istio.io/rev'], by: here }
  if (podLabels['istio.io/rev']) return { revision: podLabels['istio.io/rev'], by: 'it' }
  if (wish) return { revision: 'default', by: 'it' }
  return { reason: `neither it nor ${here} asks for a proxy` }
}

interface Wish {
  readonly key: string
  readonly text: string
  /** Undefined where the text means nothing: then it is as if nothing were written. */
  readonly value: boolean | undefined
}

const MEANING: Readonly<Record<string, boolean>> = {
  true: true,
  y: true,
  yes: true,
  on: true,
  false: false,
  n: false,
  no: false,
  off: false,
}

/** What a pod itself says about getting a proxy. */
export function wishOf(labels: Texts, annotations: Texts): Wish | undefined {
  for (const key of INJECT_KEYS) {
    const text = labels[key] ?? annotations[key]
    if (text) return { key, text, value: MEANING[text.toLowerCase()] }
  }
  return undefined
}

function no(reason: string): Decision {
  return { inject: false, reason }
}
