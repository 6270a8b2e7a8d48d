import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { expect, it } from 'vitest'
import { stringify } from 'yaml'
import { constraintProblem } from '../envoy-constraints.ts'
import { envoyJson } from '../envoy-json.ts'

/** What Istio's metrics take is long and the same in every listener: tests of their own show it. */
const OF_METRICS = ['envoy.access_loggers.stats', 'weft.peer_names']

function withoutMetrics(value: unknown): unknown {
  if (Array.isArray(value))
    return value
      .map(withoutMetrics)
      .filter((each) => !OF_METRICS.includes((each as { name: string } | null)?.name ?? ''))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutMetrics(each)]))
}

/** A resource of some kind, for reading. */
export interface Shown {
  readonly schema: DescMessage
  readonly name: string
  readonly message: unknown
}

/**
 * A test for each `NAME.in.yaml` in a folder: what `translate` makes of it must be what `NAME.out.yaml` says. UPDATE_GOLDEN=1 writes
 * what comes out. And it must be what Envoy's API allows.
 */
export function goldenPairs(folder: string, translate: (input: string) => Iterable<Shown>): void {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.in.yaml'))) {
    it(file.replace('.in.yaml', ''), () => {
      const input = readFileSync(join(folder, file), 'utf8')
      const shown = [...translate(input)]
      for (const { schema, name, message } of shown)
        expect({ name, problem: constraintProblem(schema, message as MessageShape<typeof schema>) }).toEqual({ name })
      const documents = shown.map(({ schema, message }) =>
        stringify(withoutMetrics(envoyJson(schema, message as MessageShape<typeof schema>)), { lineWidth: 0 }),
      )
      const output = join(folder, file.replace('.in.', '.out.'))
      const text = documents.join('---\n')
      if (process.env['UPDATE_GOLDEN']) writeFileSync(output, text)
      expect(text).toBe(readFileSync(output, 'utf8'))
    })
  }
}
