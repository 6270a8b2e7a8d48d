import { isIP } from 'node:net'

/** A range of addresses by its beginning and the length of its prefix in bits. */
export interface AddressRange {
  readonly addressPrefix: string
  readonly prefixLen: number
}

/** `10.0.0.0/8`, `10.1.2.3`, `fd00::/8`. @returns undefined for what is neither an address nor a range */
export function addressRange(written: string): AddressRange | undefined {
  const [address = '', length, ...more] = written.split('/')
  const version = isIP(address)
  if (version === 0 || more.length > 0) return undefined
  const bits = version === 4 ? 32 : 128
  if (length === undefined) return { addressPrefix: address, prefixLen: bits }
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) return undefined
  return { addressPrefix: address, prefixLen: Number(length) }
}

/** @returns undefined for what is no port number */
export function portNumber(written: string): number | undefined {
  const port = Number(written)
  return /^\d{1,5}$/.test(written) && port >= 1 && port <= 65535 ? port : undefined
}
