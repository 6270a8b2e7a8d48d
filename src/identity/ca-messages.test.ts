import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openCa } from './ca.ts'
import { caMessages } from './ca-messages.ts'

const DAY = 86_400_000

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-messages-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a root that Weft made is spoken of as gravely as asked for', async () => {
  const ca = await openCa(join(folder, 'ca'), { log: () => {} })
  expect(caMessages(ca, undefined, Date.now())).toEqual([])
  expect(caMessages(ca, 'warning', Date.now())).toMatchObject([{ rule: 'self-made-root', severity: 'warning' }])
})

test('what ends, and is not renewed, is told of before and after', async () => {
  const ca = await openCa(join(folder, 'ca'), { log: () => {} })
  const brief = (days: number) =>
    caMessages(ca, undefined, Date.now() + days * DAY).map(
      ({ severity, problem }) => `${severity} ${problem.split(' on ')[0]}`,
    )
  expect(brief(270)).toEqual([])
  expect(brief(280)).toEqual(['warning the intermediate of the mesh ends'])
  expect(brief(3640)).toEqual(['warning the root of the mesh ends', 'error the intermediate of the mesh ended'])
})
