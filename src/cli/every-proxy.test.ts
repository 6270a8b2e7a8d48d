import { expect, test } from 'vitest'
import type { Pod } from '../resources/core.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { confirmed, everyProxyConfirms } from './every-proxy.ts'
import type { Mesh } from './mesh.ts'

const pod = (name: string, phase = 'Running', metadata: object = {}) =>
  ({
    metadata: { namespace: 'shop', name, labels: { 'security.istio.io/tlsMode': 'istio' }, ...metadata },
    status: { phase },
  }) as unknown as Pod

const proxy = (name: string, ...states: readonly string[]) =>
  ({ proxy: `shop/${name}`, connectedSince: 1, types: states.map((state) => ({ state })) }) as unknown as ProxyStatus

const mesh = (pods: readonly Pod[], connected: readonly ProxyStatus[]) =>
  ({ get: async () => pods, getAll: async () => [connected] }) as unknown as Mesh

test('a proxy has confirmed what it is to have where it is connected, was asked, and nothing is on its way', () => {
  const pods = [pod('a'), pod('b'), pod('c'), pod('away')]
  const connected = [proxy('a', 'synced', 'synced'), proxy('b', 'synced', 'stale'), proxy('c'), proxy('host', 'synced')]
  expect(confirmed(pods, connected)).toEqual({
    all: ['shop/a', 'shop/away', 'shop/b', 'shop/c', 'shop/host'],
    behind: ['shop/away', 'shop/b', 'shop/c'],
  })
})

test('nobody waits for pods that are done, go or have not begun, nor for those without a proxy', () => {
  const pods = [
    pod('job', 'Succeeded'),
    pod('new', 'Pending'),
    pod('going', 'Running', { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    pod('plain', 'Running', { labels: {} }),
  ]
  expect(confirmed(pods, [])).toEqual({ all: [], behind: [] })
})

test('those that have not in time are named, with what to do', async () => {
  await expect(everyProxyConfirms(mesh([pod('a'), pod('b')], [proxy('a', 'synced')]), 0, () => {})).rejects.toThrow(
    '1 of 2 proxies have not confirmed it within 0 s: shop/b',
  )
  await expect(everyProxyConfirms(mesh([pod('a')], [proxy('a', 'synced')]), 0, () => {})).resolves.toBe(1)
})
