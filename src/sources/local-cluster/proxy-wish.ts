import type { PodTemplate } from '../../resources/core.ts'

type Labels = Readonly<Record<string, string>>

const OF_POD = ['weft.dev/inject', 'sidecar.istio.io/inject']
const OF_NAMESPACE = ['weft.dev/inject', 'istio-injection']
const NO = new Set(['false', 'n', 'no', 'off', 'disabled'])

/**
 * Whether a new pod gets a proxy here: all do, unless their own label or annotation or their namespace's label opts out (as "Controlling the
 * injection policy" in Istio's documentation has it). Nobody needs to opt in: who runs a mesh on a laptop wants proxies.
 */
export function getsProxy({ metadata }: PodTemplate, ofNamespace: Labels): boolean {
  const { labels = {}, annotations = {} } = metadata ?? {}
  const own = OF_POD.map((key) => labels[key] ?? annotations[key]).find((text) => text)
  const around = OF_NAMESPACE.map((key) => ofNamespace[key]).find((text) => text)
  return ![own, around].some((text) => text !== undefined && NO.has(text.toLowerCase()))
}
