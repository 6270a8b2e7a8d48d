import { isIP } from 'node:net'
import { asksForDnsCapture } from '../../mesh/dns-capture.ts'
import { asksForTransparency } from '../../mesh/interception-mode.ts'

/** Where a pod's proxy takes redirected connections, and what it runs as; Istio's. */
const OUTBOUND_PORT = 15001
const INBOUND_PORT = 15006
const DNS_PORT = 15053
const PROXY_UID = 1337
const PROXY_GID = 1337

/** Health and metrics of the proxy itself, which are asked for without the mesh. */
const PROXY_PORTS = ['15020', '15021', '15090'] as const

/** Each has tables of rules of its own. */
export type AddressFamily = 'IPv4' | 'IPv6'

/** Which TCP connections of a pod go through its proxy. Ports are decimal numbers, ranges of addresses such with the length of their prefix, of either family. */
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
  /** Whether the pod has IPv6 addresses: then its applications may ask for those of others, too. */
  readonly ipv6?: boolean
  /** Whether the application sees the addresses from which it is called. Then its proxy runs as any user of group 1337, with CAP_NET_ADMIN. */
  readonly transparent?: boolean
  /** The user whose connections are the proxy's own. Default: 1337, as the proxy's container runs as in pods. */
  readonly proxyUid?: number
  /** The group whose connections are never redirected, such as those of the agent of a host. */
  readonly exceptGid?: number
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
  const range = 'a range of addresses such as 10.0.0.0/8 or fd00::/8'
  return {
    inboundPorts: orAll('includeInboundPorts', isPort, `${port}, nor is the annotation *`),
    exceptInboundPorts: list('excludeInboundPorts', isPort, port),
    outboundRanges: orAll('includeOutboundIPRanges', isRange, `${range}, nor is the annotation *`),
    exceptOutboundRanges: list('excludeOutboundIPRanges', isRange, range),
    outboundPorts: list('includeOutboundPorts', isPort, port),
    exceptOutboundPorts: list('excludeOutboundPorts', isPort, port),
    dns: asksForDnsCapture(annotations),
    transparent: asksForTransparency(annotations),
  }
}

function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535
}

function isRange(text: string): boolean {
  const [address = '', length, ...more] = text.split('/')
  const version = isIP(address)
  const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (version === 6 ? 128 : 32))
  return version !== 0 && isLength && more.length === 0
}

/** What differs between the families: `proxy` is where the proxy calls its application from, which is an address of the pod's own for IPv6 only once it was given it. */
const FAMILIES = {
  IPv4: { version: 4, proxy: '127.0.0.6/32', loopback: '127.0.0.1/32', any: '0.0.0.0' },
  IPv6: { version: 6, proxy: '::6/128', loopback: '::1/128', any: '::' },
} as const

/** Arguments for `ip -6 addr replace`. All addresses 127.0.0.0/8 are there; of these, only ::1 is. */
export const PROXYS_ADDRESS = [FAMILIES.IPv6.proxy, 'dev', 'lo'] as const

const CHAINS = ['WEFT_INBOUND', 'WEFT_OUTPUT', 'WEFT_TO_INBOUND', 'WEFT_TO_OUTBOUND'] as const
const DNS_CHAIN = 'WEFT_DNS'
/**
 * Beginnings of connections only, as iptables-save writes `--syn`: a connection that is older than the rules, such as the proxy's with its agent, is new to
 * connection tracking, which starts with them, and would be led astray by its next packet.
 */
const BEGINNING = '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN'
const JUMPS = [`-A PREROUTING ${BEGINNING} -j WEFT_INBOUND`, `-A OUTPUT ${BEGINNING} -j WEFT_OUTPUT`] as const
const DNS_JUMP = `-A OUTPUT -p udp -m udp --dport 53 -j ${DNS_CHAIN}`

/** On connections that a proxy makes in the name of a client; Istio's. */
const CLIENTS_MARK = 1337
const TABLE = 133

