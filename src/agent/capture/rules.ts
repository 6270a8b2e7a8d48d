import { isIPv4 } from 'node:net'
import { asksForDnsCapture } from '../../mesh/dns-capture.ts'

/** Where a pod's proxy takes redirected connections, and what it runs as; Istio's. */
const OUTBOUND_PORT = 15001
const INBOUND_PORT = 15006
const DNS_PORT = 15053
const PROXY_UID = 1337

/** Health and metrics of the proxy itself, which are asked for without the mesh. */
const PROXY_PORTS = ['15020', '15021', '15090'] as const

/** Which TCP connections of a pod go through its proxy. Ports are decimal numbers, ranges of addresses IPv4 ones with the length of their prefix. */
export interface CaptureOptions {
  /** Own ports whose connections are redirected, or all. */
  readonly inboundPorts: readonly string[] | '*'
  readonly exceptInboundPorts: readonly string[]
  /** Addresses to which connections are redirected, or all. */
  readonly outboundRanges: readonly string[] | '*'
  readonly exceptOutboundRanges: readonly string[]
  /** Ports to which connections are redirected at any address. */
  readonly outboundPorts: readonly string[]
  readonly exceptOutboundPorts: readonly string[]
  /** Whether questions for addresses of names are redirected as well. */
  readonly dns?: boolean
  /** The user whose connections are the proxy's own. Default: 1337, as the proxy's container runs as in pods. */
  readonly proxyUid?: number
}

const PREFIX = 'traffic.sidecar.istio.io/'

/**
 * What a pod's annotations ask for, in Istio's `traffic.sidecar.istio.io/...`; everything, where they say nothing.
 * @throws Error naming the annotation and what is wrong with it
 */
export function captureOptions(annotations: Readonly<Record<string, string>>): CaptureOptions {
  const list = (name: string, check: (text: string) => boolean, right: string) => {
    const items = (annotations[PREFIX + name] ?? '').split(',').map((item) => item.trim())
    const written = items.filter((item) => item !== '')
    const wrong = written.find((item) => !check(item))
    if (wrong !== undefined) throw new Error(`annotation ${PREFIX}${name}: "${wrong}" is not ${right}`)
    return written
  }
  const orAll = (name: string, check: (text: string) => boolean, right: string) =>
    (annotations[PREFIX + name] ?? '*').trim() === '*' ? '*' : list(name, check, right)
  const port = 'a port from 1 to 65535'
  const range = 'a range of IPv4 addresses such as 10.0.0.0/8'
  return {
    inboundPorts: orAll('includeInboundPorts', isPort, `${port}, nor is the annotation *`),
    exceptInboundPorts: list('excludeInboundPorts', isPort, port),
    outboundRanges: orAll('includeOutboundIPRanges', isRange, `${range}, nor is the annotation *`),
    exceptOutboundRanges: list('excludeOutboundIPRanges', isRange, range),
    outboundPorts: list('includeOutboundPorts', isPort, port),
    exceptOutboundPorts: list('excludeOutboundPorts', isPort, port),
    dns: asksForDnsCapture(annotations),
  }
}

function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535
}

function isRange(text: string): boolean {
  const [address = '', length, ...more] = text.split('/')
  const isLength = length === undefined || (/^\d{1,2}$/.test(length) && Number(length) <= 32)
  return isIPv4(address) && isLength && more.length === 0
}

const CHAINS = ['WEFT_INBOUND', 'WEFT_OUTPUT', 'WEFT_TO_INBOUND', 'WEFT_TO_OUTBOUND'] as const
const DNS_CHAIN = 'WEFT_DNS'
/**
 * Beginnings of connections only, as iptables-save writes `--syn`: a connection that is older than the rules, such as the proxy's with its agent, is new to
 * connection tracking, which starts with them, and would be led astray by its next packet.
 */
const BEGINNING = '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN'
const JUMPS = [`-A PREROUTING ${BEGINNING} -j WEFT_INBOUND`, `-A OUTPUT ${BEGINNING} -j WEFT_OUTPUT`] as const
const DNS_JUMP = `-A OUTPUT -p udp -m udp --dport 53 -j ${DNS_CHAIN}`

