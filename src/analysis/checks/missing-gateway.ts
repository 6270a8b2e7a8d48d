import { gatewayKey, MESH } from '../../mesh/routing/virtual-services.ts'
import { closest } from '../../resources/did-you-mean.ts'
import type { FieldPath } from '../../resources/resource.ts'
import type { Check } from '../check.ts'

export const missingGateway: Check = {
  rule: 'missing-gateway',
  severity: 'error',
  about: 'A VirtualService is bound to a Gateway that does not exist: it has no effect there.',
  *find(snapshot) {
    const gateways = snapshot.all('networking.istio.io/Gateway')
    for (const resource of snapshot.all('networking.istio.io/VirtualService').values()) {
      const namespace = resource.metadata.namespace ?? ''
      const named: [name: string, path: FieldPath][] = [
        ...(resource.spec?.gateways ?? []).map((name, i): [string, FieldPath] => [name, ['spec', 'gateways', i]]),
        ...(resource.spec?.http ?? []).flatMap((rule, i) =>
          (rule.match ?? []).flatMap((match, j) =>
            (match.gateways ?? []).map((name, k): [string, FieldPath] => [
              name,
              ['spec', 'http', i, 'match', j, 'gateways', k],
            ]),
          ),
        ),
      ]
      for (const [name, path] of named) {
        const key = gatewayKey(name, namespace)
        if (key === MESH || gateways.has(key)) continue
        yield {
          resource,
          path,
          problem: `there is no Gateway ${key}`,
          remedy: 'name an existing Gateway, "mesh" for all sidecars, or add the Gateway',
          suggestion: () => suggestion(key, namespace, [...gateways.keys()]),
        }
      }
    }
  },
}

/** The gateway that was probably meant, as it would be written. */
function suggestion(key: string, namespace: string, keys: readonly string[]): string | undefined {
  const bare = key.slice(key.indexOf('/'))
  const near = keys.find((other) => other.endsWith(bare)) ?? closest(key, [...keys, `${namespace}/${MESH}`])
  if (!near) return undefined
  return `write "${near.startsWith(`${namespace}/`) ? near.slice(namespace.length + 1) : near}" if that was meant`
}
