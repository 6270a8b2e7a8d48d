// Two trust domains that believe each other: what a real Envoy makes of it, and a bundle endpoint served with a SPIFFE ID.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SdsServer } from '../../src/agent/sds.ts'
import { type CertificateAuthority, openCa } from '../../src/identity/ca.ts'
import { readPair } from '../../src/identity/ca-entries.ts'
import { folderStore } from '../../src/identity/ca-store.ts'
import { certificatesPem } from '../../src/identity/certificate.ts'
import { generalNames, makeCsr, provenPublicKey } from '../../src/identity/csr.ts'
import { federate, fetchBundle, refreshFederated, unfederate } from '../../src/identity/federation.ts'
import { makeKeyPair, privateKeyPem, readSigningKey } from '../../src/identity/key.ts'
import { intermediateSigner } from '../../src/identity/signer.ts'
import { workloadId } from '../../src/identity/spiffe.ts'
import { spiffeBundle } from '../../src/identity/spiffe-bundle.ts'
import { until } from '../laptop/mesh.ts'
import { type Envoy, startEnvoy, tlsServer } from './envoy.ts'
import { freeLoopback } from './loopback.ts'

const PORT = 8080
const THEIRS = 'example.org'
const cart = workloadId('shop', 'cart', THEIRS)

let folder: string
let ours: CertificateAuthority
let theirs: CertificateAuthority
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wf-'))
  ours = await openCa(join(folder, 'ours'), { log: () => {} })
  theirs = await openCa(join(folder, 'theirs'), { trustDomain: THEIRS, log: () => {} })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function issue(ca: Pick<CertificateAuthority, 'signCsr'>, spiffeId: string) {
  const keys = await makeKeyPair()
  const issued = await ca.signCsr({ csrPem: await makeCsr(keys), spiffeId, ipAddresses: ['127.0.0.1'] })
  return { ...issued, privateKeyPem: await privateKeyPem(keys.privateKey) }
}

describe('an Envoy of a mesh that believes another trust domain', () => {
  let sds: SdsServer
  let envoy: Envoy
  let host: string
  let serve: (federated: boolean) => void
  beforeAll(async () => {
    const socketPath = join(folder, 'sds', 's')
    mkdirSync(join(folder, 'sds'), { mode: 0o700 })
    sds = await SdsServer.listen(socketPath, () => {})
    const own = await issue(ours, workloadId('default', 'reviews'))
    const federated = [{ trustDomain: THEIRS, rootsPem: theirs.trustBundlePem }]
    serve = (isOn) => sds.update({ ...own, ...(isOn ? { federated } : {}) })
    serve(true)
    host = await freeLoopback(PORT)
    const source = { socketPath, variant: 'DELTA_GRPC', peers: 'spiffe://' } as const
    envoy = await startEnvoy(folder, 'federated', source, tlsServer(host, PORT, source))
    await until(30_000, async () => (await answer(ours, workloadId('default', 'front'))).includes('200 OK'))
  })
  afterAll(async () => {
    await envoy?.close()
    sds?.close()
  })

  /** What an identity is answered, with a certificate of an authority. */
  async function answer(ca: Pick<CertificateAuthority, 'signCsr'>, spiffeId: string): Promise<string> {
    const { chainPem: cert, privateKeyPem: key } = await issue(ca, spiffeId)
    const socket = connect({
      host,
      port: PORT,
      ca: ours.trustBundlePem,
      key,
      cert,
      checkServerIdentity: () => undefined,
    })
    const text = await new Promise<string>((resolve) => {
      socket.once('error', (error) => resolve(error.message))
      socket.once('data', (data: Buffer) => resolve(data.toString()))
      socket.once('close', () => resolve('closed'))
      socket.write('GET / HTTP/1.1\r\nhost: reviews\r\n\r\n')
    })
    socket.destroy()
    return text
  }

  test('lets its identities in, and tells who they are', async () => {
    expect(await answer(theirs, cart)).toMatch(new RegExp(`200 OK[^]*x-peer: ${cart}`))
  })

  test('believes its roots of no identity of the own trust domain, nor of a third', async () => {
    for (const trustDomain of ['cluster.local', 'third.org'])
      expect(await answer(await forger(), workloadId('default', 'front', trustDomain))).not.toContain('200 OK')
    expect(await answer(await forger(), cart)).toContain('200 OK')
    expect(await answer(ours, workloadId('default', 'front'))).toContain('200 OK')
  })

  test('lets them in no longer when it is believed no longer', async () => {
    serve(false)
    await until(30_000, async () => !(await answer(theirs, cart)).includes('200 OK'))
    expect(await answer(ours, workloadId('default', 'front'))).toContain('200 OK')
  })
})

