import type * as core from '../resources/core.ts'
import { deriveMap } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Locality } from './model.ts'

/** By node: where it is, as its labels say. Changes far less often than nodes do. */
export function nodeLocalities(snapshot: Snapshot): PersistentMap<Locality> {
  return ofNodes([snapshot.all('core/Node')])
}

/** Of Istio's `region/zone/subzone`, the last two optional. */
export function localityNamed(text: string): Locality {
  const [region = '', zone = '', subZone = ''] = text.split('/')
  return { region, zone, subZone }
}

/** Labels of pods that say where they are, whatever their nodes say; Istio's. With `.` for `/`, which no label may hold. */
const LOCALITY_LABELS = ['topology.istio.io/locality', 'istio-locality']

/** Where a pod is, as a label of its own says. */
export function localityOfLabels(labels: Readonly<Record<string, string>>): Locality | undefined {
  const written = LOCALITY_LABELS.map((name) => labels[name]).find((value) => value)
  // One that has a slash is no pod's, and may have dots in its names.
  return written ? localityNamed(written.includes('/') ? written : written.replaceAll('.', '/')) : undefined
}

const ofNodes = deriveMap<[PersistentMap<core.Node>], [], Locality>('mesh/localities', (_, [node]) => {
  const labels = node?.metadata.labels
  const region = labels?.['topology.kubernetes.io/region'] ?? ''
  const zone = labels?.['topology.kubernetes.io/zone'] ?? ''
  return region || zone ? { region, zone, subZone: labels?.['topology.istio.io/subzone'] ?? '' } : undefined
})
