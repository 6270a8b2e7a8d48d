import { GATEWAY_CONTROLLER } from '../../mesh/routing/gateway-names.ts'
import type { GatewayClass } from '../../resources/gateway-api.ts'
import { derive } from '../../store/derive.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { SUPPORTED_FEATURES } from './supported-features.ts'
import { condition, type WantedConditions } from './wanted-status.ts'

/** Releases of the Gateway API whose definitions Weft reads: "SupportedVersion" asks for the versions of the definitions that are installed. */
const SUPPORTED_BUNDLES = /^v1\.[0-7]\./

/**
 * By name: the statuses of our GatewayClasses.
 * @param bundle the release of the definitions that are installed (`v1.7.0`); undefined where it is not known
 */
export function gatewayClassStatuses(
  snapshot: Snapshot,
  bundle: string | undefined,
): ReadonlyMap<string, WantedConditions> {
  const classes = [...snapshot.all('gateway.networking.k8s.io/GatewayClass')]
  const ours = classes.filter(([, { spec }]) => spec?.controllerName === GATEWAY_CONTROLLER)
  return new Map(ours.map(([key, each]) => [key, gatewayClassStatus(each, bundle)]))
}

const gatewayClassStatus = derive(
  'controllers/gateway-class-status',
  ({ metadata }: GatewayClass, bundle: string | undefined): WantedConditions => ({
    form: 'conditions',
    generation: metadata.generation ?? 0,
    conditions: [condition('Accepted', true, 'Accepted'), ...supportedVersion(bundle)],
    fields: { supportedFeatures: SUPPORTED_FEATURES.map((name) => ({ name })) },
  }),
)

function supportedVersion(bundle: string | undefined) {
  if (bundle === undefined) return []
  if (SUPPORTED_BUNDLES.test(bundle)) return [condition('SupportedVersion', true, 'SupportedVersion')]
  const message = `the definitions of the Gateway API that are installed are of ${bundle}; Weft knows v1.0 to v1.7, and does what it knows of others`
  return [condition('SupportedVersion', false, 'UnsupportedVersion', message)]
}