/** Arguments for `ip rule add` and `ip route add`: answers to connections in a client's name go to the proxy, who has the client's address. */
export const CLIENTS_RULE = ['fwmark', String(CLIENTS_MARK), 'lookup', String(TABLE)] as const
export const CLIENTS_ROUTE = ['local', 'default', 'dev', 'lo', 'table', String(TABLE)] as const
const TRANSPARENT_CHAINS = ['WEFT_CLIENTS', 'WEFT_INTERCEPT'] as const
const TRANSPARENT_JUMPS = ['-A PREROUTING -p tcp -j WEFT_INTERCEPT', '-A OUTPUT -p tcp -j WEFT_CLIENTS'] as const

/** Of a table of iptables: what is ours in it. */
interface OwnTable {
  readonly name: 'nat' | 'mangle'
  readonly chains: readonly string[]
  readonly jumps: readonly string[]
}

const NAT: OwnTable = { name: 'nat', chains: [...CHAINS, DNS_CHAIN], jumps: [...JUMPS, DNS_JUMP] }
const MANGLE: OwnTable = { name: 'mangle', chains: TRANSPARENT_CHAINS, jumps: TRANSPARENT_JUMPS }

/**
 * Input for `iptables-restore --noflush` that redirects as the options say, whatever was asked for before. Rules of others stay. With `transparent`, it takes
 * `CLIENTS_RULE` and `CLIENTS_ROUTE`, too; for IPv6, `PROXYS_ADDRESS`.
 * @param saved what `iptables-save` prints there now
 * @param family for `ip6tables` where it is IPv6
 */
export function redirectRules(options: CaptureOptions, saved: string, family: AddressFamily = 'IPv4'): string {
  const { dns = false, transparent = false } = options
  // Naming a chain empties it.
  const nat = table('nat', [
    ...[...CHAINS, ...(dns ? [DNS_CHAIN] : [])].map((chain) => `:${chain} - [0:0]`),
    ...undoneJumps(NAT, saved),
    `-A WEFT_TO_INBOUND -p tcp -j REDIRECT --to-ports ${INBOUND_PORT}`,
    `-A WEFT_TO_OUTBOUND -p tcp -j REDIRECT --to-ports ${OUTBOUND_PORT}`,
    ...(transparent ? [] : inboundRules(options)),
    ...outboundRules(options, family),
    ...JUMPS,
    ...(dns ? [...dnsRules(options), DNS_JUMP] : []),
  ])
  return nat + (transparent ? transparentRules(options, saved, family) : undone(MANGLE, saved))
}

/** Input for `iptables-restore --noflush` that takes `redirectRules` back; does nothing where there are none. */
export function undoRules(saved: string): string {
  return undone(NAT, saved) + undone(MANGLE, saved)
}

function undone(own: OwnTable, saved: string): string {
  const now = savedTable(own, saved)
  const there = own.chains.filter((chain) => now.includes(`\n:${chain} `))
  if (there.length === 0) return ''
  return table(own.name, [
    ...there.map((chain) => `:${chain} - [0:0]`),
    ...undoneJumps(own, saved),
    ...there.map((chain) => `-X ${chain}`),
  ])
}

function undoneJumps(own: OwnTable, saved: string): string[] {
  const lines = savedTable(own, saved).split('\n')
  return lines.filter((line) => own.jumps.includes(line)).map((jump) => jump.replace('-A', '-D'))
}

/** What is about one table. */
function savedTable({ name }: OwnTable, saved: string): string {
  const [, text = ''] = new RegExp(`^\\*${name}$(.*?)^COMMIT$`, 'ms').exec(saved) ?? []
  return text
}

/**
 * Hands what comes in to the proxy as it is, addresses and all. The proxy calls the application from the client's address and marks these connections: by that they are
 * not handed to it again, and the answers find their way back to it rather than out to the client.
 */
function transparentRules(
  { inboundPorts, exceptInboundPorts }: CaptureOptions,
  saved: string,
  family: AddressFamily,
): string {
  const byMark = `--mark ${CLIENTS_MARK}`
  const toProxy = `-j TPROXY --on-port ${INBOUND_PORT} --on-ip ${FAMILIES[family].any} --tproxy-mark 0x0/0x0`
  const intercepted =
    inboundPorts === '*'
      ? [
          ...[...PROXY_PORTS, ...exceptInboundPorts].map((port) => `-p tcp --dport ${port} -j RETURN`),
          `${BEGINNING} ${toProxy}`,
        ]
      : inboundPorts.map((port) => `${BEGINNING} --dport ${port} ${toProxy}`)
  const intercept = [`-i lo -m mark ${byMark} -j CONNMARK --save-mark`, '-i lo -j RETURN', ...intercepted]
  return table('mangle', [
    ...TRANSPARENT_CHAINS.map((chain) => `:${chain} - [0:0]`),
    ...undoneJumps(MANGLE, saved),
    ...intercept.map((rule) => `-A WEFT_INTERCEPT ${rule}`),
    `-A WEFT_CLIENTS -m connmark ${byMark} -j CONNMARK --restore-mark`,
    ...TRANSPARENT_JUMPS,
  ])
}