/** Signs whatever is asked for with the keys of theirs. */
async function forger(): Promise<Pick<CertificateAuthority, 'signCsr'>> {
  const path = join(folder, 'theirs', 'intermediate.pem')
  const pair = await readPair(path, readFileSync(path, 'utf8'), [THEIRS])
  const issuer = { certificate: pair.certificate, above: [], key: await readSigningKey(pair.keyPem ?? '') }
  const signer = intermediateSigner('theirs', issuer)
  return {
    async signCsr({ csrPem, spiffeId }) {
      const [from, until] = [Date.now(), Date.now() + 3_600_000]
      const names = generalNames(spiffeId)
      const publicKey = await provenPublicKey(csrPem)
      const chain = await signer.sign({ csrPem, publicKey, names, spiffeId, life: { from, until } })
      return { ...(await theirs.signCsr({ csrPem, spiffeId: cart })), chainPem: certificatesPem(chain) }
    },
  }
}

describe('a bundle endpoint', () => {
  let server: Server
  let url: string
  let served: () => Promise<object>
  const endpointId = workloadId('weft-system', 'weft-server', THEIRS)
  beforeAll(async () => {
    const { chainPem: cert, privateKeyPem: key } = await issue(theirs, endpointId)
    served = () => spiffeBundle(theirs.trustBundlePem)
    server = createServer({ cert, key }, async (_, outgoing) => outgoing.end(JSON.stringify(await served())))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/bundle`
  })
  afterAll(() => void server?.close())

  test('is believed if it has the SPIFFE ID that was named, by roots that are known', async () => {
    const rootsPem = theirs.trustBundlePem
    expect(await fetchBundle({ url, endpointId, rootsPem })).toEqual({ rootsPem, refreshS: 300 })
    await expect(fetchBundle({ url, endpointId: cart, rootsPem })).rejects.toThrow(`not by ${cart}`)
    await expect(fetchBundle({ url, endpointId, rootsPem: ours.trustBundlePem })).rejects.toThrow(/certificate/)
    await expect(fetchBundle({ url })).rejects.toThrow(/certificate/)
    await expect(fetchBundle({ url: url.replace('https', 'http') })).rejects.toThrow('must begin with https://')
  })

  test('is followed: new roots are taken up when they are due, broken ones are not', async () => {
    const store = folderStore(join(folder, 'ours'))
    const endpoint = { url, endpointId, rootsPem: theirs.trustBundlePem, refreshS: 60, fetchedAt: 0 }
    await expect(federate(store, 'cluster.local', { ...endpoint, trustDomain: 'cluster.local' })).rejects.toThrow(
      'of this mesh',
    )
    await federate(store, 'cluster.local', { ...endpoint, trustDomain: THEIRS })
    const next = await openCa(join(folder, 'next'), { trustDomain: THEIRS, log: () => {} })
    served = () => spiffeBundle(theirs.trustBundlePem + next.trustBundlePem)
    const now = Date.now()
    expect(await refreshFederated(store, 'cluster.local', now)).toEqual([])
    await ours.refresh()
    const both = [{ trustDomain: THEIRS, rootsPem: theirs.trustBundlePem + next.trustBundlePem }]
    expect(ours.federated).toEqual(both)
    served = async () => ({ keys: [{ kty: 'EC', use: 'jwt-svid' }] })
    expect(await refreshFederated(store, 'cluster.local', now + 1000)).toEqual([])
    expect(await refreshFederated(store, 'cluster.local', now + 400_000)).toEqual([
      expect.stringContaining('its roots stay as they were: it has no key for X.509'),
    ])
    await ours.refresh()
    expect(ours.federated).toEqual(both)
    expect(await unfederate(store, THEIRS)).toBe(true)
    await ours.refresh()
    expect(ours.federated).toEqual([])
  })
})
