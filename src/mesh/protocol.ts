import type { Protocol } from './model.ts'

/** What Istio's "Protocol Selection" page and Kubernetes' standard `appProtocol` values call each protocol. */
const NAMES: Readonly<Record<string, Protocol>> = {
  http: 'http',
  http2: 'http2',
  h2c: 'http2',
  grpc: 'grpc',
  'grpc-web': 'grpc-web',
  https: 'https',
  tls: 'tls',
  tcp: 'tcp',
  udp: 'udp',
  mongo: 'tcp',
  mysql: 'tcp',
  redis: 'tcp',
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
  'kubernetes.io/wss': 'https',
}

/** SMTP, DNS, MySQL and MongoDB: their servers speak first, so looking at the client's first bytes would wait forever. */
const SERVER_SPEAKS_FIRST = new Set([25, 53, 3306, 27017])

/** Of a Service's port: `appProtocol` decides, then the part of the port's name before the first dash, then the number. */
export function servicePortProtocol(port: {
  readonly port: number
  readonly name?: string
  readonly protocol?: string
  readonly appProtocol?: string
}): Protocol {
  if (port.protocol === 'UDP' || port.protocol === 'SCTP') return 'udp'
  const told = named(port.appProtocol) ?? named(port.name)
  if (told) return told
  return SERVER_SPEAKS_FIRST.has(port.port) ? 'tcp' : 'auto'
}

/** Of a ServiceEntry's or Gateway's port: `protocol` (`HTTP`, `GRPC-WEB`, `MONGO`, ...). */
export function protocolNamed(protocol: string | undefined): Protocol {
  return named(protocol) ?? 'auto'
}

function named(text: string | undefined): Protocol | undefined {
  if (!text) return undefined
  const name = text.toLowerCase()
  // `grpc-web` itself has a dash, so prefixes are tried from the longest.
  for (let end = name.length; end > 0; end = name.lastIndexOf('-', end - 1)) {
    const known = Object.hasOwn(NAMES, name.slice(0, end)) ? NAMES[name.slice(0, end)] : undefined
    if (known) return known
  }
  return undefined
}

/** Whether requests on such a port can be routed one by one. */
export function isHttp(protocol: Protocol): boolean {
  return protocol === 'http' || isHttp2(protocol) || protocol === 'grpc-web'
}

/** Whether the application takes HTTP/2 without negotiation. */
export function isHttp2(protocol: Protocol): boolean {
  return protocol === 'http2' || protocol === 'grpc'
}
