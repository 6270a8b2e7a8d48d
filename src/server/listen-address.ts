import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** Stands for all addresses of this machine or pod. Of IPv6 where it has such, by which IPv4 comes too: a socket of that kind can't be made where the kernel has none. */
export function anyAddress(interfaces = networkInterfaces()): '0.0.0.0' | '::' {
  const all = Object.values(interfaces).flatMap((addresses) => addresses ?? [])
  return all.some(({ family, internal }) => family === 'IPv6' && !internal) ? '::' : '0.0.0.0'
}

/** Whether only this machine, or pod, reaches it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
