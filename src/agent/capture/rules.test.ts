import { expect, test } from 'vitest'
import { type AddressFamily, captureOptions, redirectRules, undoRules } from './rules.ts'

const at = (annotations: Record<string, string>) =>
  captureOptions(
    Object.fromEntries(Object.entries(annotations).map(([name, text]) => [`traffic.sidecar.istio.io/${name}`, text])),
  )
const rulesOf = (chain: string, annotations: Record<string, string>, family?: AddressFamily) =>
  redirectRules(at(annotations), '', family)
    .split('\n')
    .filter((line) => line.startsWith(`-A ${chain} `))
    .map((line) => line.slice(`-A ${chain} `.length))

test('all of a pod is redirected but the proxy’s own', () => {
  expect(redirectRules(captureOptions({}), '')).toBe(`*nat
:WEFT_INBOUND - [0:0]
:WEFT_OUTPUT - [0:0]
:WEFT_TO_INBOUND - [0:0]
:WEFT_TO_OUTBOUND - [0:0]
-A WEFT_TO_INBOUND -p tcp -j REDIRECT --to-ports 15006
-A WEFT_TO_OUTBOUND -p tcp -j REDIRECT --to-ports 15001
-A WEFT_INBOUND -p tcp --dport 15020 -j RETURN
-A WEFT_INBOUND -p tcp --dport 15021 -j RETURN
-A WEFT_INBOUND -p tcp --dport 15090 -j RETURN
-A WEFT_INBOUND -p tcp -j WEFT_TO_INBOUND
-A WEFT_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN
-A WEFT_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --uid-owner 1337 -j WEFT_TO_INBOUND
-A WEFT_OUTPUT -o lo -j RETURN
-A WEFT_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A WEFT_OUTPUT -d 127.0.0.1/32 -j RETURN
-A WEFT_OUTPUT -j WEFT_TO_OUTBOUND
-A PREROUTING -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j WEFT_INBOUND
-A OUTPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j WEFT_OUTPUT
COMMIT
`)
})

test('what comes in is redirected at the ports asked for', () => {
  expect(rulesOf('WEFT_INBOUND', { includeInboundPorts: '8080, 9090' })).toEqual([
    '-p tcp --dport 8080 -j WEFT_TO_INBOUND',
    '-p tcp --dport 9090 -j WEFT_TO_INBOUND',
  ])
  expect(rulesOf('WEFT_INBOUND', { includeInboundPorts: '' })).toEqual([])
  expect(rulesOf('WEFT_INBOUND', { excludeInboundPorts: '22' }).slice(-2)).toEqual([
    '-p tcp --dport 22 -j RETURN',
    '-p tcp -j WEFT_TO_INBOUND',
  ])
})

test('what goes out is redirected but for exceptions, which come first', () => {
  const annotations = {
    includeOutboundIPRanges: '10.0.0.0/8',
    excludeOutboundIPRanges: '10.1.0.0/16',
    includeOutboundPorts: '5432',
    excludeOutboundPorts: '25',
  }
  expect(rulesOf('WEFT_OUTPUT', annotations).slice(-4)).toEqual([
    '-p tcp --dport 25 -j RETURN',
    '-d 10.1.0.0/16 -j RETURN',
    '-p tcp --dport 5432 -j WEFT_TO_OUTBOUND',
    '-d 10.0.0.0/8 -j WEFT_TO_OUTBOUND',
  ])
})

test('of IPv6 the same is redirected, by its own ranges and addresses', () => {
  const annotations = { includeOutboundIPRanges: '10.0.0.0/8, fd00::/8', excludeOutboundIPRanges: 'fd00:1::7,10.1.2.3' }
  expect(rulesOf('WEFT_OUTPUT', annotations, 'IPv6')).toEqual([
    '-s ::6/128 -o lo -j RETURN',
    '! -d ::1/128 -o lo -p tcp -m owner --uid-owner 1337 -j WEFT_TO_INBOUND',
    '-o lo -j RETURN',
    '-m owner --uid-owner 1337 -j RETURN',
    '-d ::1/128 -j RETURN',
    '-d fd00:1::7 -j RETURN',
    '-d fd00::/8 -j WEFT_TO_OUTBOUND',
  ])
  expect(rulesOf('WEFT_OUTPUT', annotations).slice(-2)).toEqual([
    '-d 10.1.2.3 -j RETURN',
    '-d 10.0.0.0/8 -j WEFT_TO_OUTBOUND',
  ])
  const transparent = captureOptions({ 'sidecar.istio.io/interceptionMode': 'TPROXY' })
  expect(redirectRules(transparent, '', 'IPv6')).toContain('--on-ip :: ')
  const dns = { ...captureOptions({ 'weft.dev/dns-capture': 'true' }), ipv6: true }
  for (const family of ['IPv4', 'IPv6'] as const)
    expect(redirectRules(dns, '', family).match(/hex-string "(.*?)"/g)).toEqual([
      'hex-string "|0000010001|"',
      'hex-string "|00001c0001|"',
    ])
})

