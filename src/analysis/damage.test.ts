import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { parseYaml } from '../resources/parse.ts'
import { Snapshot } from '../store/snapshot.ts'
import { analyze } from './analyze.ts'

const folder = join(import.meta.dirname, 'testdata')
const documents: unknown[] = readdirSync(folder)
  .filter((name) => name.endsWith('.in.yaml'))
  .flatMap((name) => parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((document) => document.toJS()))

/** The value without the field or item that the numbers lead to. */
function without(value: unknown, [first = 0, ...rest]: readonly number[]): unknown {
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  const index = first % Math.max(1, entries.length)
  const changed = entries.flatMap(([key, child], i) => {
    if (i !== index) return [[key, child]]
    return rest.length === 0 ? [] : [[key, without(child, rest)]]
  })
  return Array.isArray(value) ? changed.map(([, child]) => child) : Object.fromEntries(changed)
}

const damage = fc.array(
  fc.record({ document: fc.nat(documents.length - 1), path: fc.array(fc.nat(9), { minLength: 1, maxLength: 8 }) }),
  { maxLength: 20 },
)

test('whatever is left out of valid objects, an analysis ends with messages that have a place', {
  timeout: 120_000,
}, () => {
  fc.assert(
    fc.property(damage, (cuts) => {
      const damaged = [...documents]
      for (const { document, path } of cuts) damaged[document] = without(damaged[document], path)
      const { resources } = parseYaml(
        damaged.map((document) => JSON.stringify(document)).join('\n---\n'),
        'damaged.yaml',
      )
      for (const { position, problem } of analyze(Snapshot.of(resources))) {
        expect(position?.line).toBeGreaterThan(0)
        expect(problem).not.toMatch(/undefined|\[object/)
      }
    }),
    { numRuns: 50 },
  )
})
