import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../test/free-port.ts'
import { type CertificateAuthority, openCa } from '../identity/ca.ts'
import { makeCsr } from '../identity/csr.ts'
import { makeKeyPair, privateKeyPem } from '../identity/key.ts'
import { openServingCertificate, type ServingCertificate } from '../identity/serving-certificate.ts'
import { serveHealth } from './health.ts'
import { answerReplicas, hearReplicas, ReplicaCalls } from './replica-calls.ts'
import { serveWebhooks } from './webhook-port.ts'

const NAME = 'weft-server.weft-system.svc'
const log = () => {}
const folder = mkdtempSync(join(tmpdir(), 'weft-replicas-'))
const closes: (() => unknown)[] = []
let ca: CertificateAuthority
let serving: ServingCertificate
let port: number
const heard: unknown[] = []

beforeAll(async () => {
  ca = await openCa(join(folder, 'ca'), { log })
  serving = await openServingCertificate(ca, { dnsNames: [NAME], log })
  port = await freePort()
  const webhooks = await serveWebhooks({ host: '127.0.0.1', port }, ca, serving, (app) => {
    answerReplicas(app, '/told', ca.trustDomain, () => ['something'])
    hearReplicas(app, '/heard', ca.trustDomain, async (told) => {
      if (told === null) throw new Error('nothing')
      heard.push(told)
    })
  })
  closes.push(
    () => webhooks.close(),
    () => serving.close(),
  )
})
afterAll(async () => {
  for (const close of closes) await close()
  rmSync(folder, { recursive: true })
})

/** The status that somebody else gets. */
function statusFor(
  identity: { readonly cert?: string; readonly key?: string },
  more: object = {},
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: '/told', ca: ca.trustBundlePem, servername: NAME, agent: false }
    request({ ...options, ...identity, ...more }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end()
  })
}

async function workloadOf(issuer: CertificateAuthority, spiffeId: string) {
  const keys = await makeKeyPair()
  const { chainPem } = await issuer.signCsr({ csrPem: await makeCsr(keys), spiffeId })
  return { cert: chainPem, key: await privateKeyPem(keys.privateKey) }
}

test('a replica is told by another', async () => {
  const calls = new ReplicaCalls(ca, serving, NAME)
  closes.push(() => calls.close())
  expect(await calls.ask('127.0.0.1', port, '/told', new AbortController().signal)).toEqual(['something'])
})

test('a replica hears what another tells, which hears whether it is taken', async () => {
  const calls = new ReplicaCalls(ca, serving, NAME)
  closes.push(() => calls.close())
  const tell = (told: unknown) => calls.tell('127.0.0.1', port, '/heard', told, new AbortController().signal)
  const large = { rows: 'x'.repeat(3_000_000) }
  await tell(large)
  await expect(tell(null)).rejects.toThrow('answers 500')
  expect(heard).toEqual([large])
  const posted = { method: 'POST', path: '/heard' }
  expect(await statusFor({}, posted)).toBe(403)
  expect(await statusFor(await workloadOf(ca, 'spiffe://cluster.local/ns/shop/sa/web'), posted)).toBe(403)
})

test('nobody else is told: not without a certificate, nor with that of a workload, nor with one by another authority', async () => {
  expect(await statusFor({})).toBe(403)
  expect(await statusFor(await workloadOf(ca, 'spiffe://cluster.local/ns/shop/sa/web'))).toBe(403)
  const other = await openCa(join(folder, 'other'), { log })
  expect(await statusFor(await workloadOf(other, 'spiffe://cluster.local/ns/weft-system/sa/weft-server'))).toBe(403)
})

test('a replica asks nobody else', async () => {
  const impostor = await openServingCertificate(await openCa(join(folder, 'impostor'), { log }), {
    dnsNames: [NAME],
    log,
  })
  const calls = new ReplicaCalls(ca, impostor, NAME)
  await expect(calls.ask('127.0.0.1', port, '/told', new AbortController().signal)).rejects.toThrow('403')
  calls.close()
  impostor.close()
})

test('what can be asked from elsewhere tells whether it is ready, and nothing of the mesh', async () => {
  const view = {
    ready: () => true,
    waitingFor: () => [],
    kubernetes: () => ({}) as never,
    messages: () => [],
    proxies: () => [],
    metrics: async () => '',
  }
  const ask = async (address: string, path: string) => {
    const port = await freePort()
    const health = await serveHealth(`${address}:${port}`, view)
    const { status } = await fetch(`http://127.0.0.1:${port}${path}`)
    await health.close()
    return status
  }
  expect(await ask('0.0.0.0', '/ready')).toBe(200)
  for (const path of ['/api/v1/status', '/api/v1/messages', '/api/v1/proxies']) {
    expect(await ask('', path)).toBe(404)
    expect(await ask('127.0.0.1', path)).toBe(200)
  }
})
