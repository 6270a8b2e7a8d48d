import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { references } from '../../scripts/generate-cli-reference.ts'
import { checkout } from './weft.ts'

test('the reference is what the program says of itself', async () => {
  for (const [path, text] of Object.entries(await references())) {
    const written = readFileSync(join(checkout, path), 'utf8')
    expect(written, `${path} is out of date: run node_modules/.bin/node scripts/generate-cli-reference.ts`).toBe(text)
  }
})

test('every rule that the program names is in the reference', () => {
  const reference = readFileSync(join(checkout, 'docs/reference/messages.md'), 'utf8')
  const source = readdirSync(join(checkout, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(checkout, 'src', file), 'utf8'))
    .join('\n')
  const rules = [...source.matchAll(/\brule: '([a-z0-9-]+)'/g)].map(([, rule]) => rule)
  expect(rules.length).toBeGreaterThan(40)
  expect(rules.filter((rule) => !reference.includes(`\`${rule}\``))).toEqual([])
})
