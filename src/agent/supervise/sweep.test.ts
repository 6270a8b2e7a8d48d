import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { markedProcesses, sweep } from './sweep.ts'

let mesh: string
let started: ChildProcess[]
beforeEach(() => {
  mesh = `/nowhere/${randomUUID()}`
  started = []
})
afterEach(() => {
  for (const child of started) child.kill('SIGKILL')
})

async function start(env: Record<string, string>, script = 'echo up; exec sleep 60'): Promise<ChildProcess> {
  const child = spawn('/bin/sh', ['-c', script], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  started.push(child)
  await once(child.stdout, 'data')
  return child
}

test('finds and kills what carries the marks, what that started too, and nothing else', async () => {
  const server = await start({ WEFT_MESH: mesh, WEFT_MESH_RUN: '1', WEFT_MESH_PART: 'plane' })
  const pod = await start({ WEFT_MESH: mesh, WEFT_MESH_RUN: '1', WEFT_MESH_PART: 'pod' }, 'sleep 60 & echo up; wait')
  const later = await start({ WEFT_MESH: mesh, WEFT_MESH_RUN: '2', WEFT_MESH_PART: 'pod' })
  const other = await start({ WEFT_MESH: `${mesh}-2`, WEFT_MESH_RUN: '1', WEFT_MESH_PART: 'pod' })
  expect(markedProcesses({ WEFT_MESH: mesh, WEFT_MESH_RUN: '1', WEFT_MESH_PART: 'pod' })).toHaveLength(2)

  const gone = once(pod, 'exit')
  await sweep({ WEFT_MESH: mesh, WEFT_MESH_RUN: '1', WEFT_MESH_PART: 'pod' })
  await gone
  expect(markedProcesses({ WEFT_MESH: mesh }).sort()).toEqual([server.pid, later.pid].sort())
  await sweep({ WEFT_MESH: mesh })
  expect(markedProcesses({ WEFT_MESH: mesh })).toEqual([])
  expect(markedProcesses({ WEFT_MESH: `${mesh}-2` })).toEqual([other.pid])
})
