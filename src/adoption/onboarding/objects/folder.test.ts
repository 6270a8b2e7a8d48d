import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import type { ObjectName, Objects } from '../world.ts'
import { folderObjects } from './folder.ts'

const TEXT = `# Ours.
apiVersion: v1
kind: Service
metadata: { name: cart }
spec: { selector: { app: cart } } # short
---
# The cart.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart # as everywhere
  namespace: shop
spec:
  template:
    metadata:
      labels: { app: cart, sidecar.istio.io/inject: "false" } # not yet
status: { replicas: 1 }
`

let folder: string
let objects: Objects
const name = (kind: string, apiVersion: string, named: string, namespace?: string): ObjectName => ({
  apiVersion,
  kind,
  metadata: { name: named, ...(namespace === undefined ? {} : { namespace }) },
})
const DEPLOYMENT = name('Deployment', 'apps/v1beta1', 'cart', 'shop')
const text = () => readFileSync(join(folder, 'cart.yaml'), 'utf8')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'objects-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'cart.yaml'), TEXT)
  objects = folderObjects(folder)
})

test('reads by group, kind and name, without status; a namespace that is not written is the default one', async () => {
  const deployment = await objects.read(DEPLOYMENT)
  expect(deployment).toMatchObject({ kind: 'Deployment', metadata: { name: 'cart', namespace: 'shop' } })
  expect(deployment).not.toHaveProperty('status')
  expect(await objects.read(name('Service', 'v1', 'cart', 'default'))).toBeDefined()
  expect(await objects.read(name('Service', 'v1', 'cart', 'shop'))).toBeUndefined()
  expect(await objects.list({ apiVersion: 'apps/v1', kind: 'Deployment' })).toHaveLength(1)
})

test('changes fields where they stand: comments, status and others stay; to write it again changes nothing', async () => {
  const before = await objects.read(DEPLOYMENT)
  if (!before) throw new Error('it is there')
  const spec = { template: { metadata: { labels: { app: 'cart', 'sidecar.istio.io/inject': 'true' } } } }
  for (let i = 0; i < 2; i++) {
    await objects.write({ put: [{ ...before, spec }], remove: [] }, 'proxies')
    expect(text()).toBe(TEXT.replace('"false"', '"true"'))
  }
})

test('leaves fields out that are gone', async () => {
  const service = await objects.read(name('Service', 'v1', 'cart', 'default'))
  if (!service) throw new Error('it is there')
  await objects.write({ put: [{ ...service, spec: undefined }], remove: [] }, 'none')
  expect(text()).toBe(TEXT.replace('spec: { selector: { app: cart } } # short\n', ''))
})

test('gives what is new a file of its own, which goes with it', async () => {
  const policy = { ...name('PeerAuthentication', 'security.istio.io/v1', 'cart', 'shop'), spec: { mtls: {} } }
  await objects.write({ put: [policy], remove: [] }, 'new')
  expect(readdirSync(folder).sort()).toEqual(['cart.yaml', 'shop.cart.peerauthentication.yaml'])
  expect(await objects.read(policy)).toEqual(policy)
  await objects.write({ put: [], remove: [policy, name('Secret', 'v1', 'nobody', 'shop')] }, 'gone')
  expect(readdirSync(folder)).toEqual(['cart.yaml'])
})

test('takes a document out of a file with others', async () => {
  await objects.write({ put: [], remove: [DEPLOYMENT] }, 'gone')
  expect(await objects.list({ apiVersion: 'apps/v1', kind: 'Deployment' })).toEqual([])
  expect(await objects.read(name('Service', 'v1', 'cart', 'default'))).toBeDefined()
})

test('leaves alone what cannot be read', async () => {
  writeFileSync(join(folder, 'broken.yaml'), 'kind: [\n')
  await objects.write({ put: [], remove: [DEPLOYMENT] }, 'gone')
  expect(readFileSync(join(folder, 'broken.yaml'), 'utf8')).toBe('kind: [\n')
})
