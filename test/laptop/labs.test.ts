// Every lab of `weft learn`, on one mesh: what is to be done is not done at the beginning, the solution does it, and nothing stays.
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { filesOf } from '../../src/adoption/learn/folder.ts'
import { LABS } from '../../src/adoption/learn/labs.ts'
import { startMesh, type TestMesh } from './mesh.ts'
import { plaintext } from './outsider.ts'

let mesh: TestMesh
let before: Readonly<Record<string, string>>
beforeAll(async () => {
  mesh = await startMesh({ args: ['--demo'] })
  await mesh.synced()
  before = filesOf(mesh.folder)
})
afterAll(() => mesh?.dispose())

const evidence = () => ['--folder', join(mesh.home, 'adoption'), '--as', 'Ana']
const learn = (...args: readonly string[]) => mesh.weft('learn', ...args)

/** What a command prints; it must go well. */
async function printed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await learn(...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

describe.each(LABS.map((lab) => [lab.id, lab] as const))('%s', (id, lab) => {
  test('is not done at the beginning, is with its solution, and goes without a trace', async () => {
    const task = await printed('start', id)
    expect(task).toContain(lab.title)
    expect(task).toContain(mesh.folder)
    // The mesh has read what was set up.
    for (const [name, text] of Object.entries(lab.setup)) if (text !== null) await mesh.write(name, text)
    await mesh.synced()

    const { files = {}, commands = [], answers = {} } = lab.solution
    const wrong = Object.keys(answers).flatMap((key) => ['--answer', `${key}=nothing`])
    const early = await learn('check', ...wrong, ...evidence())
    expect(early.code, early.stdout).toBe(1)
    expect(early.stdout).toMatch(/✗ .*: .*\n/)

    for (const [name, text] of Object.entries(files)) await (text === null ? mesh.remove(name) : mesh.write(name, text))
    for (const command of commands) expect(await mesh.weft(...command)).toMatchObject({ code: 0 })
    const right = Object.entries(answers).flatMap(([key, value]) => ['--answer', `${key}=${value}`])
    await expect
      .poll(async () => (await learn('check', ...right, ...evidence())).stdout, { timeout: 90_000, interval: 1000 })
      .toMatch(/Done, Ana: /)

    expect(await printed('stop')).toContain('is cleared away')
    expect(filesOf(mesh.folder)).toEqual(before)
    await mesh.synced()
  }, 240_000)
})

test('who finished what is written down, and counts as training', async () => {
  const list = await printed('list', ...evidence())
  expect(list.match(/^✓/gm)).toHaveLength(LABS.length)
  expect(list).toContain(`Ana: ${LABS.length} of ${LABS.length}`)
  const { stdout } = await mesh.weft(
    'adopt',
    'prepare',
    '--folder',
    join(mesh.home, 'adoption'),
    '--from-mesh',
    'demo',
    '-o',
    'json',
  )
  const items = JSON.parse(stdout) as { id: string; state: string; seen?: { says: string } }[]
  const item = (id: string) => items.find((each) => each.id === id)
  expect(item('training')?.seen?.says).toBe('Ana finished 4 labs or more')
  expect(item('root')).toMatchObject({
    state: 'open',
    seen: { says: 'a self-signed root that the mesh made itself is in use' },
  })
})

test('what runs is listed with what its traffic showed, and planned', async () => {
  const folder = ['--folder', join(mesh.home, 'adoption')]
  for (let i = 0; i < 5; i++) expect((await mesh.get('/productpage')).status).toBe(200)
  // Somebody without an identity asks details.
  expect(await plaintext((await mesh.pod('details-v1-0')).plan.address, 9080, '/details/0')).toBe(200)
  const observed = async () => {
    await mesh.weft('adopt', 'import', '--from-mesh', 'demo', '--with-traffic', '1h', ...folder)
    const { stdout } = await mesh.weft('adopt', 'plan', '-o', 'json', ...folder)
    const plan = JSON.parse(stdout) as {
      gateways: { application: string }[]
      waves: { steps: { application: string; why: string[] }[] }[]
    }
    const details = plan.waves
      .flatMap(({ steps }) => steps)
      .find(({ application }) => application === 'default/details')
    return [...plan.gateways.map(({ application }) => `gateway for ${application}`), ...(details?.why ?? [])].join('\n')
  }
  await expect
    .poll(observed, { timeout: 90_000, interval: 2000 })
    .toMatch(
      /^gateway for default\/productpage[\s\S]*it cannot go STRICT while unknown calls it from outside of the mesh$/,
    )
})

test('hints are given one by one, and the solution last', async () => {
  await printed('start', 'routing')
  expect(await printed('hint')).toMatch(/^Hint 1 of 3: /)
  expect(await printed('hint')).toMatch(/^Hint 2 of 3: /)
  expect(await printed('hint')).toMatch(/^Hint 3 of 3: /)
  expect(await printed('hint')).toContain('One solution')
  await printed('stop')
})

test('what cannot be is told', async () => {
  expect(await learn('check')).toMatchObject({ code: 1, stderr: expect.stringContaining('no lab is under way') })
  expect(await learn('start', 'rooting')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('did you mean "routing"?'),
  })
  await printed('start', 'routing')
  expect(await learn('start', 'canary')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the lab "routing" is under way'),
  })
  await printed('stop')
})
