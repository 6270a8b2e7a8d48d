// Policies from traffic that was seen: proposed, replayed, put in force in stages, and taken back.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Control } from '../../src/management/audit/controls.ts'
import type { AuditFacts } from '../../src/management/audit/facts.ts'
import type { CallsAnswer } from '../../src/telemetry/questions/calls.ts'
import { echoMesh, TO_BACK } from '../laptop/echo-mesh.ts'
import { startMesh, type TestMesh, until } from '../laptop/mesh.ts'
import { plaintext } from '../laptop/outsider.ts'

let mesh: TestMesh
let back: string
/** Files that no mesh follows. */
let policies: string
let strict: string
beforeAll(async () => {
  mesh = await startMesh({ texts: echoMesh() })
  back = (await mesh.pod('back-v1-0')).plan.address
  policies = join(mesh.home, 'policies.yaml')
  strict = join(mesh.home, 'strict.yaml')
  writeFileSync(strict, PEER_AUTHENTICATION)
  expect((await mesh.get(TO_BACK)).status).toBe(200)
  for (let i = 0; i < 10; i++) await mesh.get(TO_BACK)
  expect(await plaintext(back, 8080, '/from-outside')).toBe(200)
  await until(30_000, async () => {
    const paths = (await calls()).map(({ path }) => path)
    return ['/call', '/', '/from-outside'].every((path) => paths.includes(path))
  })
})
afterAll(() => mesh?.dispose())

