import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { folderJournal, journalDigest, leftRequests } from '../../adoption/onboarding/journal.ts'
import { newOnboarding, USUAL_LIMITS, USUAL_WINDOWS } from '../../adoption/onboarding/onboarding.ts'
import { adoptionBoard } from './adoption-board.ts'
import { wishOnboarding } from './adoption-wish.ts'
import type { AskedOnboarding } from './answers.ts'

test('without a folder there is nothing to show', async () => {
  expect(await adoptionBoard(undefined)).toEqual({ folder: null, applications: [], problems: [] })
})

test('takes what somebody wants, or says why not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'board-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'applications'))
  const application = (name: string, more = '') =>
    `apiVersion: adoption.weft.dev/v1alpha1\nkind: Application\nmetadata: { name: ${name}, namespace: shop }\nspec: { workloads: [{ name: ${name}-v1 }]${more} }\n`
  const texts = [application('cart'), application('stock', ', exempt: { reason: a quorum }')]
  writeFileSync(join(folder, 'applications', 'all.yaml'), texts.join('---\n'))
  const wish = (of: AskedOnboarding) => wishOnboarding(folder, of)
  expect(await wish({ application: 'shop/nobody', wish: 'start' })).toMatchObject({
    remedy: 'List it first: weft adopt import',
  })
  expect(await wish({ application: 'shop/stock', wish: 'start' })).toEqual({ error: 'shop/stock is exempt: a quorum' })
  expect(await wish({ application: 'shop/cart', wish: 'pause' })).toMatchObject({ remedy: 'Start it' })
  expect(await wish({ application: 'shop/cart', wish: 'start', step: 'strikt' })).toMatchObject({
    error: 'There is no step "strikt"',
  })
  const before = journalDigest(folder)
  expect(await wish({ application: 'shop/cart', wish: 'start', step: 'strict' })).toBeUndefined()
  expect(journalDigest(folder)).not.toBe(before)
  expect((await adoptionBoard(folder)).applications[0]).toMatchObject({ asked: 'to begin', steps: [] })
  expect(leftRequests(folder)).toMatchObject([{ start: { application: 'shop/cart', holdBefore: 'strict' } }])
})

test('shows who is on the way and who is not, and tells what cannot be read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'board-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'applications'))
  const application = (name: string, more: string) =>
    `apiVersion: adoption.weft.dev/v1alpha1\nkind: Application\nmetadata: { name: ${name}, namespace: shop }\nspec: { workloads: [{ name: ${name}-v1 }]${more} }\n`
  writeFileSync(
    join(folder, 'applications', 'all.yaml'),
    [application('stock', ', exempt: { reason: a quorum }'), application('cart', ', owner: { team: checkout }')].join(
      '---\n',
    ),
  )
  const begun = newOnboarding(
    {
      application: 'shop/cart',
      leaveOut: { limits: 'none yet' },
      windows: USUAL_WINDOWS,
      limits: USUAL_LIMITS,
      declared: [],
    },
    1000,
  )
  const findings = [{ holds: true, says: 'all is there' }]
  const held = [{ holds: false, says: 'somebody is missing', remedy: 'wait' }]
  const permissive = { ...begun.steps.permissive, state: 'done' as const, gate: { open: true, at: 1, findings } }
  await folderJournal(folder).save({ ...begun, steps: { ...begun.steps, permissive }, held })

  const board = await adoptionBoard(folder)
  expect(board.applications.map(({ application: name }) => name)).toEqual(['shop/cart', 'shop/stock'])
  const [cart, stock] = board.applications
  expect(cart).toMatchObject({ team: 'checkout', workloads: ['shop/cart-v1'], held })
  expect(cart?.steps.slice(0, 2)).toMatchObject([
    { standing: 'behind', evidence: findings },
    { standing: 'now', since: 1000 },
  ])
  expect(cart?.steps.find(({ standing }) => standing === 'left out')?.title).toContain('rate limits')
  expect(stock).toMatchObject({ exempt: 'a quorum', steps: [] })

  writeFileSync(join(folder, 'onboarding', 'shop.cart.yaml'), 'half: of it\n')
  const broken = await adoptionBoard(folder)
  expect(broken.problems).toHaveLength(1)
  expect(broken.applications).toHaveLength(2)
})
