import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { editedFile, extendedFile, isInFile } from './edit-file.ts'

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
const path = ['spec', 'http']
const before = { route: [{ destination: { host: 'shop', subset: 'v1' }, weight: 100 }] }
const after = {
  route: [
    { destination: { host: 'shop', subset: 'v1' }, weight: 90 },
    { destination: { host: 'shop', subset: 'v2' }, weight: 10 },
  ],
}
const change = { path, index: 0, before, after }

test('a field is set; comments and the other documents stay', () => {
  expect(editedFile(FILE, wanted, change)).toBe(
    FILE.replace(
      'subset: v1 }, weight: 100 }',
      'subset: v1 }, weight: 90 }\n        - { destination: { host: shop, subset: v2 }, weight: 10 }',
    ),
  )
})

test('an item is put in before another, and taken out', () => {
  const item = { name: 'some', match: [{ headers: { a: { exact: 'b' } } }] }
  const more = editedFile(FILE, wanted, { path, index: 0, before: undefined, after: item }) ?? ''
  expect(more).toBe(
    FILE.replace(
      '    - route: # weights',
      '    - name: some\n      match:\n        - headers:\n            a:\n              exact: b\n    - route: # weights',
    ),
  )
  expect(editedFile(more, wanted, { path, index: 0, before: item, after: undefined })).toBe(FILE)
})

test('an item is put in a list on one line, and taken out', () => {
  const flow = 'kind: VirtualService\nmetadata: { name: shop }\nspec: { http: [{ a: 1 }] } # all\n'
  const more = editedFile(flow, wanted, { path, index: 0, before: undefined, after: { b: 2 } }) ?? ''
  expect(more).toBe(flow.replace('[', '[{ b: 2 }, '))
  expect(editedFile(more, wanted, { path, index: 0, before: { b: 2 }, after: undefined })).toBe(flow)
})

test('an item with more fields, or fewer, is written as a whole', () => {
  const more = editedFile(FILE, wanted, { ...change, after: { ...before, timeout: '1s' } }) ?? ''
  expect(parseAllDocuments(more).at(1)?.toJS()).toMatchObject({ spec: { http: [{ ...before, timeout: '1s' }] } })
  expect(more.startsWith(FILE.slice(0, FILE.indexOf('- route')))).toBe(true)
})

test('in a List, and in another namespace', () => {
  const list =
    'kind: List\nitems:\n  - { kind: VirtualService, metadata: { name: shop, namespace: b }, spec: { http: [{ a: 1 }] } }\n'
  const set = { path, index: 0, before: { a: 1 }, after: { a: 2 } }
  expect(editedFile(list, wanted, set)).toBeUndefined()
  expect(editedFile(list, { ...wanted, namespace: 'b' }, set)).toBe(list.replace('a: 1', 'a: 2'))
  expect(editedFile(FILE, { ...wanted, namespace: 'b' }, change, 'b')).toContain('route: # weights')
  expect([isInFile(list, wanted), isInFile(list, wanted, 'b'), isInFile(list, { ...wanted, namespace: 'b' })]).toEqual([
    false,
    false,
    true,
  ])
})

test('what is broken, or not there, is left alone', () => {
  expect(editedFile('a: [\n', wanted, change)).toBeUndefined()
  expect(editedFile('', wanted, change)).toBeUndefined()
  expect(editedFile(FILE, wanted, { ...change, index: 1 })).toBeUndefined()
})

test('objects are added at the end', () => {
  expect(extendedFile('kind: A', [{ kind: 'B' }, { kind: 'C' }])).toBe('kind: A\n---\nkind: B\n---\nkind: C\n')
})
