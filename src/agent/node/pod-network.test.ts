import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { podNetwork } from './pod-network.ts'

const UID = '0b1c2d3e-0000-4000-8000-000000000001'

let proc: string

beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'weft-proc-'))
  process(1, '/init.scope', 0)
})
afterEach(() => rmSync(proc, { recursive: true, force: true }))

/** What the kernel tells of a process, as far as it is read. */
function process(pid: number, cgroup: string, start: number, name = 'pause'): void {
  const folder = join(proc, String(pid))
  mkdirSync(join(folder, 'ns'), { recursive: true })
  writeFileSync(join(folder, 'cgroup'), `0::${cgroup}\n`)
  writeFileSync(join(folder, 'stat'), `${pid} (${name}) S ${'1 '.repeat(18)}${start} 0 0\n`)
  writeFileSync(join(folder, 'ns', 'net'), '')
}

const idOf = () => {
  const network = podNetwork(UID, proc)
  network?.close()
  return network?.id
}

test('is that of a process of the pod, however its control group is written', () => {
  process(20, '/kubepods/besteffort/podanother/aa', 50)
  expect(idOf()).toBeUndefined()
  process(21, `/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/cri-bb`, 60)
  expect(idOf()).toBeDefined()
})

test('is the same while the pod has one, whatever containers come and go', () => {
  process(30, `/kubepods/pod${UID}/sandbox`, 100)
  const before = idOf()
  process(10, `/kubepods/pod${UID}/app`, 200, 'odd ) name')
  expect(idOf()).toBe(before)
})

test('is another one once the pod got another, even where the kernel gives that the same number', () => {
  process(30, `/kubepods/pod${UID}/sandbox`, 100)
  const before = idOf()
  process(30, `/kubepods/pod${UID}/sandbox`, 300)
  expect(idOf()).not.toBe(before)
})
