import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { messageText } from './message.ts'
import { parseYaml } from './parse.ts'
import { positionOf } from './position.ts'

/** Istio's published samples, beside the project where they are at hand. */
const CORPUS = join(import.meta.dirname, '../../../shared/corpus/istio-samples')

/** What is not for a mesh, in files that are part of the samples. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  // An OpenAPI description, no manifest.
  'swagger.yaml': ['not-an-object'],
  // cert-manager's kinds, and Kubernetes' Ingress.
  'bookinfo-certificate.yaml': ['kind-not-used', 'kind-not-used'],
  'bookinfo-ingress.yaml': ['kind-not-used'],
}

describe.skipIf(!existsSync(CORPUS))(`Istio's samples (skipped where ${CORPUS} is absent)`, () => {
  const files = globSync('**/*.yaml', { cwd: CORPUS })

  test('there are some', () => {
    expect(files.length).toBeGreaterThan(50)
  })

  test.each(files)('%s', (file) => {
    const { resources, messages, rejected, complete } = parseYaml(readFileSync(join(CORPUS, file)), file)
    expect(messages.filter(({ severity }) => severity === 'error').map(messageText)).toEqual([])
    expect(messages.map(({ rule }) => rule)).toEqual(EXPECTED[basename(file)] ?? [])
    expect({ rejected, complete }).toEqual({ rejected: [], complete: true })
    const lines = readFileSync(join(CORPUS, file), 'utf8').split('\n')
    for (const object of resources) {
      const { line = 0, column = 0 } = positionOf(object, ['metadata', 'name']) ?? {}
      expect(lines[line - 1]?.slice(column - 1)).toMatch(new RegExp(`^["']?${object.metadata.name}`))
    }
  })
})
