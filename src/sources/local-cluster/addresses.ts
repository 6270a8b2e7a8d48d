/**
 * The loopback addresses of one mesh. Each mesh on a machine has a block 127.B.0.0/16 of its own:
 *
 *   127.B.0.1          the server (xDS, certificates)
 *   127.B.x.y          a pod, x in 1..127, y in 1..254: its Envoy listens here, peers connect here
 *   127.B.(x+128).y    the same pod's application, which only its Envoy talks to
 *
 * Service addresses are names rather than places: nothing listens there, but a proxy knows them as hosts.
 */

/** Pods that fit into a block. */
export const POD_LIMIT = 127 * 254

/** Virtual addresses that we give to Services: 10.96.0.0/12, where Kubernetes has them by default. */
export const SERVICE_LIMIT = 0x0fffff

/** Outbound TCP: one port of every pod's address for each TCP port of each Service. Below the ephemeral ports. */
export const LOCAL_PORT_LIMIT = 10_000
const FIRST_LOCAL_PORT = 20_000

/** Where every sidecar takes outbound HTTP as an HTTP proxy; Istio's port for outbound traffic. */
export const HTTP_PROXY_PORT = 15_001

export function serverAddress(block: number): string {
  return `127.${block}.0.1`
}

export function podAddress(block: number, number: number): string {
  return `127.${block}.${1 + Math.floor(number / 254)}.${1 + (number % 254)}`
}

export function appAddress(block: number, number: number): string {
  return `127.${block}.${129 + Math.floor(number / 254)}.${1 + (number % 254)}`
}

export function serviceAddress(number: number): string {
  const host = number + 1
  return `10.${96 + (host >> 16)}.${(host >> 8) & 255}.${host & 255}`
}

export function localPort(number: number): number {
  return FIRST_LOCAL_PORT + number
}
