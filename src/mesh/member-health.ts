import type { WorkloadEntry } from '../resources/istio.ts'

/** Istio's annotation of entries that a host made: by which group. */
export const OF_GROUP = 'istio.io/autoRegistrationGroup'

/** Ours, on entries of hosts whose proxies the mesh configures: what `weft token create` called the host. */
export const OF_HOST = 'weft.dev/host'

/** Istio's annotation of entries that count only once their host has told that they are well. */
export const HEALTH_CHECKED = 'proxy.istio.io/health-checks-enabled'

/** Whether requests may go to what an entry stands for, as far as its host has told. */
export function isWell({ metadata, status }: WorkloadEntry): boolean {
  const told = status?.conditions?.find(({ type }) => type === 'Healthy')?.status
  return told === undefined ? metadata.annotations?.[HEALTH_CHECKED] !== 'true' : told === 'True'
}
