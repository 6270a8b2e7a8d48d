import type { TcpProxySchema } from '#envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy'
import type { ClientPolicy } from '../../mesh/destination-rules.ts'
import { effectiveTrafficPolicy } from '../../mesh/traffic-policy.ts'
import { envoyDuration } from './duration.ts'
import type { Init } from './init.ts'

/** What of a traffic policy the proxy of the client does with connections before they get to the cluster. */
export type ConnectionSettings = Pick<Init<typeof TcpProxySchema>, 'idleTimeout' | 'hashPolicy' | 'tunnelingConfig'>

/**
 * `connectionPool.tcp.idleTimeout` (without it an hour, which is Envoy's default; 0 for none), consistent hashing by source address, and `tunnel`: the
 * connection is asked for at the destination, which is a proxy, by HTTP's CONNECT or POST.
 */
export function connectionSettings(
  policy: ClientPolicy | undefined,
  port: number,
  subset: string | undefined,
): ConnectionSettings | undefined {
  const { connectionPool, loadBalancer, tunnel } = effectiveTrafficPolicy(policy, port, subset)
  const idleTimeout = envoyDuration(connectionPool?.tcp?.idleTimeout)
  const settings: ConnectionSettings = {
    ...(idleTimeout ? { idleTimeout } : {}),
    ...(loadBalancer?.consistentHash?.useSourceIp ? { hashPolicy: [SOURCE_ADDRESS] } : {}),
    ...(tunnel
      ? {
          tunnelingConfig: {
            hostname: `${tunnel.targetHost}:${tunnel.targetPort}`,
            usePost: tunnel.protocol?.toUpperCase() === 'POST',
          },
        }
      : {}),
  }
  return Object.keys(settings).length > 0 ? settings : undefined
}

const SOURCE_ADDRESS = { policySpecifier: { case: 'sourceIp', value: {} } } as const