/**
 * Input for `iptables-restore --noflush` that redirects as the options say, whatever was asked for before. Rules of others stay.
 * @param saved what `iptables-save -t nat` prints there now
 */
export function redirectRules(options: CaptureOptions, saved: string): string {
  const dns = options.dns ?? false
  // Naming a chain empties it.
  return table([
    ...[...CHAINS, ...(dns ? [DNS_CHAIN] : [])].map((chain) => `:${chain} - [0:0]`),
    ...undoneJumps(saved),
    `-A WEFT_TO_INBOUND -p tcp -j REDIRECT --to-ports ${INBOUND_PORT}`,
    `-A WEFT_TO_OUTBOUND -p tcp -j REDIRECT --to-ports ${OUTBOUND_PORT}`,
    ...inboundRules(options),
    ...outboundRules(options),
    ...JUMPS,
    ...(dns ? [...dnsRules(options), DNS_JUMP] : []),
  ])
}

/** Input for `iptables-restore --noflush` that takes `redirectRules` back; does nothing where there are none. */
export function undoRules(saved: string): string {
  const there = [...CHAINS, DNS_CHAIN].filter((chain) => saved.includes(`\n:${chain} `))
  return table([
    ...there.map((chain) => `:${chain} - [0:0]`),
    ...undoneJumps(saved),
    ...there.map((chain) => `-X ${chain}`),
  ])
}

function undoneJumps(saved: string): string[] {
  const lines = saved.split('\n')
  return lines
    .filter((line) => [...JUMPS, DNS_JUMP].some((jump) => jump === line))
    .map((jump) => jump.replace('-A', '-D'))
}

function inboundRules({ inboundPorts, exceptInboundPorts }: CaptureOptions): string[] {
  if (inboundPorts !== '*')
    return inboundPorts.map((port) => `-A WEFT_INBOUND -p tcp --dport ${port} -j WEFT_TO_INBOUND`)
  return [
    ...[...PROXY_PORTS, ...exceptInboundPorts].map((port) => `-A WEFT_INBOUND -p tcp --dport ${port} -j RETURN`),
    '-A WEFT_INBOUND -p tcp -j WEFT_TO_INBOUND',
  ]
}

function outboundRules(options: CaptureOptions): string[] {
  const { outboundRanges, exceptOutboundRanges, outboundPorts, exceptOutboundPorts } = options
  const byProxy = `-m owner --uid-owner ${options.proxyUid ?? PROXY_UID}`
  const ranges = outboundRanges === '*' ? [''] : outboundRanges.map((range) => `-d ${range} `)
  return [
    // From the proxy to its application, on behalf of a client.
    '-s 127.0.0.6/32 -o lo -j RETURN',
    // From the proxy to the pod's own address, as when the application calls a service that it serves itself: comes in like any other call.
    `! -d 127.0.0.1/32 -o lo -p tcp ${byProxy} -j WEFT_TO_INBOUND`,
    // The application with itself.
    '-o lo -j RETURN',
    `${byProxy} -j RETURN`,
    '-d 127.0.0.1/32 -j RETURN',
    ...exceptOutboundPorts.map((port) => `-p tcp --dport ${port} -j RETURN`),
    ...exceptOutboundRanges.map((range) => `-d ${range} -j RETURN`),
    ...outboundPorts.map((port) => `-p tcp --dport ${port} -j WEFT_TO_OUTBOUND`),
    ...ranges.map((range) => `${range}-j WEFT_TO_OUTBOUND`),
  ].map((rule) => `-A WEFT_OUTPUT ${rule}`)
}

/**
 * Questions for IPv4 addresses alone: the proxy can answer no other kind, and says of names without IPv6 addresses that there are none. In a question the end of the name is
 * followed by its type and class: 0, A (1), IN (1).
 */
function dnsRules({ proxyUid = PROXY_UID }: CaptureOptions): string[] {
  return [
    `-m owner --uid-owner ${proxyUid} -j RETURN`,
    `-p udp -m string --hex-string "|0000010001|" --algo bm -j REDIRECT --to-ports ${DNS_PORT}`,
  ].map((rule) => `-A ${DNS_CHAIN} ${rule}`)
}

function table(lines: readonly string[]): string {
  return ['*nat', ...lines, 'COMMIT', ''].join('\n')
}
