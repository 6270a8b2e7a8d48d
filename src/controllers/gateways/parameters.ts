import { parse } from 'yaml'
import type { ConfigMap } from '../../resources/core.ts'
import type { Gateway, GatewayClass } from '../../resources/gateway-api.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Value } from './merge.ts'

/** What people want changed about the objects that are made for a Gateway, in the order in which it is to be laid over them. */
export type GatewayParameters = { readonly [Part in PatchedPart]?: readonly Value[] }

/** Keys of a ConfigMap that `parametersRef` names, as with Istio: the values are YAML that is laid over the object. */
export const PATCHED_PARTS = [
  'deployment',
  'service',
  'serviceAccount',
  'horizontalPodAutoscaler',
  'podDisruptionBudget',
] as const

export type PatchedPart = (typeof PATCHED_PARTS)[number]

/** Why a Gateway's parameters can't be used: a sentence. */
export interface ParametersProblem {
  readonly problem: string
}

/**
 * The parameters of a Gateway: those of its class first, then what `infrastructure.parametersRef` of its own names.
 * @param configMaps by `namespace/name`
 */
export function gatewayParameters(
  gateway: Gateway,
  gatewayClass: GatewayClass,
  configMaps: PersistentMap<ConfigMap>,
): GatewayParameters | ParametersProblem {
  const namespace = gateway.metadata.namespace ?? ''
  const ofClass = gatewayClass.spec?.parametersRef
  const own = gateway.spec?.infrastructure?.parametersRef
  const found: { readonly [part: string]: Value[] } = Object.fromEntries(PATCHED_PARTS.map((part) => [part, []]))
  const references = [
    ...(ofClass
      ? [
          {
            ...ofClass,
            namespace: ofClass.namespace ?? '',
            field: `GatewayClass ${gatewayClass.metadata.name}: spec.parametersRef`,
          },
        ]
      : []),
    ...(own ? [{ ...own, namespace, field: 'spec.infrastructure.parametersRef' }] : []),
  ]
  for (const { group, kind, name, namespace, field } of references) {
    if (group !== '' || kind !== 'ConfigMap')
      return {
        problem: `${field} names a ${kind} of group "${group}"; only a ConfigMap (group "") can hold parameters`,
      }
    const configMap = configMaps.get(`${namespace}/${name}`)
    if (!configMap)
      return {
        problem: `${field} names ConfigMap ${namespace}/${name}; there is none with any of the keys ${PATCHED_PARTS.join(', ')}`,
      }
    for (const part of PATCHED_PARTS) {
      const text = configMap.data?.[part]
      if (text === undefined) continue
      const patch = parsed(text)
      if (patch === undefined)
        return { problem: `${part} in ConfigMap ${namespace}/${name} (${field}) is not a YAML map` }
      found[part]?.push(patch)
    }
  }
  return found as GatewayParameters
}

function parsed(text: string): Value | undefined {
  try {
    const value = parse(text) as Value
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
