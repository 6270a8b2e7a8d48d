import { isIPv4, isIPv6 } from 'node:net'
import { KIND } from '../resources/resource.ts'
import { deriveMap } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Service } from './model.ts'
import { services } from './services.ts'

/**
 * Names that only the mesh knows addresses of, with these: hosts of ServiceEntries that a namespace sees. One without addresses gets one from 240.240.0.0/16,
 * as in Istio, where nobody is: what is sent there the proxy tells apart by host or TLS server name. A cluster's own DNS knows the hosts of Services.
 * @param ipv6 whether who asks has IPv6 addresses, too: then made-up addresses are of both families, the others from 2001:2::/48, which is for test networks (RFC 5180)
 */
export function resolvableNames(
  snapshot: Snapshot,
  namespace: string,
  ipv6: boolean,
): PersistentMap<readonly string[]> {
  return namesFor([services(snapshot)], namespace, ipv6)
}

const namesFor = deriveMap<[PersistentMap<Service>], [string, boolean], readonly string[]>(
  'mesh/resolvable-names',
  (host, [service], namespace, ipv6) => {
    if (service?.resource[KIND] !== 'networking.istio.io/ServiceEntry') return undefined
    if (!service.exportTo.some((to) => to === '*' || to === namespace)) return undefined
    const ofIPv4 = service.addresses.map((address) => address.replace(/\/32$/, '')).filter((each) => isIPv4(each))
    const ofIPv6 = service.addresses.map((address) => address.replace(/\/128$/, '')).filter((each) => isIPv6(each))
    const addresses = ipv6 ? [...ofIPv4, ...(ofIPv6.length > 0 ? ofIPv6 : ofIPv4.map(mapped))] : ofIPv4
    if (addresses.length > 0) return host === '*' ? undefined : addresses
    // Of a range there is no one address, and what goes to its original destination needs the real one.
    if (service.addresses.length > 0 || service.resolution === 'passthrough' || host.startsWith('*')) return undefined
    const place = madeUpPlace(host)
    return [`240.240.${place >> 8}.${place & 0xff}`, ...(ipv6 ? [`2001:2::${place.toString(16)}`] : [])]
  },
)

/**
 * The IPv4 address to those who ask for IPv6 ones: the kernel takes it for what it is. Without any, proxies say that there is no such name at all, and many
 * resolvers believe the first who says so.
 */
function mapped(address: string): string {
  return `::ffff:${address}`
}

/** From 1 to 65534, always the same for a host. Two hosts may have one. */
function madeUpPlace(host: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(host)) hash = Math.imul(hash ^ byte, 0x01000193)
  return 1 + (((hash ^ (hash >>> 16)) & 0xffff) % 0xfffe)
}
