import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type AuditEntry, AuditLog, recordsIn } from './audit-log.ts'

let folder: string
let file: string
let now: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-audit-'))
  file = join(folder, 'audit.jsonl')
  now = Date.parse('2026-01-01T00:00:00Z')
})
afterEach(() => rmSync(folder, { recursive: true }))

const entry = (more: Partial<AuditEntry> = {}): AuditEntry => ({
  outcome: 'refused',
  action: 'certificate.request',
  who: 'unknown',
  ...more,
})

test('what is recorded is in the file at once, for this user only, and known to the next process', () => {
  new AuditLog({ file, now: () => now }).record(entry({ about: 'a' }))
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(new AuditLog({ file }).records()).toEqual([{ time: '2026-01-01T00:00:00.000Z', ...entry({ about: 'a' }) }])
})

test('the same again within a minute is counted, and after that written anew', () => {
  const log = new AuditLog({ file, now: () => now })
  for (let i = 0; i < 5; i++) log.record(entry())
  log.record(entry({ about: 'else' }))
  expect(log.records().map(({ repeats }) => repeats)).toEqual([4, undefined])
  now += 61_000
  log.record(entry())
  expect(log.records().map(({ repeats }) => repeats)).toEqual([4, undefined, undefined])
  log.close()
  expect(recordsIn(file)).toEqual(log.records())
})

test('what callers say of themselves stays one line, and short', () => {
  const log = new AuditLog({ file, now: () => now })
  log.record(entry({ about: `x\n{"outcome":"done"}\u001b[2J${'y'.repeat(10_000)}` }))
  const text = readFileSync(file, 'utf8')
  expect(text.split('\n')).toHaveLength(2)
  expect(text).not.toContain('\u001b')
  expect(text.length).toBeLessThan(1000)
})

test('memory and files are bounded', () => {
  const log = new AuditLog({ file, now: () => now })
  for (let i = 0; i < 24_000; i++) log.record(entry({ about: `${i}`, reason: 'r'.repeat(400) }))
  expect(log.records()).toHaveLength(5000)
  expect(log.records().at(-1)?.about).toBe('23999')
  expect(statSync(file).size + statSync(`${file}.1`).size).toBeLessThan(9 * 1024 * 1024)
  expect(recordsIn(file).at(-1)?.about).toBe('23999')
})

test('a line that was cut off is left out', () => {
  new AuditLog({ file, now: () => now }).record(entry())
  appendFileSync(file, '{"time":"2026')
  expect(recordsIn(file)).toHaveLength(1)
})

test('what others recorded is kept once, with what they told last, also by the next process', () => {
  const log = new AuditLog({ file, now: () => now })
  const told = { time: '2025-12-31T00:00:00.000Z', ...entry({ about: 'at an agent' }) }
  log.keep([told])
  log.record(entry())
  log.keep([told, { ...told, about: 'another' }])
  log.keep([{ ...told, repeats: 3 }])
  const all = [
    { ...told, repeats: 3 },
    { time: '2026-01-01T00:00:00.000Z', ...entry() },
    { ...told, about: 'another' },
  ]
  expect(log.records()).toEqual(all)
  const next = new AuditLog({ file })
  next.keep([{ ...told, repeats: 3 }])
  expect(next.records()).toEqual(all)
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(4)
})

test('where the file cannot be written, it is remembered all the same, and told', () => {
  const said: string[] = []
  const log = new AuditLog({ file: join(folder, 'no', 'such', 'folder'), tell: (line) => said.push(line) })
  log.record(entry())
  expect(log.records()).toHaveLength(1)
  expect(said).toEqual([expect.stringContaining('cannot be written'), expect.stringContaining('certificate.request')])
})