function inboundRules({ inboundPorts, exceptInboundPorts }: CaptureOptions): string[] {
  if (inboundPorts !== '*')
    return inboundPorts.map((port) => `-A WEFT_INBOUND -p tcp --dport ${port} -j WEFT_TO_INBOUND`)
  return [
    ...[...PROXY_PORTS, ...exceptInboundPorts].map((port) => `-A WEFT_INBOUND -p tcp --dport ${port} -j RETURN`),
    '-A WEFT_INBOUND -p tcp -j WEFT_TO_INBOUND',
  ]
}

function outboundRules(options: CaptureOptions, family: AddressFamily): string[] {
  const { outboundRanges, exceptOutboundRanges, outboundPorts, exceptOutboundPorts } = options
  const { version, proxy, loopback } = FAMILIES[family]
  const byProxy = ownerProxy(options)
  const isOfFamily = (range: string) => isIP(range.split('/')[0] ?? '') === version
  const ranges = outboundRanges === '*' ? [''] : outboundRanges.filter(isOfFamily).map((range) => `-d ${range} `)
  return [
    ...(options.transparent ? [`-m mark --mark ${CLIENTS_MARK} -j RETURN`] : []),
    ...exceptGroup(options),
    // From the proxy to its application, on behalf of a client.
    `-s ${proxy} -o lo -j RETURN`,
    // From the proxy to the pod's own address, as when the application calls a service that it serves itself: comes in like any other call.
    `! -d ${loopback} -o lo -p tcp ${byProxy} -j WEFT_TO_INBOUND`,
    // The application with itself.
    '-o lo -j RETURN',
    `${byProxy} -j RETURN`,
    `-d ${loopback} -j RETURN`,
    ...exceptOutboundPorts.map((port) => `-p tcp --dport ${port} -j RETURN`),
    ...exceptOutboundRanges.filter(isOfFamily).map((range) => `-d ${range} -j RETURN`),
    ...outboundPorts.map((port) => `-p tcp --dport ${port} -j WEFT_TO_OUTBOUND`),
    ...ranges.map((range) => `${range}-j WEFT_TO_OUTBOUND`),
  ].map((rule) => `-A WEFT_OUTPUT ${rule}`)
}

/**
 * Questions for addresses alone: the proxy can answer no other kind. For IPv6 ones only in pods that have such themselves, as it says of names without them that there are
 * no such names. In a question the end of the name is followed by its type and class: 0, A (1) or AAAA (28), IN (1).
 */
function dnsRules(options: CaptureOptions): string[] {
  const questions = ['|0000010001|', ...(options.ipv6 ? ['|00001c0001|'] : [])]
  return [
    ...exceptGroup(options),
    `${ownerProxy(options)} -j RETURN`,
    ...questions.map(
      (question) => `-p udp -m string --hex-string "${question}" --algo bm -j REDIRECT --to-ports ${DNS_PORT}`,
    ),
  ].map((rule) => `-A ${DNS_CHAIN} ${rule}`)
}

/** With CAP_NET_ADMIN, the proxy has to be root, as others of the same user may be; then it is known by its group. */
function ownerProxy({ transparent, proxyUid = PROXY_UID }: CaptureOptions): string {
  return transparent ? `-m owner --gid-owner ${PROXY_GID}` : `-m owner --uid-owner ${proxyUid}`
}

function exceptGroup({ exceptGid }: CaptureOptions): string[] {
  return exceptGid === undefined ? [] : [`-m owner --gid-owner ${exceptGid} -j RETURN`]
}

function table(name: string, lines: readonly string[]): string {
  return [`*${name}`, ...lines, 'COMMIT', ''].join('\n')
}
