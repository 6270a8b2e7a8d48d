import { execFileSync } from 'node:child_process'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { capture } from '../../src/agent/capture/netns.ts'
import { captureOptions } from '../../src/agent/capture/rules.ts'
import { inject } from '../../src/injection/inject.ts'
import { DEFAULT_SETTINGS } from '../../src/injection/settings.ts'
import { canRedirect } from '../capture/redirected-pods.ts'
import { expanded } from './injected-pod.ts'

const isPossible = canRedirect()
if (!isPossible) console.warn('skipped: network namespaces need root on Linux, and ip, nsenter, setpriv and iptables')

const annotations = {
  'sidecar.istio.io/interceptionMode': 'TPROXY',
  'weft.dev/dns-capture': 'true',
  'traffic.sidecar.istio.io/excludeInboundPorts': '8081',
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': '10.1.0.0/16, fd00:1::/32',
}

describe.skipIf(!isPossible)('the init container that redirects', () => {
  const networks = ['by-agent', 'by-container'].map((name) => `weft-${process.pid}-${name}`)
  beforeEach(() => {
    for (const name of networks) execFileSync('ip', ['netns', 'add', name])
  })
  afterEach(() => {
    for (const name of networks) execFileSync('ip', ['netns', 'del', name])
  })

  test.each([
    ['of IPv4', []],
    ['of both families where the pod has both', ['fd00:77::1/64']],
  ] as const)('does what the agent would have done, %s', async (_, addresses) => {
    for (const name of networks) execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    for (const name of networks)
      for (const address of addresses) execFileSync('ip', ['-n', name, 'addr', 'add', address, 'dev', 'lo'])
    const [byAgent = '', byContainer = ''] = networks.map((name) => `/run/netns/${name}`)
    await capture(byAgent, captureOptions(annotations))
    const injection = inject(
      {
        pod: { metadata: { annotations }, spec: { containers: [{ name: 'web', image: 'web' }] } },
        namespace: { name: 'shop' },
        object: 'Pod shop/web',
      },
      { ...DEFAULT_SETTINGS, capture: 'init-container' },
    )
    if (injection.outcome !== 'injected') throw new Error('not injected')
    const [container] = injection.pod.spec?.initContainers ?? []
    const env = Object.fromEntries((container?.env ?? []).map(({ name, value = '' }) => [name, expanded(value, {})]))
    execFileSync('nsenter', [`--net=${byContainer}`, ...(container?.command ?? [])], {
      env: { ...process.env, ...env },
    })
    expect(savedRules(byContainer)).toEqual(savedRules(byAgent))
    const [ipv4, ipv6] = savedRules(byContainer).map((rules) => rules.join('\n'))
    expect(ipv4).toMatch(/--dport 8081 -j RETURN.*-d 10.1.0.0\/16 -j RETURN/s)
    if (addresses.length === 0) expect(ipv6).toBe('')
    else expect(ipv6).toMatch(/--dport 8081 -j RETURN.*-d fd00:1::\/32 -j RETURN/s)
  })
})

/** Of IPv4 and IPv6, without comments, which hold the time, and counters. */
function savedRules(netns: string): readonly string[][] {
  return ['iptables-save', 'ip6tables-save'].map((program) => {
    const text = execFileSync('nsenter', [`--net=${netns}`, program], { encoding: 'utf8' })
    return text.split('\n').filter((line) => line.startsWith('-A'))
  })
}
