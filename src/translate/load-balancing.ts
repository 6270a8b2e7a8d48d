import { Cluster_LbPolicy, type ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import type { ConsistentHash, LoadBalancer } from '../resources/istio.ts'
import { envoyDuration } from './routes/duration.ts'
import type { Init } from './routes/init.ts'

type LbConfig = NonNullable<Init<typeof ClusterSchema>['lbConfig']>

/** `loadBalancer` without locality. Requests go to the less busy of two endpoints unless something else is asked for, as in Istio. */
export function loadBalancing(from: LoadBalancer | undefined): {
  readonly lbPolicy: Cluster_LbPolicy
  readonly lbConfig?: LbConfig
} {
  if (from?.consistentHash) return consistentHashing(from.consistentHash)
  const slowStartConfig = slowStart(from)
  switch (from?.simple) {
    case 'RANDOM':
      return { lbPolicy: Cluster_LbPolicy.RANDOM }
    case 'ROUND_ROBIN':
      return {
        lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
        ...(slowStartConfig ? { lbConfig: { case: 'roundRobinLbConfig', value: { slowStartConfig } } } : {}),
      }
    case 'PASSTHROUGH':
      return { lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED }
    default:
      return {
        lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
        ...(slowStartConfig ? { lbConfig: { case: 'leastRequestLbConfig', value: { slowStartConfig } } } : {}),
      }
  }
}

function consistentHashing(hash: ConsistentHash): { lbPolicy: Cluster_LbPolicy; lbConfig: LbConfig } {
  if (hash.maglev) {
    const { tableSize } = hash.maglev
    return {
      lbPolicy: Cluster_LbPolicy.MAGLEV,
      lbConfig: { case: 'maglevLbConfig', value: tableSize ? { tableSize: BigInt(tableSize) } : {} },
    }
  }
  const size = hash.ringHash?.minimumRingSize ?? hash.minimumRingSize ?? 1024
  return {
    lbPolicy: Cluster_LbPolicy.RING_HASH,
    lbConfig: { case: 'ringHashLbConfig', value: { minimumRingSize: BigInt(size) } },
  }
}

/** `warmup`, or the older `warmupDurationSecs`: a new endpoint takes its full share only after a while. */
function slowStart(from: LoadBalancer | undefined) {
  const slowStartWindow = envoyDuration(from?.warmup?.duration ?? from?.warmupDurationSecs)
  if (!slowStartWindow) return undefined
  const { aggression, minimumPercent } = from?.warmup ?? {}
  return {
    slowStartWindow,
    ...(aggression !== undefined ? { aggression: { defaultValue: aggression, runtimeKey: 'weft.warmup' } } : {}),
    ...(minimumPercent !== undefined ? { minWeightPercent: { value: minimumPercent } } : {}),
  }
}
