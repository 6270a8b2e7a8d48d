import type { ProxyConfig } from '../resources/istio.ts'
import { matchesLabels } from '../resources/labels.ts'
import { derive } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { byAge } from './precedence.ts'
import { ROOT_NAMESPACE } from './visibility.ts'

export type ProxyConfigSpec = Omit<NonNullable<ProxyConfig['spec']>, 'selector'>

/** What ProxyConfigs say of a pod's proxy. A pod's own annotation goes before what is said to all, and after what is said to it. */
export interface ProxyConfigs {
  /** By the oldest ProxyConfig of its namespace whose `selector` it matches. */
  readonly ofPod?: ProxyConfigSpec
  /** By those of its namespace and of the root namespace without a selector, field by field. */
  readonly ofAll: ProxyConfigSpec
}

export function proxyConfigsOf(
  snapshot: Snapshot,
  namespace: string,
  labels: Readonly<Record<string, string>>,
): ProxyConfigs {
  const all = snapshot.all('networking.istio.io/ProxyConfig')
  if (all.size === 0) return NONE
  const of = table(all)
  const ofPod = of(namespace, true).find(({ spec }) => matchesLabels(spec?.selector?.matchLabels, labels))?.spec
  const [ofMesh, ofNamespace] = [ROOT_NAMESPACE, namespace].map((each) => of(each, false)[0]?.spec)
  const environmentVariables = { ...ofMesh?.environmentVariables, ...ofNamespace?.environmentVariables }
  return { ...(ofPod ? { ofPod } : {}), ofAll: { ...ofMesh, ...ofNamespace, environmentVariables } }
}

const NONE: ProxyConfigs = { ofAll: {} }

type Lookup = (namespace: string, selecting: boolean) => readonly ProxyConfig[]

const table = derive('mesh/proxy-configs', (all: PersistentMap<ProxyConfig>): Lookup => {
  const sorted = [...all.values()].sort(byAge)
  return (namespace, selecting) =>
    sorted.filter(
      ({ metadata, spec }) =>
        metadata.namespace === namespace && Object.keys(spec?.selector?.matchLabels ?? {}).length > 0 === selecting,
    )
})
