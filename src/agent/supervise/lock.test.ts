import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { lockHolder, takeLock } from './lock.ts'

const module = fileURLToPath(new URL('./lock.ts', import.meta.url))

test('only one can hold a lock, and says who it is', async () => {
  const name = randomUUID()
  const lock = await takeLock(name)
  if ('heldBy' in lock) expect.fail('nobody else knows this name')
  expect(await takeLock(name)).toEqual({ heldBy: process.pid })
  expect(await lockHolder(name)).toBe(process.pid)
  await lock.release()
  expect(await lockHolder(name)).toBeUndefined()
})

test('a lock ends with its process, however that ends', async () => {
  const name = randomUUID()
  const script = `import('${module}').then(({ takeLock }) => takeLock('${name}')).then(() => { console.log('held'); setInterval(() => {}, 1000) })`
  const holder = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  expect(await lockHolder(name)).toBe(holder.pid)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  expect(await lockHolder(name)).toBeUndefined()
})
