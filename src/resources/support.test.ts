import { describe, expect, test } from 'vitest'
import { KINDS } from './kinds.ts'
import { parseYaml } from './parse.ts'
import { type JsonSchema, resolved } from './schema.ts'
import { fieldsWithReason, reasonAgainst } from './support/reasons.ts'
import type { Support } from './support/support-type.ts'
import { supportOf, unsupportedFields } from './support.ts'
import { schemaOf } from './validate.ts'

/** Fields in `support` that the schema does not have. */
function strayFields(support: Support, schema: JsonSchema, root: JsonSchema, path: string): string[] {
  if (support === true) return []
  const here = resolved(schema, root)
  if (here.items) return strayFields(support, here.items, root, `${path}[]`)
  if (Array.isArray(support)) {
    const allowed = here['enum']
    return Array.isArray(allowed) ? support.filter((value) => !allowed.includes(value)).map((v) => `${path}=${v}`) : []
  }
  return Object.entries(support).flatMap(([field, below]) => {
    const schema = field === '*' ? here.additionalProperties : here.properties?.[field]
    return typeof schema === 'object' ? strayFields(below, schema, root, `${path}.${field}`) : [`${path}.${field}`]
  })
}

test.each(Object.values(KINDS))('$id: what is supported is in the schema', (kind) => {
  const support = supportOf(kind.id)
  const root = schemaOf(kind)
  const spec = root.properties?.['spec'] ?? {}
  expect(support === false ? [] : strayFields(support, spec, root, 'spec')).toEqual([])
})

describe('unsupported fields', () => {
  const unsupported = (yaml: string) => {
    const { resources, messages } = parseYaml(yaml, 'test.yaml')
    expect(messages).toEqual([])
    return resources.flatMap(unsupportedFields)
  }

  test('are named as deep as they are, in every item', () => {
    const yaml = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
  - route: [{ destination: { host: reviews } }]
  - { delegate: { name: other }, fault: { delay: { exponentialDelay: 1s } } }
  - fault: { abort: { http2Error: CANCEL }, delay: { fixedDelay: 1s } }
    route: [{ destination: { host: reviews } }]
`
    expect(unsupported(yaml)).toEqual([
      ['spec', 'http', 1, 'fault', 'delay', 'exponentialDelay'],
      ['spec', 'http', 2, 'fault', 'abort', 'http2Error'],
    ])
  })

  test('values that are not acted upon are named, in whatever case others are', () => {
    const yaml = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gateway }
spec:
  servers:
  - { hosts: ['*'], port: { name: a, number: 80, protocol: http } }
  - { hosts: ['*'], port: { name: b, number: 81, protocol: MYSQL } }
`
    expect(unsupported(yaml)).toEqual([['spec', 'servers', 1, 'port', 'protocol']])
  })

  test('a kind that is not acted upon is named as a whole, core kinds never are', () => {
    expect(
      unsupported('{apiVersion: extensions.istio.io/v1alpha1, kind: WasmPlugin, metadata: {name: a}, spec: {url: x}}'),
    ).toEqual([[]])
    expect(
      unsupported('{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, tty: true}]}}'),
    ).toEqual([])
  })
})

describe('reasons', () => {
  test.each(Object.values(KINDS))('$id: are of fields that there are, and that are not acted upon', (kind) => {
    const root = schemaOf(kind)
    for (const field of fieldsWithReason(kind.id)) {
      const path = field === '' ? [] : field.split('.')
      let schema: JsonSchema | undefined = root.properties?.['spec']
      for (const step of path) {
        while (schema && resolved(schema, root).items) schema = resolved(schema, root).items
        schema = schema && resolved(schema, root).properties?.[step]
      }
      expect(schema, field).toBeDefined()
      expect(acted(supportOf(kind.id), path), field).not.toBe(true)
    }
  })

  const acted = (support: Support | false | undefined, [first, ...rest]: string[]): unknown =>
    first === undefined || typeof support !== 'object' || Array.isArray(support)
      ? support
      : acted((support as Readonly<Record<string, Support>>)[first], rest)

  test('are those of the nearest field above', () => {
    expect(reasonAgainst('networking.istio.io/VirtualService', 'http.fault.abort.http2Error')).toMatch(/Istio/)
    expect(reasonAgainst('networking.istio.io/VirtualService', 'http.timeout')).toBeUndefined()
  })
})
