import { expect, test } from 'vitest'
import { editedFile, extendedFile } from './edit-file.ts'

const FILE = `# Routes of the shop.
apiVersion: v1
kind: Service
metadata: {name:   shop}   # spaces are nobody's business
---
# Who gets what.
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [shop] # itself
  http:
    - route: # weights
        - { destination: { host: shop, subset: v1 }, weight: 100 }
`

const wanted = { kind: 'VirtualService', name: 'shop', namespace: 'default' }
const path = ['spec', 'http', 0, 'route']

test('a field is set; comments and the other documents stay', () => {
  const text = editedFile(FILE, wanted, path, [
    { destination: { host: 'shop', subset: 'v1' }, weight: 90 },
    { destination: { host: 'shop', subset: 'v2' }, weight: 10 },
  ])
  expect(text).toBe(
    FILE.replace(
      'subset: v1 }, weight: 100 }',
      'subset: v1 }, weight: 90 }\n        - { destination: { host: shop, subset: v2 }, weight: 10 }',
    ),
  )
})

test('in a List, and in another namespace', () => {
  const list =
    'kind: List\nitems:\n  - { kind: VirtualService, metadata: { name: shop, namespace: b }, spec: { a: 1 } }\n'
  expect(editedFile(list, wanted, ['spec', 'a'], 2)).toBeUndefined()
  expect(editedFile(list, { ...wanted, namespace: 'b' }, ['spec', 'a'], 2)).toBe(list.replace('a: 1', 'a: 2'))
  expect(editedFile(FILE, { ...wanted, namespace: 'b' }, path, [], 'b')).toContain('route: # weights')
})

test('what is broken, or not there, is left alone', () => {
  expect(editedFile('a: [\n', wanted, path, [])).toBeUndefined()
  expect(editedFile('', wanted, path, [])).toBeUndefined()
})

test('objects are added at the end', () => {
  expect(extendedFile('kind: A', [{ kind: 'B' }, { kind: 'C' }])).toBe('kind: A\n---\nkind: B\n---\nkind: C\n')
})
