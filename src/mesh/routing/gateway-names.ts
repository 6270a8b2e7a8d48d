import { createHash } from 'node:crypto'
import type { Gateway, GatewayClass } from '../../resources/gateway-api.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'

/** `controllerName` of the GatewayClasses that are ours. */
export const GATEWAY_CONTROLLER = 'weft.dev/gateway-controller'

/** Labels that Gateway API wants on all that is made for a Gateway. */
export const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name'
export const GATEWAY_CLASS_LABEL = 'gateway.networking.k8s.io/gateway-class-name'

/** The class of a Gateway, if it is ours to do. */
export function ourClass(classes: PersistentMap<GatewayClass>, gateway: Gateway): GatewayClass | undefined {
  const found = classes.get(gateway.spec?.gatewayClassName ?? '')
  return found?.spec?.controllerName === GATEWAY_CONTROLLER ? found : undefined
}

/** What is made for a Gateway is called GATEWAY-CLASS ("Gateway API: In-Cluster Gateway Deployments", GEP-1762), as far as a Service may be called so. */
export function infrastructureName({ metadata, spec }: Gateway): string {
  const name = `${metadata.name}-${spec?.gatewayClassName}`.replaceAll('.', '-')
  return shortened(/^[a-z]/.test(name) ? name : `gateway-${name}`)
}

/** The label by which what is made for a Gateway names it: its name, which may be longer than a label can be. */
export function gatewayNameLabel(name: string): string {
  return shortened(name)
}

/** The Gateway of a namespace that a pod's label names. */
export function gatewayOfLabel(snapshot: Snapshot, namespace: string, label: string): string | undefined {
  const key = `${namespace}/${label}`
  if (snapshot.get('gateway.networking.k8s.io/Gateway', key)) return key
  if (label.length < LONGEST) return undefined
  for (const [key, { metadata }] of snapshot.all('gateway.networking.k8s.io/Gateway'))
    if (metadata.namespace === namespace && gatewayNameLabel(metadata.name) === label) return key
  return undefined
}

/** Of a Service's name, and of a label. */
const LONGEST = 63

/** Cut so that two that begin alike still differ. */
function shortened(name: string): string {
  if (name.length <= LONGEST) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8)
  return `${name.slice(0, LONGEST - 9).replace(/[^a-zA-Z0-9]+$/, '')}-${hash}`.padEnd(LONGEST, '0')
}
