import type { webcrypto } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openCa } from './ca.ts'
import { folderStore } from './ca-store.ts'
import { certificatesIn, certificatesPem, type Life } from './certificate.ts'
import { makeCsr } from './csr.ts'
import { installIntermediate, requestIntermediate } from './intermediate-request.ts'
import { KEY_ALGORITHM, makeKeyPair, privateKeyPem } from './key.ts'
import { whatPeersSay } from './trial-handshake.ts'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  type X509Certificate,
  X509CertificateGenerator,
} from './x509.ts'

const DAY = 86_400_000
const TRUST_DOMAIN = 'cluster.local'

let folder: string
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'weft-request-')), 'ca')
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

interface Authority {
  readonly certificate: X509Certificate
  readonly keys: webcrypto.CryptoKeyPair
}

/** What the authorities of a company do elsewhere; each option is a mistake of theirs. */
interface Mistakes {
  readonly life?: Life
  readonly ca?: boolean
  readonly pathLength?: number
  readonly usages?: number
  readonly more?: readonly Extension[]
}

const authority = ({ ca = true, pathLength, usages = KeyUsageFlags.keyCertSign, more = [] }: Mistakes): Extension[] => [
  new BasicConstraintsExtension(ca, pathLength, true),
  new KeyUsagesExtension(usages, true),
  ...more,
]

const times = ({ life = { from: Date.now() - DAY, until: Date.now() + 365 * DAY } }: Mistakes) => ({
  notBefore: new Date(life.from),
  notAfter: new Date(life.until),
  signingAlgorithm: KEY_ALGORITHM,
})

async function companyRoot(name = 'CN=Example Root', mistakes: Mistakes = {}): Promise<Authority> {
  const keys = await makeKeyPair()
  const extensions = authority(mistakes)
  return {
    certificate: await X509CertificateGenerator.createSelfSigned({ name, keys, extensions, ...times(mistakes) }),
    keys,
  }
}

async function signed(csrPem: string, by: Authority, mistakes: Mistakes = {}): Promise<string> {
  const request = new Pkcs10CertificateRequest(csrPem)
  const certificate = await X509CertificateGenerator.create({
    subject: request.subjectName,
    issuer: by.certificate.subjectName,
    publicKey: request.publicKey,
    signingKey: by.keys.privateKey,
    extensions: authority(mistakes),
    ...times(mistakes),
  })
  return certificatesPem([certificate])
}

const install = (chainPem: string, root?: X509Certificate) =>
  installIntermediate(folderStore(folder), TRUST_DOMAIN, chainPem, root && certificatesPem([root]), Date.now())
const request = (anew = false) => requestIntermediate(folderStore(folder), TRUST_DOMAIN, anew)
const quiet = { log: () => {} }

test('a request is the same until its certificate comes, or another is asked for; its key is in no text but the private file', async () => {
  const first = await request()
  expect(await request()).toBe(first)
  const other = await request(true)
  expect(other).not.toBe(first)
  expect(first + other).not.toContain('PRIVATE')
  expect(readFileSync(join(folder, 'requested-intermediate.pem'), 'utf8')).toContain('PRIVATE KEY')
})

test('a CA made with a root elsewhere signs chains that peers take, and is not called self-made', async () => {
  const root = await companyRoot()
  expect(await install(await signed(await request(), root), root.certificate)).toMatchObject({ use: 'signs' })
  const ca = await openCa(folder, quiet)
  expect(ca.selfMade).toBe(false)
  const keys = await makeKeyPair()
  const issued = await ca.signCsr({ csrPem: await makeCsr(keys), spiffeId: 'spiffe://cluster.local/ns/a/sa/b' })
  const shown = { chainPem: issued.chainPem, keyPem: await privateKeyPem(keys.privateKey) }
  expect(await whatPeersSay(shown, certificatesPem([root.certificate]))).toBeUndefined()
  expect(await whatPeersSay(shown, certificatesPem([(await companyRoot()).certificate]))).toBeDefined()
  expect(readFileSync(join(folder, 'root.pem'), 'utf8')).not.toContain('PRIVATE')
})

