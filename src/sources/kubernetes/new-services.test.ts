import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { parseYaml } from '../../resources/parse.ts'
import { KIND, keyOf } from '../../resources/resource.ts'
import type { Change } from '../../store/snapshot.ts'
import { Store } from '../../store/store.ts'
import { NewServices } from './new-services.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const SERVICE = 'apiVersion: v1\nkind: Service\nmetadata: { name: web, namespace: shop }'
const SELECTING = `${SERVICE}\nspec: { selector: { app: web }, ports: [{ port: 80 }] }`
const SLICE = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
endpoints: []
`
const REMOVAL: Change = { remove: 'core/Service', key: 'shop/web' }

/** A store behind it: `take` gives what each batch of YAML or removals has it know, `late` what it heard of later. */
function world() {
  const store = new Store()
  const late: string[] = []
  const services = new NewServices((changes) => {
    late.push(...named(changes))
    store.apply(changes)
  })
  const take = (...parts: readonly (string | Change)[]) => {
    const changes = parts.flatMap((part) =>
      typeof part === 'string' ? parseYaml(part, 'test.yaml').resources.map((put) => ({ put })) : [part],
    )
    const ready = services.ready(changes, store.snapshot)
    store.apply(ready)
    return named(ready)
  }
  return { store, services, take, late }
}

const named = (changes: readonly Change[]) =>
  changes.map((change) => ('put' in change ? `${change.put[KIND]} ${keyOf(change.put)}` : `no ${change.key}`))

const BOTH = ['core/Service shop/web', 'discovery.k8s.io/EndpointSlice shop/web-1']

test('a new Service is known with its first EndpointSlice, in one batch', () => {
  const { take, late } = world()
  expect(take(SELECTING)).toEqual([])
  vi.advanceTimersByTime(50)
  expect(take(SLICE)).toEqual(BOTH)
  vi.runAllTimers()
  expect(late).toEqual([])
  expect(take(SELECTING)).toEqual(['core/Service shop/web'])
})

test('where both come together, nothing waits', () => {
  expect(world().take(SELECTING, SLICE)).toEqual(BOTH)
})

test('nor where the EndpointSlice came first', () => {
  const { take } = world()
  expect(take(SLICE)).toEqual([BOTH[1]])
  expect(take(SELECTING)).toEqual([BOTH[0]])
})

test('nor where nobody makes EndpointSlices', () => {
  expect(world().take(`${SERVICE}\nspec: { ports: [{ port: 80 }] }`)).toEqual([BOTH[0]])
})

test('it does not wait long, and the newest version counts', () => {
  const { take, late, store } = world()
  take(SELECTING)
  vi.advanceTimersByTime(60)
  expect(take(SELECTING.replace('80', '81'))).toEqual([])
  vi.advanceTimersByTime(60)
  expect(late).toEqual(['core/Service shop/web'])
  expect(store.snapshot.get('core/Service', 'shop/web')?.spec?.ports?.[0]?.port).toBe(81)
})

test('one that goes while it waits is not heard of', () => {
  const { take, late } = world()
  take(SELECTING)
  expect(take(REMOVAL)).toEqual(['no shop/web'])
  vi.runAllTimers()
  expect(late).toEqual([])
  expect(take(SELECTING)).toEqual([])
})

test('nor one that waits at the end', () => {
  const { take, late, services } = world()
  take(SELECTING)
  services.close()
  vi.runAllTimers()
  expect(late).toEqual([])
})
