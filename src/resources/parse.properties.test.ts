import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseYaml } from './parse.ts'
import { positionOf } from './position.ts'
import type { Position } from './resource.ts'

const GOOD = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  labels: &labels {app: reviews}
spec:
  hosts:
  - reviews
  http:
  - match:
    - headers:
        end-user: {exact: jason}
    route:
    - destination: {host: reviews, subset: v2}
      weight: 90
---
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  selector: {<<: &more {app: reviews}}
  ports: [{port: 9080, name: http}]
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: reviews}}
`

/** Pieces that mean something to YAML, to hit more than plain text does. */
const piece = fc.oneof(
  fc.constantFrom(
    ...['\n', '---\n', '...\n', '- ', '  ', ': ', '\t', '{', '}', '[', ']', ',', '&a ', '*a', '<<: ', '"', "'", '|\n'],
    ...[
      '# ',
      '!!str ',
      '? ',
      'null',
      '\r\n',
      '\u2028',
      '\0',
      '%YAML 1.1\n',
      '{{ x }}',
      'kind: List',
      'items:',
      '__proto__: ',
    ],
  ),
  fc.string({ maxLength: 5 }),
)

const mutated = fc
  .array(fc.tuple(fc.nat(GOOD.length), fc.nat(12), piece), { minLength: 1, maxLength: 4 })
  .map((edits) => edits.reduce((text, [at, remove, add]) => text.slice(0, at) + add + text.slice(at + remove), GOOD))

function expectInside(position: Position | undefined, text: string): void {
  expect(position).toBeDefined()
  if (!position) return
  const lines = text.replace(/^\uFEFF/, '').split('\n')
  expect(position.line).toBeGreaterThanOrEqual(1)
  expect(position.line).toBeLessThanOrEqual(lines.length)
  expect(position.column).toBeGreaterThanOrEqual(1)
  expect(position.column).toBeLessThanOrEqual((lines[position.line - 1]?.length ?? 0) + 1)
}

function expectSound(text: string): void {
  const { resources, messages, complete, rejected } = parseYaml(text, 'a.yaml')
  for (const message of messages) expectInside(message.position, text)
  for (const object of resources) {
    expect(Object.isFrozen(object)).toBe(true)
    expectInside(positionOf(object), text)
    expectInside(positionOf(object, ['spec', 'http', 0, 'route']), text)
  }
  if (!complete || rejected.length > 0) expect(messages.some(({ severity }) => severity === 'error')).toBe(true)
}

test('any text can be read, and every message is about a place in it', () => {
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
      expectSound,
    ),
    { numRuns: 1000 },
  )
}, 60_000)

test('any bytes can be read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const { messages, complete } = parseYaml(bytes, 'a.yaml')
      if (!complete) expect(messages).not.toEqual([])
    }),
  )
})

test('any damage to good YAML can be read, and every message is about a place in it', () => {
  fc.assert(fc.property(mutated, expectSound), { numRuns: 1000 })
}, 60_000)

test('damage to one document leaves the others alone', () => {
  const documents = GOOD.split('---\n')
  const damage = fc.constantFrom('\t- x', '{', ' : :', '"', '*nothing', 'a: b: c')
  fc.assert(
    fc.property(fc.nat(documents.length - 1), damage, (which, text) => {
      const damaged = documents.map((document, i) => (i === which ? `${document}${text}\n` : document)).join('---\n')
      const kinds = parseYaml(damaged, 'a.yaml').resources.map(({ kind }) => kind)
      const all = ['VirtualService', 'Service', 'ServiceAccount']
      expect(kinds).toEqual(all.filter((_, i) => i !== which))
    }),
  )
})
