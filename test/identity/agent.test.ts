import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AgentOptions } from '../../src/agent/agent.ts'
import { Certificates, type HeldCertificate } from '../../src/agent/certificates.ts'
import { NodeIdentity } from '../../src/agent/certificates-node.ts'
import { openCa } from '../../src/identity/ca.ts'
import { useTrustDomainAliases } from '../../src/identity/own-domains.ts'
import { openServingCertificate } from '../../src/identity/serving-certificate.ts'
import { workloadId } from '../../src/identity/spiffe.ts'
import { type Authority, startAuthority } from './authority.ts'
import { freeLoopback } from './loopback.ts'

const LIFE_MS = 2_000
const reviews = workloadId('default', 'reviews')

let folder: string
let authority: Authority | undefined
let node: NodeIdentity | undefined
let certificates: Certificates | undefined
let said: string[]
let heard: HeldCertificate[]
let tokensAsked: number
const log = (severity: string, text: string) => said.push(`${severity}: ${text}`)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-'))
  said = []
  heard = []
  tokensAsked = 0
})
afterEach(() => {
  certificates?.close()
  node?.close()
  authority?.close()
  authority = undefined
  useTrustDomainAliases([])
  rmSync(folder, { recursive: true, force: true })
})

/** An agent that has a token made for each time that it needs one, and holds a certificate for reviews. */
function hold(
  at: { address: string; trustBundleFile: string },
  joinToken?: AgentOptions['joinToken'],
  trustDomain = 'cluster.local',
): void {
  const makeToken = async () => {
    tokensAsked++
    if (!authority) throw new Error('nobody issues a token now')
    return authority.tokens.issue('laptop', 60_000)
  }
  const server = { ...at, trustDomain }
  const mine = new NodeIdentity({ node: 'laptop', server, joinToken: joinToken ?? makeToken, log })
  node = mine
  certificates = new Certificates({ sign: (csrPem, spiffeId) => mine.sign(csrPem, spiffeId), log })
  certificates.listen(workloadId('default', 'reviews', trustDomain), (certificate) => heard.push(certificate))
}

const hear = (count: number) =>
  vi.waitFor(() => expect(heard.length).toBeGreaterThanOrEqual(count), { timeout: 20_000 })

test('an agent joins with a token once, and renews with its own certificate', async () => {
  authority = await startAuthority(folder, `${await freeLoopback()}:0`, LIFE_MS, log)
  hold(authority)
  await node?.joined()
  await hear(4)
  expect(tokensAsked).toBe(1)
  expect(said).toEqual([])
})

test('while the trust domain changes, agents of the old name and of the new one have the same server', async () => {
  useTrustDomainAliases(['cluster.local', 'new.example.com'])
  authority = await startAuthority(folder, `${await freeLoopback()}:0`, LIFE_MS, log)
  hold(authority)
  await hear(1)
  certificates?.close()
  node?.close()
  hold(authority, undefined, 'new.example.com')
  await vi.waitFor(() => expect(heard.at(-1)?.spiffeId).toBe('spiffe://new.example.com/ns/default/sa/reviews'), {
    timeout: 20_000,
  })
  expect(said).toEqual([])
})

test('an agent waits for the server to be there', async () => {
  authority = await startAuthority(folder, `${await freeLoopback()}:0`, LIFE_MS, log)
  const { address, trustBundleFile, tokens } = authority
  authority.close()
  hold({ address, trustBundleFile }, tokens.issue('laptop', 60_000))
  await vi.waitFor(() => expect(said.join()).toContain('yet: No connection established'))
  authority = await startAuthority(folder, address, LIFE_MS, log)
  await hear(1)
})

test('an agent whose certificate ended while the server was away joins again', async () => {
  authority = await startAuthority(folder, `${await freeLoopback()}:0`, LIFE_MS, log)
  const { address } = authority
  hold(authority)
  await hear(1)
  authority.close()
  await vi.waitFor(() => expect(said.join()).toContain(`the certificate of ${reviews} ended`), { timeout: 30_000 })
  const before = heard.length
  authority = await startAuthority(folder, address, LIFE_MS, log)
  await hear(before + 1)
  expect(tokensAsked).toBeGreaterThan(1)
})

test('an agent joins again where the server is back with another root', async () => {
  authority = await startAuthority(folder, `${await freeLoopback()}:0`, 20 * LIFE_MS, log)
  const { address, trustBundleFile, ca } = authority
  hold(authority)
  await hear(1)
  authority.close()
  rmSync(join(folder, 'ca'), { recursive: true })
  authority = await startAuthority(folder, address, 20 * LIFE_MS, log)
  expect(authority.trustBundleFile).toBe(trustBundleFile)
  expect(authority.ca.trustBundlePem).not.toBe(ca.trustBundlePem)
  certificates?.renewSoon(reviews)
  await hear(2)
  expect(heard.at(-1)?.trustBundlePem).toBe(authority.ca.trustBundlePem)
  expect(tokensAsked).toBe(2)
})

test('a used token is said to be', async () => {
  authority = await startAuthority(folder, `${await freeLoopback()}:0`, 20 * LIFE_MS, log)
  const token = authority.tokens.issue('laptop', 60_000)
  authority.tokens.prove(token).use('another key')
  hold(authority, token)
  await vi.waitFor(() => expect(said.join()).toContain('yet: the join token for node laptop has been used'))
  expect(said.join()).not.toContain(token)
})

test('an agent tells its token to nobody but the server', async () => {
  authority = await startAuthority(folder, `${await freeLoopback()}:0`, 20 * LIFE_MS, log)
  const host = await freeLoopback()
  const listen = async (folderOfCa: string, spiffeId: string | undefined) => {
    const ca = await openCa(folderOfCa, { log })
    const asWhom = {
      ...ca,
      signCsr: (request: Parameters<typeof ca.signCsr>[0]) => ca.signCsr({ ...request, ...(spiffeId && { spiffeId }) }),
    }
    const serving = await openServingCertificate(asWhom, { ipAddresses: [host], dnsNames: ['weft-server'], log })
    const server = new Server()
    const port = await new Promise<number>((resolve) =>
      server.bindAsync(`${host}:0`, serving.credentials('optional'), (_, bound) => resolve(bound)),
    )
    return { address: `${host}:${port}`, close: () => [server.forceShutdown(), serving.close()] }
  }
  const { trustBundleFile } = authority
  const workload = await listen(join(folder, 'ca'), reviews)
  hold({ address: workload.address, trustBundleFile })
  await vi.waitFor(() =>
    expect(said.join()).toContain(`is not spiffe://cluster.local/ns/weft-system/sa/weft-server but ${reviews}`),
  )
  node?.close()
  certificates?.close()
  workload.close()

  said = []
  const impostor = await listen(join(folder, 'impostor'), undefined)
  hold({ address: impostor.address, trustBundleFile })
  await vi.waitFor(() => expect(said.join()).toMatch(/yet: .*self-signed certificate|yet: .*unable to (verify|get)/))
  impostor.close()
})

test('a trust bundle that is missing or empty is said to be', async () => {
  authority = await startAuthority(folder, `${await freeLoopback()}:0`, 20 * LIFE_MS, log)
  const trustBundleFile = join(folder, 'roots.pem')
  hold({ address: authority.address, trustBundleFile })
  await vi.waitFor(() => expect(said.join()).toContain('the trust bundle cannot be read: ENOENT'))
  writeFileSync(trustBundleFile, authority.ca.trustBundlePem)
  await hear(1)
})
