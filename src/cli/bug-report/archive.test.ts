import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { archive } from './archive.ts'

test('tar unpacks it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-archive-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const long = `logs/${'n'.repeat(63)}/${'p'.repeat(80)}/proxy.log`
  const entries = [
    { name: 'a.txt', text: 'grüße\n' },
    { name: 'empty.txt', text: '' },
    { name: 'exact.txt', text: 'x'.repeat(512) },
    { name: long, text: 'log\n' },
  ]
  writeFileSync(join(folder, 'report.tar.gz'), archive('report', entries, new Date('2026-01-02T03:04:05Z')))
  execFileSync('tar', ['xzf', 'report.tar.gz'], { cwd: folder })
  for (const { name, text } of entries) expect(readFileSync(join(folder, 'report', name), 'utf8')).toBe(text)
  expect(statSync(join(folder, 'report/a.txt')).mtime).toEqual(new Date('2026-01-02T03:04:05Z'))
})

test('a name that the format has no room for', () => {
  expect(() => archive('report', [{ name: 'n'.repeat(300), text: '' }])).toThrow('is too long a name')
})
