import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Message } from '../resources/message.ts'
import { parseYaml } from '../resources/parse.ts'
import type { Resource } from '../resources/resource.ts'
import { derivations } from '../store/derive.ts'
import { Snapshot } from '../store/snapshot.ts'
import { analyze } from './analyze.ts'
import { CHECKS } from './checks/registry.ts'

const folder = join(import.meta.dirname, 'testdata')
const inputs = readdirSync(folder).filter((name) => name.endsWith('.in.yaml'))

/** What is said about a file that parses without a word. */
function analyzed(file: string): readonly Message[] {
  return analyze(Snapshot.of(resourcesIn(file)))
}

function resourcesIn(file: string): readonly Resource[] {
  const { resources, messages } = parseYaml(readFileSync(join(folder, file), 'utf8'), file)
  expect(messages).toEqual([])
  return resources
}

function text({ position, severity, rule, object, field, problem, remedy }: Message): string {
  return `${position?.line}:${position?.column} ${severity} ${rule}: ${[object, field].filter(Boolean).join(' ')}\n    ${problem}\n    ${remedy}\n`
}

// UPDATE_GOLDEN=1 writes what is said into the files: read their difference before committing it.
describe('golden pairs', () => {
  test.each(inputs)('%s', (input) => {
    const output = join(folder, input.replace('.in.yaml', '.out.txt'))
    const said = analyzed(input).map(text).join('')
    if (process.env['UPDATE_GOLDEN']) writeFileSync(output, said)
    expect(said).toBe(existsSync(output) ? readFileSync(output, 'utf8') : '')
  })
})

test('every check has found something in a golden pair', () => {
  const found = new Set(inputs.flatMap((input) => analyzed(input).map(({ rule }) => rule)))
  expect(CHECKS.map(({ rule }) => rule).filter((rule) => !found.has(rule))).toEqual([])
})

test('rules have names of their own', () => {
  const names = CHECKS.map(({ rule }) => rule)
  expect(new Set(names).size).toBe(names.length)
  for (const name of names) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
})

test('problems and remedies are sentences without a full stop', () => {
  for (const { problem, remedy } of inputs.flatMap(analyzed)) {
    for (const sentence of [problem, remedy]) expect(sentence).toMatch(/^\S.*[^.\s]$/)
  }
})

test('after a change only those checks look again that look at what changed', () => {
  const all = Snapshot.of(['authorization', 'route-destinations'].flatMap((name) => resourcesIn(`${name}.in.yaml`)))
  const [policy] = [...all.all('security.istio.io/AuthorizationPolicy').values()]
  if (!policy) throw new Error('there is a policy in the file')
  analyze(all)
  derivations.clear()
  analyze(all.with([{ put: { ...policy, metadata: { ...policy.metadata, name: 'another' } } }]))
  const looked = CHECKS.map(({ rule }) => rule).filter((rule) => derivations.has(`analysis/${rule}`))
  expect(looked).toContain('impossible-authorization-rule')
  expect(looked).not.toContain('route-to-missing-host')
  expect(looked.length).toBeLessThan(CHECKS.length / 4)
})
