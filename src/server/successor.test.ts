import { afterEach, expect, test, vi } from 'vitest'
import { snapshotOfYaml } from '../mesh/snapshot-of-yaml.ts'
import { SourceState, Store } from '../store/store.ts'
import { anotherServes } from './successor.ts'

const SERVICE = `---
apiVersion: v1
kind: Service
metadata: { name: weft-server, namespace: weft-system }
spec: { ports: [{ port: 15012 }] }
`

const slice = (name: string, service: string, pods: Readonly<Record<string, boolean>>) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: weft-system, labels: { kubernetes.io/service-name: ${service} } }
addressType: IPv4
endpoints: ${JSON.stringify(
  Object.entries(pods).map(([pod, ready], i) => ({
    addresses: [`10.0.0.${i + 1}`],
    conditions: { ready },
    targetRef: { kind: 'Pod', name: pod },
  })),
)}
`

/** A server named `own` that was told to end, among those of `yaml`. */
function ending(yaml: string) {
  const store = new Store()
  const source = new SourceState()
  const see = (now: string) => store.apply(source.replace([...snapshotOfYaml(now).resources()]))
  see(yaml)
  const ended = vi.fn()
  void anotherServes(store, 'weft-system', 'own').then(ended)
  return { see, ended }
}

afterEach(() => {
  vi.useRealTimers()
})

/** So long that all that is settled has been told. */
const settled = () => new Promise(setImmediate)

test('ends at once where another is ready', async () => {
  const { ended } = ending(SERVICE + slice('a', 'weft-server', { own: false, other: true }))
  await settled()
  expect(ended).toHaveBeenCalled()
})

test('goes on until another is ready, which it itself, another Service and one that starts are not', async () => {
  const elsewhere = slice('b', 'shop', { cart: true })
  const { see, ended } = ending(SERVICE + slice('a', 'weft-server', { own: true, other: false }) + elsewhere)
  await settled()
  expect(ended).not.toHaveBeenCalled()
  see(SERVICE + slice('a', 'weft-server', { own: false, other: true }) + elsewhere)
  await settled()
  expect(ended).toHaveBeenCalled()
})

test('ends when Weft is taken away', async () => {
  const { see, ended } = ending(SERVICE + slice('a', 'weft-server', { own: true }))
  see(slice('a', 'weft-server', { own: true }))
  await settled()
  expect(ended).toHaveBeenCalled()
})

test('ends before Kubernetes ends it, where nobody comes', async () => {
  vi.useFakeTimers()
  const { ended } = ending(SERVICE + slice('a', 'weft-server', { own: true }))
  await vi.advanceTimersByTimeAsync(44_000)
  expect(ended).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(2000)
  expect(ended).toHaveBeenCalled()
})
