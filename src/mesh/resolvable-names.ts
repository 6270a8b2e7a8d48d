import { isIPv4 } from 'node:net'
import { KIND } from '../resources/resource.ts'
import { deriveMap } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Service } from './model.ts'
import { services } from './services.ts'

/**
 * Names that only the mesh knows addresses of, with these: hosts of ServiceEntries that a namespace sees. One without addresses gets one from 240.240.0.0/16,
 * as in Istio, where nobody is: what is sent there the proxy tells apart by host or TLS server name. A cluster's own DNS knows the hosts of Services.
 */
export function resolvableNames(snapshot: Snapshot, namespace: string): PersistentMap<readonly string[]> {
  return namesFor([services(snapshot)], namespace)
}

const namesFor = deriveMap<[PersistentMap<Service>], [string], readonly string[]>(
  'mesh/resolvable-names',
  (host, [service], namespace) => {
    if (service?.resource[KIND] !== 'networking.istio.io/ServiceEntry') return undefined
    if (!service.exportTo.some((to) => to === '*' || to === namespace)) return undefined
    const addresses = service.addresses.map((address) => address.replace(/\/32$/, '')).filter(isIPv4)
    if (addresses.length > 0) return host === '*' ? undefined : addresses
    // Of a range there is no one address, and what goes to its original destination needs the real one.
    if (service.addresses.length > 0 || service.resolution === 'passthrough' || host.startsWith('*')) return undefined
    return [madeUpAddress(host)]
  },
)

/** Always the same for a host. Two hosts may have one address. */
function madeUpAddress(host: string): string {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(host)) hash = Math.imul(hash ^ byte, 0x01000193)
  const place = 1 + (((hash ^ (hash >>> 16)) & 0xffff) % 0xfffe)
  return `240.240.${place >> 8}.${place & 0xff}`
}