const PEER_AUTHENTICATION = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: STRICT } }
`

async function calls() {
  return (await mesh.api<CallsAnswer>('telemetry/calls')).calls
}

async function report(): Promise<AuditFacts & { readonly controls: readonly Control[] }> {
  const { stdout } = await mesh.weft('audit', 'report', '-o', 'json')
  return JSON.parse(stdout)
}

function followed(): string {
  return Object.keys(echoMesh())
    .map((name) => readFileSync(join(mesh.folder, name), 'utf8'))
    .join('\n')
}

test('what was seen is proposed, with who cannot be named', async () => {
  const { code, stdout } = await mesh.weft('authz', 'learn')
  expect(code).toBe(0)
  writeFileSync(policies, stdout)
  expect(stdout).toContain('name: front-v1-callers')
  expect(stdout).toContain('cluster.local/ns/istio-system/sa/istio-ingressgateway')
  expect(stdout).toMatch(
    /# WOULD BE DENIED: callers without a certificate.*\n# {3}somebody unknown.*GET \/from-outside/,
  )
})

test('an auditor is shown what is encrypted and what not, by what it is known', async () => {
  await until(60_000, async () => {
    const { edges } = await report()
    return edges.some(({ source, mutualTls }) => source === 'default/front-v1' && mutualTls === 1)
  })
  const { workloads, controls } = await report()
  expect(workloads.find(({ workload }) => workload === 'back-v1')).toMatchObject({
    ports: [
      { port: 8080, mtls: 'PERMISSIVE' },
      { port: 9000, mtls: 'PERMISSIVE' },
    ],
    lastPlaintext: { at: expect.any(Number) },
    policies: 0,
  })
  expect(workloads.find(({ workload }) => workload === 'front-v1')).toMatchObject({ lastPlaintext: null })
  expect(controls.find(({ asks }) => asks.includes('encrypted with mutual TLS'))).toMatchObject({
    standing: 'holds in part',
    evidence: expect.stringContaining('3 of 3 workloads would also take plaintext'),
  })
  const html = await mesh.weft('audit', 'report', '-o', 'html')
  expect(html.stdout).toContain('PCI DSS 4, 4.2.1')
})

test('what a policy would newly deny is listed, and nothing is changed', async () => {
  const before = followed()
  const simulated = await mesh.weft('authz', 'simulate', '-f', strict)
  expect(simulated).toMatchObject({ code: 1 })
  expect(simulated.stdout).toMatch(
    /Newly denied: 1 calls of 1 kinds\n.*without a certificate.*back-v1: GET \/from-outside/,
  )
  const enforced = await mesh.weft('authz', 'enforce', '-f', strict)
  expect(enforced).toMatchObject({ code: 1 })
  expect(enforced.stdout).toContain('Nothing is changed: calls that were seen would be denied')
  expect(followed()).toBe(before)
})

test('a policy that refuses whom nobody has seen is taken back by itself', async () => {
  const before = followed()
  const enforcing = mesh.start('authz', 'enforce', '-f', policies, '--accept-denials', '--watch', '60s')
  let said = ''
  enforcing.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const code = new Promise((resolve) => enforcing.on('close', resolve))
  await until(60_000, () => said.includes('Watching'))
  expect((await mesh.get(TO_BACK)).status).toBe(200)
  expect((await mesh.get('/never-seen')).status).toBe(403)
  expect(await code).toBe(1)
  expect(said).toMatch(
    /istio-ingressgateway.* was refused by default\/front-v1, GET \/never-seen at port 8080, 1 times: taken back/,
  )
  expect(followed()).toBe(before)
  await until(30_000, async () => (await mesh.get('/never-seen')).status !== 403)
})

test('what refuses only what the simulation said stays', async () => {
  // With what was refused before, and is now allowed again.
  const enforced = await mesh.weft('authz', 'enforce', '-f', strict, '--accept-denials', '--watch', '2s')
  expect(enforced).toMatchObject({ code: 0 })
  expect(enforced.stdout).toContain('✓ The policies are in force.')
  expect(followed()).toContain('kind: PeerAuthentication')
  expect(await plaintext(back, 8080)).toBe('refused')
  expect((await mesh.get(TO_BACK)).status).toBe(200)
  await until(30_000, async () =>
    (await calls()).some(({ principal, kind, refused }) => principal === null && kind === 'connection' && refused),
  )
})

test('what was killed while it watched is known, and can be taken back or gone on with', async () => {
  const before = followed()
  const enforcing = mesh.start('authz', 'enforce', '-f', policies, '--accept-denials', '--watch', '600s')
  let said = ''
  enforcing.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = new Promise((resolve) => enforcing.on('close', resolve))
  await until(60_000, () => said.includes('Watching'))
  enforcing.kill('SIGKILL')
  await ended
  expect(followed()).not.toBe(before)
  expect((await mesh.weft('authz', 'enforce', '-f', policies, '--accept-denials')).stderr).toContain('--undo')
  const begun = join(mesh.home, 'state', 'weft', 'default', 'enforcement.json')
  const copy = join(mesh.home, 'enforcement.json')
  copyFileSync(begun, copy)
  expect((await mesh.weft('authz', 'enforce', '--undo')).stdout).toContain('taken back, all is as it was')
  expect(followed()).toBe(before)
  expect((await mesh.weft('authz', 'enforce', '--undo')).stdout).toContain('Nothing was left unfinished')
  // As one that was killed when it had written down what it was going to do, and nothing else.
  copyFileSync(copy, begun)
  const resumed = await mesh.weft('authz', 'enforce', '--resume', '--watch', '1s')
  expect(resumed.stdout).toContain('✓ The policies are in force.')
  expect(resumed).toMatchObject({ code: 0 })
  expect(followed()).toContain('name: front-v1-callers')
  await until(30_000, async () => (await mesh.get('/never-seen')).status === 403)
  expect((await mesh.get(TO_BACK)).status).toBe(200)
  expect((await mesh.weft('authz', 'enforce', '--resume')).stderr).toContain('nothing was left unfinished')
})

test('Ctrl-C while it is watched has all be as it was', async () => {
  const before = followed()
  const file = join(mesh.home, 'permissive.yaml')
  writeFileSync(file, PEER_AUTHENTICATION.replace('STRICT', 'PERMISSIVE'))
  const enforcing = mesh.start('authz', 'enforce', '-f', file, '--watch', '60s')
  let said = ''
  enforcing.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const code = new Promise((resolve) => enforcing.on('close', resolve))
  await until(60_000, () => said.includes('Watching'))
  enforcing.kill('SIGINT')
  expect(await code).toBe(1)
  expect(said).toContain('Stopped: taken back')
  expect(followed()).toBe(before)
})
