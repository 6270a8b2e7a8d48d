import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { entryOfHost } from '../agent/workload-group/host-membership.ts'
import type { Health } from '../agent/workload-group/membership.ts'
import { isWell } from '../mesh/member-health.ts'
import type { WorkloadGroup } from '../resources/istio.ts'
import { parseYaml } from '../resources/parse.ts'
import { Store } from '../store/store.ts'
import { localMembers } from './local-members.ts'

const [group] = parseYaml(
  `
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: db, namespace: shop }
spec: { metadata: { labels: { app: db } }, template: { serviceAccount: db } }
`,
  'group.yaml',
).resources as unknown as [WorkloadGroup]
const folder = mkdtempSync(join(tmpdir(), 'weft-members-'))
afterAll(() => rmSync(folder, { recursive: true }))

const AT = { address: '192.0.2.7', capture: { mode: 'redirect', dns: true } } as const
const health = (status: Health['status'], lastProbeTime: string): Health => ({
  type: 'Healthy',
  status,
  message: '',
  lastTransitionTime: '',
  lastProbeTime,
})

test('the entry of a host says how its traffic gets to its proxy, and that it takes mutual TLS once it is well', () => {
  const entry = entryOfHost(group, 'db-1', AT)
  expect(entry.metadata).toMatchObject({
    name: 'db-db-1',
    namespace: 'shop',
    labels: { app: 'db', 'security.istio.io/tlsMode': 'istio' },
    annotations: { 'weft.dev/host': 'db-1', 'weft.dev/dns-capture': 'true' },
  })
  expect(entry.spec).toEqual({ serviceAccount: 'db', address: '192.0.2.7' })
  expect(isWell(entry)).toBe(false)
  const listening = { mode: 'listeners', appAddress: '127.0.0.1', httpProxyPort: 15001 } as const
  expect(entryOfHost(group, 'db-1', { ...AT, capture: listening }).metadata.annotations).toMatchObject({
    'weft.dev/app-address': '127.0.0.1',
    'weft.dev/http-proxy-port': '15001',
  })
})

test('hosts of a mesh without an API server are known as long as they say something, and telling the same again changes nothing', async () => {
  vi.useFakeTimers()
  try {
    const file = join(folder, 'hosts.json')
    const store = new Store()
    const members = localMembers(store, file, 1000)
    const entry = entryOfHost(group, 'db-1', AT)
    const there = () => store.snapshot.get('networking.istio.io/WorkloadEntry', 'shop/db-db-1')
    await members.put(entry)
    expect(there() && isWell(there() as never)).toBe(false)
    await members.tell(entry, health('True', '1'))
    const told = there()
    expect(told && isWell(told)).toBe(true)
    vi.advanceTimersByTime(900)
    await members.tell(entry, health('True', '2'))
    expect(there()).toBe(told)
    vi.advanceTimersByTime(900)
    await members.tell(entry, health('False', '3'))
    expect(isWell(there() as never)).toBe(false)
    // An agent that begins anew says where it is, and what was told of it counts until it tells otherwise.
    await members.put({ ...entry, spec: { ...entry.spec, address: '192.0.2.8' } })
    expect(there()).toMatchObject({ spec: { address: '192.0.2.8' }, status: { conditions: [{ status: 'False' }] } })
    members.close()
    // A server that is started again knows them at once, for as long.
    const next = new Store()
    const again = localMembers(next, file, 1000)
    const stillThere = () => next.snapshot.get('networking.istio.io/WorkloadEntry', 'shop/db-db-1')
    expect(stillThere()).toEqual(there())
    vi.advanceTimersByTime(1100)
    expect(stillThere()).toBe(undefined)
    again.close()
    const last = new Store()
    localMembers(last, file, 1000).close()
    expect([...last.snapshot.resources()]).toEqual([])
  } finally {
    vi.useRealTimers()
  }
})