test.each([
  ['excludeInboundPorts', '70000'],
  ['excludeOutboundPorts', '80 -j ACCEPT'],
  ['includeInboundPorts', '*,80'],
  ['includeOutboundIPRanges', '10.0.0.0/33'],
  ['includeOutboundIPRanges', 'fd00::/129'],
  ['excludeOutboundIPRanges', 'example.com'],
])('%s: "%s" is refused by name', (name, text) => {
  expect(() => at({ [name]: text })).toThrow(
    `annotation traffic.sidecar.istio.io/${name}: "${text.split(',')[0]}" is not`,
  )
})

const SAVED = `*nat
:PREROUTING ACCEPT [0:0]
:WEFT_INBOUND - [0:0]
:OTHERS - [0:0]
-A PREROUTING -p tcp -j OTHERS
-A PREROUTING -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j WEFT_INBOUND
COMMIT
`

test('rules that are there are replaced, and those of others left alone', () => {
  const again = redirectRules(captureOptions({}), SAVED).split('\n')
  expect(again.filter((line) => line.startsWith('-D'))).toEqual([
    '-D PREROUTING -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j WEFT_INBOUND',
  ])
  expect(again.join('\n')).not.toContain('OTHERS')
})

test('taken back, nothing of them is left', () => {
  expect(undoRules(SAVED)).toBe(`*nat
:WEFT_INBOUND - [0:0]
-D PREROUTING -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j WEFT_INBOUND
-X WEFT_INBOUND
COMMIT
`)
  expect(undoRules('*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n')).toBe('')
})

test('questions for IPv4 addresses are redirected where they are asked for, and no longer when they are not', () => {
  const rules = redirectRules(captureOptions({ 'weft.dev/dns-capture': 'true' }), '').split('\n')
  expect(rules.filter((rule) => /DNS|15053/.test(rule))).toEqual([
    ':WEFT_DNS - [0:0]',
    '-A WEFT_DNS -m owner --uid-owner 1337 -j RETURN',
    '-A WEFT_DNS -p udp -m string --hex-string "|0000010001|" --algo bm -j REDIRECT --to-ports 15053',
    '-A OUTPUT -p udp -m udp --dport 53 -j WEFT_DNS',
  ])
  const saved = '*nat\n:WEFT_DNS - [0:0]\n-A OUTPUT -p udp -m udp --dport 53 -j WEFT_DNS\nCOMMIT\n'
  expect(redirectRules(captureOptions({}), saved)).toContain('\n-D OUTPUT -p udp -m udp --dport 53 -j WEFT_DNS\n')
  expect(undoRules(saved).split('\n')).toEqual([
    '*nat',
    ':WEFT_DNS - [0:0]',
    '-D OUTPUT -p udp -m udp --dport 53 -j WEFT_DNS',
    '-X WEFT_DNS',
    'COMMIT',
    '',
  ])
})

test('where the application is to see its clients, what comes in is handed to the proxy as it is', () => {
  const transparent = captureOptions({ 'sidecar.istio.io/interceptionMode': 'TPROXY' })
  const rules = redirectRules(transparent, '')
  expect(rules.slice(rules.indexOf('*mangle'))).toBe(`*mangle
:WEFT_CLIENTS - [0:0]
:WEFT_INTERCEPT - [0:0]
-A WEFT_INTERCEPT -i lo -m mark --mark 1337 -j CONNMARK --save-mark
-A WEFT_INTERCEPT -i lo -j RETURN
-A WEFT_INTERCEPT -p tcp --dport 15020 -j RETURN
-A WEFT_INTERCEPT -p tcp --dport 15021 -j RETURN
-A WEFT_INTERCEPT -p tcp --dport 15090 -j RETURN
-A WEFT_INTERCEPT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0
-A WEFT_CLIENTS -m connmark --mark 1337 -j CONNMARK --restore-mark
-A PREROUTING -p tcp -j WEFT_INTERCEPT
-A OUTPUT -p tcp -j WEFT_CLIENTS
COMMIT
`)
  // Of all that comes in, nothing is redirected besides; the proxy is known by its group.
  expect(rules).not.toContain('-A WEFT_INBOUND ')
  expect(rules).toContain('--gid-owner 1337')
  expect(rules).not.toContain('--uid-owner')
})

test('rules for transparency are taken back with the others, and when they are asked for no more', () => {
  const saved = redirectRules(captureOptions({ 'sidecar.istio.io/interceptionMode': 'TPROXY' }), '')
  const undone = undoRules(saved)
  for (const line of ['-D PREROUTING -p tcp -j WEFT_INTERCEPT', '-D OUTPUT -p tcp -j WEFT_CLIENTS', '-X WEFT_CLIENTS'])
    expect(undone.slice(undone.indexOf('*mangle'))).toContain(`${line}\n`)
  expect(redirectRules(captureOptions({}), saved)).toContain('-X WEFT_INTERCEPT')
})

test('what a host’s agent connects to is where it means to, names included', () => {
  const rules = redirectRules({ ...captureOptions({}), dns: true, exceptGid: 1338 }, '').split('\n')
  const first = (chain: string) => rules.find((line) => line.startsWith(`-A ${chain} `))
  expect(first('WEFT_OUTPUT')).toBe('-A WEFT_OUTPUT -m owner --gid-owner 1338 -j RETURN')
  expect(first('WEFT_DNS')).toBe('-A WEFT_DNS -m owner --gid-owner 1338 -j RETURN')
})
