import type { PortTrafficPolicy, TrafficPolicy } from '../resources/istio.ts'
import type { ClientPolicy } from './destination-rules.ts'
import type { ClientDefaults } from './mesh-config.ts'

/** What holds for one port of a service, or of a subset of it. */
export type EffectiveTrafficPolicy = Omit<PortTrafficPolicy, 'port'> &
  Pick<TrafficPolicy, 'proxyProtocol' | 'retryBudget' | 'tunnel'>

/**
 * A subset says more than its service, section by section. Settings of a port, on either level, replace everything that was said before them: what
 * they leave out is the default ("traffic settings specified at the port level will override the destination-level
 * settings", Istio's DestinationRule reference).
 */
export function effectiveTrafficPolicy(
  policy: ClientPolicy | undefined,
  port: number,
  subset?: string,
): EffectiveTrafficPolicy {
  const ofSubset = policy?.subsets.find(({ name }) => name === subset)?.trafficPolicy
  return overlay(overlay({}, policy?.trafficPolicy, port), ofSubset, port)
}

function overlay(
  base: EffectiveTrafficPolicy,
  policy: TrafficPolicy | undefined,
  port: number,
): EffectiveTrafficPolicy {
  if (!policy) return base
  const { portLevelSettings, ...sections } = policy
  const merged = { ...base, ...sections }
  const ofPort = portLevelSettings?.find((settings) => settings.port?.number === port)
  if (!ofPort) return merged
  const { connectionPool: _, loadBalancer: __, outlierDetection: ___, tls: ____, ...unrelated } = merged
  const { port: _____, ...settings } = ofPort
  return { ...unrelated, ...settings }
}

/** With what the mesh config says where the policy says nothing. */
export function withMeshDefaults(policy: EffectiveTrafficPolicy, defaults: ClientDefaults): EffectiveTrafficPolicy {
  const { connectTimeout, tcpKeepalive, h2UpgradePolicy, defaultTrafficPolicy } = defaults
  const { connectionPool: pool, outlierDetection } = defaultTrafficPolicy ?? {}
  const whole = {
    ...(pool ? { connectionPool: pool } : {}),
    ...(outlierDetection ? { outlierDetection } : {}),
    ...policy,
  }
  if (!connectTimeout && !tcpKeepalive && !h2UpgradePolicy) return defaultTrafficPolicy ? whole : policy
  const { tcp, http } = whole.connectionPool ?? {}
  const own = http?.h2UpgradePolicy === 'DEFAULT' ? undefined : http?.h2UpgradePolicy
  const upgrade = own ?? h2UpgradePolicy
  const connectionPool = {
    tcp: { ...(connectTimeout ? { connectTimeout } : {}), ...(tcpKeepalive ? { tcpKeepalive } : {}), ...tcp },
    http: { ...http, ...(upgrade ? { h2UpgradePolicy: upgrade } : {}) },
  }
  return { ...whole, connectionPool }
}
