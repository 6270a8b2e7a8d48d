import { describe, expect, test } from 'vitest'
import { parseYaml } from './parse.ts'
import { positionOf } from './position.ts'
import type { FieldPath, Resource } from './resource.ts'

const FILE = `# a comment
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts: [reviews, &host ratings]
  http:
  - route:
    - destination:
        host: *host
        subset: v1
      weight: 90
    - destination: {host: reviews, subset: "v 2"}
  - match:
    - headers:
        "end-user": {exact: jason}
`

function resource(yaml: string, name: string): Resource {
  const found = parseYaml(yaml, 'a.yaml').resources.find(({ metadata }) => metadata.name === name)
  if (!found) throw new Error(`no ${name}`)
  return found
}

/** `line:column`, and the text there up to the end of the line. */
function at(object: Resource, yaml: string, path: FieldPath, part?: 'key' | 'value'): string {
  const position = positionOf(object, path, part)
  if (!position) return 'nowhere'
  return (
    yaml
      .split('\n')
      .at(position.line - 1)
      ?.slice(position.column - 1) ?? 'outside the file'
  )
}

describe('where a field is', () => {
  const object = resource(FILE, 'reviews')

  test.each<[FieldPath, 'key' | 'value', string]>([
    [['metadata', 'name'], 'value', 'reviews'],
    [['metadata', 'name'], 'key', 'name: reviews'],
    [['spec', 'http', 0, 'route', 0, 'destination', 'subset'], 'value', 'v1'],
    [['spec', 'http', 0, 'route', 0, 'weight'], 'value', '90'],
    [['spec', 'http', 0, 'route', 1, 'destination', 'subset'], 'value', '"v 2"}'],
    [['spec', 'http', 0, 'route', 1, 'destination', 'subset'], 'key', 'subset: "v 2"}'],
    [['spec', 'hosts', 0], 'value', 'reviews, &host ratings]'],
    // Of what goes over several lines the key is what people look for.
    [['spec', 'http'], 'value', 'http:'],
    [['spec', 'http', 0, 'route', 0], 'value', 'destination:'],
    [['spec', 'http', 1, 'match', 0, 'headers', 'end-user', 'exact'], 'value', 'jason}'],
    // An alias is where it is used.
    [['spec', 'http', 0, 'route', 0, 'destination', 'host'], 'value', 'host: *host'],
    // What is not there is missing from what encloses it.
    [['spec', 'http', 0, 'timeout'], 'value', 'route:'],
    [['spec', 'http', 7], 'value', 'http:'],
    [['spec', 'gateways', 0], 'value', 'spec:'],
    [[], 'value', 'apiVersion: networking.istio.io/v1'],
  ])('%j: %s', (path, part, text) => {
    expect(at(object, FILE, path, part)).toBe(text)
  })

  test('lines are counted from the start of the file', () => {
    expect(positionOf(object, ['metadata', 'name'])).toEqual({ file: 'a.yaml', line: 9, column: 9 })
    expect(positionOf(resource(FILE, 'a'))).toEqual({ file: 'a.yaml', line: 2, column: 1 })
  })
})

test('in a List the item is meant', () => {
  const yaml = `apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: a}}
- {apiVersion: v1, kind: Service, metadata: {name: b}}
`
  expect(at(resource(yaml, 'b'), yaml, ['metadata', 'name'])).toBe('b}}')
  expect(at(resource(yaml, 'b'), yaml, [])).toBe('{apiVersion: v1, kind: Service, metadata: {name: b}}')
})

test('what comes by a merged map is where it is written', () => {
  const yaml = `apiVersion: v1
kind: Service
metadata: {name: a, labels: &labels {app: a}}
spec:
  selector:
    <<: *labels
    version: v1
`
  expect(at(resource(yaml, 'a'), yaml, ['spec', 'selector', 'app'])).toBe('a}}')
})

test('what was never in a file is nowhere', () => {
  const made = { ...resource(FILE, 'a') }
  for (const symbol of Object.getOwnPropertySymbols(made))
    if (symbol.description === 'origin') Reflect.deleteProperty(made, symbol)
  expect(positionOf(made, ['metadata'])).toBeUndefined()
})
