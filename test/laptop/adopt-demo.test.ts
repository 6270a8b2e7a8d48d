// `weft adopt demo`, of a part of the estate: everybody arrives at mutual TLS alone, no request fails, and what is wrong with the estate is found in time.
// In git: what is written is committed, and something else applies it, which is the longer way. It takes four minutes or more: run where WEFT_DEMO is set.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import type { DemoResult } from '../../src/cli/adopt/demo/report.ts'
import { weftWith } from '../cli/weft.ts'

const MINUTE_MS = 60_000

test.skipIf(!process.env['WEFT_DEMO'])(
  'the walk from no mesh to mutual TLS everywhere',
  { timeout: 17 * MINUTE_MS },
  async () => {
    const home = mkdtempSync(join(tmpdir(), 'wd-'))
    onTestFinished(() => rmSync(home, { recursive: true, force: true }))
    const { code, stdout, stderr } = await weftWith(
      { HOME: home, XDG_RUNTIME_DIR: home, XDG_STATE_HOME: join(home, 'state'), ENVOY_PATH: await findEnvoy() },
      ...['adopt', 'demo', '--small', '--git', '--timeout', '15m', '--report', join(home, 'report')],
    )
    const told = `${stdout}${stderr}`
    expect(told).toContain('The report, with every gate')
    const result = JSON.parse(readFileSync(join(home, 'report', 'demo.json'), 'utf8')) as DemoResult

    expect(result.failedVisits, told).toEqual([])
    expect(result.failedCalls, told).toEqual([])
    expect(result.visits).toBeGreaterThan(100)
    expect(result.arrived, told).toBe(true)
    expect(result.troubles.map(({ name }) => name).sort()).toEqual([
      'a client that calls once an hour',
      'a hidden plaintext client',
      'an application that breaks under a timeout',
      'an application that breaks when its proxy is added',
    ])
    const says = (name: string) => result.troubles.find((each) => each.name.includes(name))
    expect(says('hidden')).toMatchObject({ how: 'gate', application: 'depot/warehouse' })
    expect(says('once an hour')).toMatchObject({ how: 'gate', application: 'pay/ledger' })
    expect(says('timeout')?.says).toMatch(/the longest 1\d\d\d ms: timeout \d+ ms, which none of them took/)
    expect(says('proxy is added')).toMatchObject({ how: 'taken back', application: 'pay/mailer' })
    // Applications of the part, and the one that was in no inventory.
    expect(result.progress.all).toMatchObject({ applications: 13, inMesh: 13, strict: 13, authorized: 13 })
    for (const { application, steps } of result.applications)
      for (const { step, state, evidence } of steps)
        if (state === 'done') expect(evidence, `${application}: ${step}`).not.toEqual([])

    const report = readFileSync(join(home, 'report', 'demo.md'), 'utf8')
    expect(report).toContain('Failed requests: 0 of')
    expect(report).toContain('depot/stocktaker called warehouse:7000 without mutual TLS')
    expect(code, told).toBe(0)
  },
)