test('an intermediate of the same root replaces the one before while the CA runs', async () => {
  const root = await companyRoot()
  await install(await signed(await request(), root), root.certificate)
  const ca = await openCa(folder, quiet)
  const before = ca.signing
  let told = 0
  ca.subscribe(() => told++)
  await install(await signed(await request(), root))
  await ca.refresh()
  expect(told).toBe(1)
  expect(ca.signing.root).toBe(before.root)
  expect(ca.signing.issuer).not.toBe(before.issuer)
})

test('authorities between it and the root are in the chain', async () => {
  const root = await companyRoot()
  const keys = await makeKeyPair()
  const issuing = await X509CertificateGenerator.create({
    subject: 'CN=Example Issuing',
    issuer: root.certificate.subjectName,
    publicKey: keys.publicKey,
    signingKey: root.keys.privateKey,
    extensions: authority({ pathLength: 1 }),
    ...times({}),
  })
  const chain = (await signed(await request(), { certificate: issuing, keys })) + certificatesPem([issuing])
  await install(chain, root.certificate)
  const ca = await openCa(folder, quiet)
  const workload = await makeKeyPair()
  const issued = await ca.signCsr({ csrPem: await makeCsr(workload), spiffeId: 'spiffe://cluster.local/ns/a/sa/b' })
  expect(certificatesIn(issued.chainPem)).toHaveLength(3)
  const shown = { chainPem: issued.chainPem, keyPem: await privateKeyPem(workload.privateKey) }
  expect(await whatPeersSay(shown, issued.trustBundlePem)).toBeUndefined()
})

test('another root than the one that is trusted waits for a rotation', async () => {
  const self = (await openCa(folder, quiet)).trustBundlePem
  const root = await companyRoot()
  expect(await install(await signed(await request(), root), root.certificate)).toMatchObject({ use: 'next' })
  const ca = await openCa(folder, quiet)
  expect(ca.trustBundlePem).toBe(self)
  expect(ca.selfMade).toBe(true)
})

/** `nameConstraints`, critical: only URIs of example.org. */
const onlyExampleOrg = new Extension('2.5.29.30', true, Buffer.from('3011a00f300d860b6578616d706c652e6f7267', 'hex'))

describe('a chain is refused, and nothing changes,', () => {
  const now = Date.now()
  test.each<[string, Mistakes, string]>([
    ['that is no authority', { ca: false }, 'is no authority: it needs basicConstraints CA:TRUE'],
    ['that may not sign', { usages: KeyUsageFlags.digitalSignature }, 'it needs keyUsage keyCertSign'],
    ['that has ended', { life: { from: now - 2 * DAY, until: now - DAY } }, ' ended on '],
    ['that is not valid yet', { life: { from: now + DAY, until: now + 2 * DAY } }, ' is valid only from '],
    [
      'for servers only',
      { more: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth])] },
      'must have both serverAuth and clientAuth',
    ],
    ['that allows other names only', { more: [onlyExampleOrg] }, 'are refused by peers: permitted subtree violation'],
  ])('%s', async (_, mistakes, problem) => {
    const root = await companyRoot()
    const chain = await signed(await request(), root, mistakes)
    await expect(install(chain, root.certificate)).rejects.toThrow(problem)
    expect((await folderStore(folder).read()).has('root.pem')).toBe(false)
    await install(await signed(await request(), root), root.certificate) // the request still waits
  })

  test('whose root allows no authority below it', async () => {
    const root = await companyRoot('CN=Example Root', { pathLength: 0 })
    await expect(install(await signed(await request(), root), root.certificate)).rejects.toThrow(
      'allows 0 authorities below it, and there are 1: raise its pathlen',
    )
  })

  test('for another key, by another root, or that does not hang together', async () => {
    const root = await companyRoot()
    const chain = await signed(await request(), root)
    await request(true)
    await expect(install(chain, root.certificate)).rejects.toThrow('is for another key than that in')
    const good = await signed(await request(), root)
    await expect(install(good, (await companyRoot('CN=Example Root')).certificate)).rejects.toThrow('was not signed by')
    await expect(install(good)).rejects.toThrow('which is not in the chain: add it, up to the root')
    await expect(install('')).rejects.toThrow('there is no certificate in PEM')
    await expect(install(certificatesPem([root.certificate]))).rejects.toThrow('there is only a root')
  })

  test('without a request', async () => {
    await expect(install(certificatesPem([(await companyRoot()).certificate]))).rejects.toThrow('no request waits in')
  })
})
