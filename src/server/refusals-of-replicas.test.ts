import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseYaml } from '../resources/parse.ts'
import { Store } from '../store/store.ts'
import { REFUSALS_PATH, RefusalsOfReplicas } from './refusals-of-replicas.ts'
import { Rejections, type SharedRefusal } from './rejections.ts'

const replica = (name: string, address: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: weft-system, labels: { app.kubernetes.io/name: weft-server } }
spec: { containers: [{ name: server }] }
status: { podIP: ${address} }
---
`
const CLUSTER = `${replica('us', '127.0.0.2')}${replica('other', '127.0.0.1')}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: shop }
spec: { hosts: [reviews], http: [{ route: [{ destination: { host: reviews } }] }] }
`

const refused = (key: string): SharedRefusal => ({
  id: `routes ${key} 1`,
  kind: 'networking.istio.io/VirtualService',
  key,
  message: { rule: 'rejected-by-proxy', severity: 'error', problem: 'no such luck', remedy: 'change it' },
})

let answers: readonly SharedRefusal[] | undefined
let asked: EventEmitter
let leading: AbortController
let refusals: RefusalsOfReplicas
let store: Store
let told: number

beforeEach(() => {
  answers = []
  told = 0
  asked = new EventEmitter()
  const replicas = {
    async ask(address: string, _port: number, path: string) {
      await new Promise(setImmediate)
      asked.emit('question')
      if (answers === undefined || address !== '127.0.0.1' || path !== REFUSALS_PATH) throw new Error('no answer')
      return answers
    },
  }
  store = new Store()
  store.apply(parseYaml(CLUSTER, 'cluster.yaml').resources.map((put) => ({ put })))
  leading = new AbortController()
  const own = new Rejections()
  refusals = new RefusalsOfReplicas(
    { store, namespace: 'weft-system', replica: 'us', replicas, own, askMs: 5 },
    leading.signal,
  )
  refusals.subscribe(() => {
    told += 1
  })
})
afterEach(() => {
  leading.abort()
})

const shown = () => refusals.of(store.snapshot).map(([{ metadata }, { problem }]) => `${metadata.name}: ${problem}`)

test('what proxies of another replica refuse is known to the one that leads, once, until they do not', async () => {
  answers = [refused('shop/reviews'), refused('shop/reviews'), refused('shop/gone')]
  await expect.poll(shown, { timeout: 30_000 }).toEqual(['reviews: no such luck'])
  expect(told).toBe(1)
  // One that does not answer has not changed its mind.
  answers = undefined
  await once(asked, 'question')
  await once(asked, 'question')
  expect(shown()).toEqual(['reviews: no such luck'])
  answers = []
  await expect.poll(shown, { timeout: 30_000 }).toEqual([])
  expect(told).toBe(2)
})

test('a replica that is gone refuses nothing', async () => {
  answers = [refused('shop/reviews')]
  await expect.poll(shown, { timeout: 30_000 }).toEqual(['reviews: no such luck'])
  store.apply([{ remove: 'core/Pod', key: 'weft-system/other' }])
  await expect.poll(shown, { timeout: 30_000 }).toEqual([])
})
