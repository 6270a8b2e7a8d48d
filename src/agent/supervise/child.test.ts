import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Child, type ChildEvents, type ChildSpec, type Crash } from './child.ts'

let folder: string
let children: Child[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-child-'))
  children = []
})
afterEach(async () => {
  await Promise.all(children.map((child) => child.stop(0)))
  rmSync(folder, { recursive: true })
})

/** A shell script that is kept running. */
function keep(script: string, events: ChildEvents = {}, more: Partial<ChildSpec> = {}): Child {
  const log = join(folder, 'log')
  const child = new Child(() => ({ command: ['/bin/sh', '-c', script], folder, env: {}, log, ...more }), events)
  children.push(child)
  child.start()
  return child
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const line = async (path: string): Promise<string> => {
  while (!existsSync(path) || !readFileSync(path, 'utf8').includes('\n'))
    await new Promise((resolve) => setTimeout(resolve, 5))
  return readFileSync(path, 'utf8').trim()
}

test('starts again what ends, says why with its last words, and tells of it less and less', async () => {
  const told: Crash[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const onCrash = (crash: Crash) => {
    told.push(crash)
    if (told.length === 4) resolve()
  }
  const child = keep('echo began; echo no config >&2; echo; exit 3', { onCrash })
  await promise
  expect(child.restarts).toBe(4)
  expect(told.map(({ news }) => news)).toEqual([true, true, false, true])
  expect(told.map(({ delay }) => delay)).toEqual([50, 100, 200, 400])
  expect(told[0]?.reason).toBe('ended with code 3 (no config)')
  expect(told[3]?.reason).toContain('and goes on doing so')
})

test('says of a program that is not there that it does not start', async () => {
  const crash = await new Promise<Crash>((resolve) => {
    keep('', { onCrash: resolve }, { command: ['/nope/nothing'] })
  })
  expect(crash.reason).toContain('does not start: spawn /nope/nothing ENOENT')
})

test('ends it with SIGTERM when it minds that, with SIGKILL when it does not', async () => {
  const polite = keep(`trap 'echo ended > polite; exit 0' TERM; echo $$ > pid; while :; do sleep 0.05; done`)
  await line(join(folder, 'pid'))
  await polite.stop(5000)
  expect(await line(join(folder, 'polite'))).toBe('ended')

  const stubborn = keep(`trap '' TERM; echo $$ > stubborn; while :; do sleep 0.05; done`)
  const pid = Number(await line(join(folder, 'stubborn')))
  const began = performance.now()
  await stubborn.stop(100)
  expect(performance.now() - began).toBeGreaterThanOrEqual(100)
  expect(isAlive(pid)).toBe(false)
})

test('is stopped for good', async () => {
  const crash = Promise.withResolvers<void>()
  const child = keep('exit 1', { onCrash: () => crash.resolve() })
  await crash.promise
  await child.stop(0)
  child.start()
  expect(child.pid).toBeUndefined()
})

test('is not started again once it is abandoned', async () => {
  let crashes = 0
  const child = keep('sleep 60', { onCrash: () => crashes++ })
  const { pid = 0 } = child
  child.abandon()
  process.kill(-pid, 'SIGKILL')
  while (child.pid !== undefined) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(crashes).toBe(0)
})

test('takes along what it started in turn', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  keep('sleep 60 & echo $! > grandchild; exit 1', { onCrash: () => resolve() })
  await promise
  const pid = Number(await line(join(folder, 'grandchild')))
  while (isAlive(pid) && !/^[ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? 'X')) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
})

test('talks to a process of ours', async () => {
  const echo = `process.on('message', (message) => process.send({ back: message }))`
  const answer = await new Promise((resolve) => {
    const child = keep('', {}, { command: [process.execPath, '-e', echo], onMessage: resolve })
    child.send({ hello: 1 })
  })
  expect(answer).toEqual({ back: { hello: 1 } })
})
