import { spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate as NodeCertificate, webcrypto } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type IssuedCertificate, openCa } from './ca.ts'
import { certificatesIn, certificatesPem, urisOf } from './certificate.ts'
import { makeCsr, provenPublicKey } from './csr.ts'
import { KEY_ALGORITHM, makeKeyPair, privateKeyPem } from './key.ts'
import type { Log } from './log.ts'
import { ManualClock } from './manual-clock.ts'
import { workloadId } from './spiffe.ts'
import {
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from './x509.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** Where it is installed. */
const OPENSSL = 'openssl'
const quiet: Log = () => {}
const reviews = workloadId('default', 'reviews')

let folder: string
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'weft-ca-')), 'ca')
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

const csr = async () => makeCsr(await makeKeyPair())
const leafOf = (issued: IssuedCertificate) => new NodeCertificate(issued.chainPem)
const firstIn = (pem: string) => {
  const [certificate] = certificatesIn(pem)
  if (!certificate) throw new Error('no certificate')
  return certificate
}

/** What a TLS peer does: each is signed by the next, the last by one of the roots. */
function verifies(chainPem: string, bundlePem: string): boolean {
  const chain = certificatesIn(chainPem).map((certificate) => new NodeCertificate(certificate.toString('pem')))
  const roots = certificatesIn(bundlePem).map((certificate) => new NodeCertificate(certificate.toString('pem')))
  return chain.every((certificate, i) => {
    const issuers = i + 1 < chain.length ? chain.slice(i + 1, i + 2) : roots
    return issuers.some((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey))
  })
}

describe('a new certificate authority', () => {
  test('keeps others out of its folder and files', async () => {
    await openCa(folder, { log: quiet })
    const mode = (path: string) => statSync(path).mode & 0o777
    expect(mode(folder)).toBe(0o700)
    expect(readdirSync(folder).sort()).toEqual(['intermediate.pem', 'root.pem', 'trust-bundle.pem'])
    expect(mode(join(folder, 'root.pem'))).toBe(0o600)
    expect(mode(join(folder, 'intermediate.pem'))).toBe(0o600)
    expect(readFileSync(join(folder, 'trust-bundle.pem'), 'utf8')).not.toContain('PRIVATE')
  })

  test('says of its root that it is not for production', async () => {
    const ca = await openCa(folder, { log: quiet })
    expect(ca.selfMade).toBe(true)
    expect(new NodeCertificate(ca.trustBundlePem).subject).toContain('OU=not for production')
  })

  test('is the same when it is opened again', async () => {
    const first = await openCa(folder, { log: quiet })
    const files = () => readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
    const before = files()
    const second = await openCa(folder, { log: quiet })
    expect(files()).toEqual(before)
    const issued = await second.signCsr({ csrPem: await csr(), spiffeId: reviews })
    expect(verifies(issued.chainPem, first.trustBundlePem)).toBe(true)
  })

  test('is one, when several open it at once', async () => {
    const cas = await Promise.all(Array.from({ length: 4 }, () => openCa(folder, { log: quiet })))
    expect(new Set(cas.map((ca) => ca.trustBundlePem)).size).toBe(1)
    for (const ca of cas) {
      const issued = await ca.signCsr({ csrPem: await csr(), spiffeId: reviews })
      expect(verifies(issued.chainPem, ca.trustBundlePem)).toBe(true)
    }
  })

  test('comes to be whatever a killed process left', async () => {
    await openCa(folder, { log: quiet })
    const root = readFileSync(join(folder, 'root.pem'), 'utf8')
    const dead = spawnSync('true').pid
    for (const left of [['root.pem'], ['root.pem', 'intermediate.pem'], []]) {
      for (const name of readdirSync(folder)) if (!left.includes(name)) rmSync(join(folder, name))
      writeFileSync(join(folder, `.partial-${dead}-1-root.pem`), root.slice(0, 99), { mode: 0o600 })
      const ca = await openCa(folder, { log: quiet })
      if (left.length > 0) expect(root).toContain(ca.trustBundlePem.trim())
      else expect(root).not.toContain(ca.trustBundlePem.trim())
      expect(readdirSync(folder).sort()).toEqual(['intermediate.pem', 'root.pem', 'trust-bundle.pem'])
    }
  })
})

describe('a certificate authority refuses', () => {
  test.each(['root.pem', 'intermediate.pem'])('a %s that others can read, with the chmod to run', async (name) => {
    await openCa(folder, { log: quiet })
    chmodSync(join(folder, name), 0o640)
    await expect(openCa(folder, { log: quiet })).rejects.toThrow(
      `mode 0640) but guards private keys; run: chmod 600 '${join(folder, name)}'`,
    )
    chmodSync(join(folder, name), 0o600)
    await openCa(folder, { log: quiet })
  })

  test('a folder that others can enter', async () => {
    await openCa(folder, { log: quiet })
    chmodSync(folder, 0o755)
    await expect(openCa(folder, { log: quiet })).rejects.toThrow(`run: chmod 700 '${folder}'`)
  })

  test('another trust domain than it was made for', async () => {
    await openCa(folder, { log: quiet })
    await expect(openCa(folder, { trustDomain: 'example.org', log: quiet })).rejects.toThrow(
      'is for the trust domain cluster.local, not example.org',
    )
  })

  test('files that do not belong together, or are broken', async () => {
    const other = join(folder, '..', 'other')
    await openCa(folder, { log: quiet })
    await openCa(other, { log: quiet })
    const intermediate = readFileSync(join(folder, 'intermediate.pem'), 'utf8')
    const theirs = readFileSync(join(other, 'intermediate.pem'), 'utf8')
    const write = (text: string) => writeFileSync(join(folder, 'intermediate.pem'), text)
    write(theirs)
    await expect(openCa(folder, { log: quiet })).rejects.toThrow('intermediate.pem was not signed by')
    write(
      theirs.slice(0, theirs.indexOf('-----BEGIN CERT')) + intermediate.slice(intermediate.indexOf('-----BEGIN CERT')),
    )
    await expect(openCa(folder, { log: quiet })).rejects.toThrow('the key does not belong to the certificate')
    write('')
    await expect(openCa(folder, { log: quiet })).rejects.toThrow('intermediate.pem holds no certificate')
    write('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    await expect(openCa(folder, { log: quiet })).rejects.toThrow(
      'intermediate.pem holds a certificate that cannot be read',
    )
    write(intermediate.slice(intermediate.indexOf('-----BEGIN CERT')))
    await expect(openCa(folder, { log: quiet })).rejects.toThrow('intermediate.pem has no private key')
  })

  test('to go on when its root has ended', async () => {
    const clock = new ManualClock()
    await openCa(folder, { clock, log: quiet })
    clock.advance(3651 * DAY)
    await expect(openCa(folder, { clock, log: quiet })).rejects.toThrow('the root certificate in')
  })
})

describe('a workload certificate', () => {
  test('is an X.509-SVID for both ends of TLS, backdated by a minute, good for an hour from now', async () => {
    const clock = new ManualClock(Date.parse('2030-01-02T03:04:05.678Z'))
    const ca = await openCa(folder, { clock, log: quiet })
    const issued = await ca.signCsr({ csrPem: await csr(), spiffeId: reviews, dnsNames: ['v1.reviews.default'] })
    const leaf = leafOf(issued)
    expect(leaf.subject ?? '').toBe('')
    expect(leaf.subjectAltName).toBe(`URI:${reviews}, DNS:v1.reviews.default`)
    expect(leaf.ca).toBe(false)
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    expect(new Date(leaf.validFrom)).toEqual(new Date('2030-01-02T03:03:05Z'))
    expect(new Date(leaf.validTo)).toEqual(new Date('2030-01-02T04:04:05Z'))
    expect(issued.notAfter).toEqual(new Date(leaf.validTo))
    const parsed = firstIn(issued.chainPem)
    expect(parsed.getExtension(SubjectAlternativeNameExtension)?.critical).toBe(true)
    expect(parsed.getExtension(KeyUsagesExtension)?.usages).toBe(KeyUsageFlags.digitalSignature)
    expect(parsed.serialNumber).toBe(issued.serial)
  })

  test('verifies with Node', async () => {
    const ca = await openCa(folder, { log: quiet })
    const issued = await ca.signCsr({ csrPem: await csr(), spiffeId: reviews })
    expect(verifies(issued.chainPem, issued.trustBundlePem)).toBe(true)
  })

  test.skipIf(spawnSync(OPENSSL, ['version']).status !== 0)('verifies with a strict openssl', async () => {
    const ca = await openCa(folder, { log: quiet })
    const issued = await ca.signCsr({ csrPem: await csr(), spiffeId: reviews })
    const path = (name: string, text: string) => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const [leaf, intermediate] = certificatesIn(issued.chainPem).map(
      (certificate) => `${certificate.toString('pem')}\n`,
    )
    const verify = spawnSync(OPENSSL, [
      ...['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', path('roots', issued.trustBundlePem)],
      ...['-untrusted', path('intermediate', intermediate ?? ''), path('leaf', leaf ?? '')],
    ])
    expect(`${verify.stdout}${verify.stderr}`).toBe(`${join(folder, 'leaf')}: OK\n`)
  })

  test('has the key of the CSR and nothing else of it', async () => {
    const ca = await openCa(folder, { log: quiet })
    const keys = await makeKeyPair()
    const request = await Pkcs10CertificateRequestGenerator.create({
      name: 'CN=admin',
      keys,
      signingAlgorithm: KEY_ALGORITHM,
      extensions: [
        new SubjectAlternativeNameExtension([{ type: 'url', value: workloadId('kube-system', 'admin') }]),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign),
      ],
    })
    const issued = await ca.signCsr({ csrPem: request.toString('pem'), spiffeId: reviews })
    const leaf = leafOf(issued)
    expect(leaf.subject ?? '').toBe('')
    expect(urisOf(firstIn(issued.chainPem))).toEqual([reviews])
    expect(leaf.ca).toBe(false)
    expect(leaf.checkPrivateKey(createPrivateKey(await privateKeyPem(keys.privateKey)))).toBe(true)
  })

  test('lives as long as asked for, but no longer than configured', async () => {
    const clock = new ManualClock(Date.parse('2030-01-01T00:00:00Z'))
    const ca = await openCa(folder, { clock, log: quiet, workloadLifeMs: 20_000 })
    const life = async (lifeMs?: number) => {
      const issued = await ca.signCsr({ csrPem: await csr(), spiffeId: reviews, lifeMs })
      return issued.notAfter.getTime() - clock.now()
    }
    expect(await life()).toBe(20_000)
    expect(await life(5_000)).toBe(5_000)
    expect(await life(DAY)).toBe(20_000)
    expect(await life(-1)).toBe(1_000)
  })

  test('has a serial number of its own', async () => {
    const ca = await openCa(folder, { log: quiet })
    const csrPem = await csr()
    const serials = await Promise.all(Array.from({ length: 20 }, () => ca.signCsr({ csrPem, spiffeId: reviews })))
    expect(new Set(serials.map(({ serial }) => serial)).size).toBe(20)
    for (const { serial } of serials) expect(serial).toMatch(/^[0-9a-f]{24,32}$/)
  })

  test('is not given outside the trust domain, or for names that are none', async () => {
    const ca = await openCa(folder, { log: quiet })
    const csrPem = await csr()
    const sign = (spiffeId: string, more = {}) => ca.signCsr({ csrPem, spiffeId, ...more })
    await expect(sign('spiffe://example.org/ns/a/sa/b')).rejects.toThrow('not in the trust domain cluster.local')
    await expect(sign('spiffe://cluster.local')).rejects.toThrow('is no identity')
    await expect(sign(reviews, { dnsNames: ['a b'] })).rejects.toThrow('"a b" is no DNS name')
    await expect(sign(reviews, { ipAddresses: ['127.0.0'] })).rejects.toThrow('"127.0.0" is no IP address')
  })
})

/** Made with `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:secp224r1`; Node makes no such keys. */
const SMALL_CURVE_CSR = `-----BEGIN CERTIFICATE REQUEST-----
MIGnMFcCAQAwADBOMBAGByqGSM49AgEGBSuBBAAhAzoABDEvq0m9Fzj2ZnYtKjam
jNKiMurL4DNHPWh6auJW6ENmL33N+R1/PjNTgrfEjxXmGWqqzqLfmKd0oAAwCgYI
KoZIzj0EAwIDQAAwPQIcBZ10BkxhJ8hhT9sTn0ItsEyWU3hMhimZ33MDugIdAP+3
PIfnYvQZ0JRtk2G1FJwbzcLJvVyulS0Hmi0=
-----END CERTIFICATE REQUEST-----`

describe('a CSR is refused', () => {
  const sign = async (csrPem: string) => (await openCa(folder, { log: quiet })).signCsr({ csrPem, spiffeId: reviews })
  const pem = (der: Uint8Array) => {
    const lines =
      Buffer.from(der)
        .toString('base64')
        .match(/.{1,64}/g) ?? []
    return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join('\n')}\n-----END CERTIFICATE REQUEST-----\n`
  }
  const body = (text: string) => Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64')

  test('that is no CSR', async () => {
    for (const text of [
      '',
      'x',
      pem(Buffer.from('x')),
      (await csr()).replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'),
    ]) {
      await expect(sign(text)).rejects.toThrow('cannot be read')
    }
    await expect(sign((await csr()) + (await csr()))).rejects.toThrow('cannot be read')
    await expect(sign(pem(Buffer.alloc(20_000)))).rejects.toThrow('larger than 16384 bytes')
  })

  test('where one bit of its key is turned; no turned bit anywhere makes it prove another key', async () => {
    const der = body(await csr())
    const key = Buffer.from(await provenPublicKey(pem(der)))
    const start = der.indexOf(key)
    const turned = (bit: number) => {
      const forged = Buffer.from(der)
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      return provenPublicKey(pem(forged))
    }
    const ofKey = fc.nat(key.length * 8 - 1).map((bit) => start * 8 + bit)
    await fc.assert(
      fc.asyncProperty(ofKey, async (bit) => {
        await expect(turned(bit)).rejects.toThrow(/certificate signing request/)
      }),
    )
    // A few bits (of tags, of unused bits) carry no meaning to the parser, so the request is still the same request.
    await fc.assert(
      fc.asyncProperty(fc.nat(der.length * 8 - 1), async (bit) => {
        const proven = await turned(bit).catch(() => undefined)
        if (proven) expect(Buffer.from(proven)).toEqual(key)
      }),
    )
  })

  test('that was signed with another key than it carries', async () => {
    const mine = await makeKeyPair()
    const theirs = await makeKeyPair()
    const request = await Pkcs10CertificateRequestGenerator.create({
      keys: { publicKey: theirs.publicKey, privateKey: mine.privateKey },
      signingAlgorithm: KEY_ALGORITHM,
    })
    await expect(sign(request.toString('pem'))).rejects.toThrow('not signed with the key that it carries')
  })

  test.each([
    [
      'RSA of 1024 bits',
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) },
      'its key is rsa 1024 bits',
    ],
    [
      'RSA of 2048 bits',
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
      'its key is rsa 2048 bits',
    ],
    ['Ed25519', { name: 'Ed25519' }, 'its key is ed25519'],
    ['P-521', { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' }, 'its key is ec secp521r1'],
  ])('with a key of %s', async (_, algorithm, problem) => {
    const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
    const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: algorithm })
    await expect(sign(request.toString('pem'))).rejects.toThrow(`${problem}; use ECDSA on P-256 or P-384`)
  })

  test('on a small curve, and not on P-384', async () => {
    await expect(sign(SMALL_CURVE_CSR)).rejects.toThrow('its key is ec secp224r1; use ECDSA on P-256 or P-384')
    const algorithm = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: algorithm })
    expect(leafOf(await sign(request.toString('pem'))).publicKey.asymmetricKeyDetails?.namedCurve).toBe('secp384r1')
  })
})

describe('the intermediate', () => {
  const intermediateOf = (issued: IssuedCertificate) => certificatesIn(issued.chainPem)[1]?.serialNumber

  test('is renewed with a third of its year left, and chains of the old one stay good', async () => {
    const clock = new ManualClock()
    const ca = await openCa(folder, { clock, log: quiet })
    const sign = async () => ca.signCsr({ csrPem: await csr(), spiffeId: reviews })
    const first = await sign()
    clock.advance(240 * DAY)
    expect(intermediateOf(await sign())).toBe(intermediateOf(first))
    clock.advance(5 * DAY)
    const [second, third] = await Promise.all([sign(), sign()])
    expect(intermediateOf(second)).not.toBe(intermediateOf(first))
    expect(intermediateOf(third)).toBe(intermediateOf(second))
    expect(second.trustBundlePem).toBe(first.trustBundlePem)
    expect(verifies(first.chainPem, second.trustBundlePem)).toBe(true)
    expect(verifies(second.chainPem, first.trustBundlePem)).toBe(true)
    const again = await openCa(folder, { clock, log: quiet })
    const issued = await again.signCsr({ csrPem: await csr(), spiffeId: reviews })
    expect(intermediateOf(issued)).toBe(intermediateOf(second))
  })

  test('bounds what it signs, and what a root elsewhere has not renewed ends with a message', async () => {
    const clock = new ManualClock()
    await openCa(folder, { clock, log: quiet })
    const root = readFileSync(join(folder, 'root.pem'), 'utf8')
    writeFileSync(join(folder, 'root.pem'), root.slice(root.indexOf('-----BEGIN CERT'))) // its key is kept elsewhere now
    const said: string[] = []
    const ca = await openCa(folder, { clock, log: (_, text) => said.push(text) })
    const sign = async () => ca.signCsr({ csrPem: await csr(), spiffeId: reviews })
    clock.advance(365 * DAY - HOUR / 2)
    const issued = await sign()
    await sign()
    expect(issued.notAfter.getTime()).toBe(certificatesIn(issued.chainPem)[1]?.notAfter.getTime())
    expect(said).toEqual([expect.stringContaining("the root's key is not there")])
    clock.advance(HOUR)
    await expect(sign()).rejects.toThrow('the intermediate certificate in')
  })

  test('that a person puts there is taken up while the CA runs', async () => {
    const clock = new ManualClock()
    await openCa(folder, { clock, log: quiet })
    const root = readFileSync(join(folder, 'root.pem'), 'utf8')
    writeFileSync(join(folder, 'root.pem'), root.slice(root.indexOf('-----BEGIN CERT')))
    const ca = await openCa(folder, { clock, log: quiet })
    const before = await ca.signCsr({ csrPem: await csr(), spiffeId: reviews })
    clock.advance(300 * DAY)
    writeFileSync(join(folder, 'root.pem'), root)
    await openCa(folder, { clock, log: quiet }) // has the key, so makes the new one
    const after = await ca.signCsr({ csrPem: await csr(), spiffeId: reviews })
    expect(intermediateOf(after)).not.toBe(intermediateOf(before))
    expect(verifies(after.chainPem, before.trustBundlePem)).toBe(true)
  })
})

describe('the root', () => {
  test('can be made elsewhere', async () => {
    const keys = await makeKeyPair()
    const made = await openCa(join(folder, '..', 'made'), { log: quiet })
    const template = firstIn(made.trustBundlePem)
    const root = await X509CertificateGenerator.createSelfSigned({
      name: 'CN=Example Corp Root',
      keys,
      signingAlgorithm: KEY_ALGORITHM,
      notAfter: new Date(Date.now() + 3650 * DAY),
      extensions: template.extensions.filter(({ type }) => type === '2.5.29.19' || type === '2.5.29.15'),
    })
    await openCa(folder, { log: quiet })
    rmSync(join(folder, 'intermediate.pem'))
    writeFileSync(join(folder, 'root.pem'), (await privateKeyPem(keys.privateKey)) + certificatesPem([root]))
    const ca = await openCa(folder, { log: quiet })
    expect(ca.selfMade).toBe(false)
    const issued = await ca.signCsr({ csrPem: await csr(), spiffeId: reviews })
    expect(verifies(issued.chainPem, certificatesPem([root]))).toBe(true)
  })

  test('is rotated without a moment when somebody does not trust somebody', async () => {
    const read = (name: string) => readFileSync(join(folder, name), 'utf8')
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 })
    const sign = async () => (await openCa(folder, { log: quiet })).signCsr({ csrPem: await csr(), spiffeId: reviews })
    const next = join(folder, '..', 'next')
    const before = await sign()
    const oldRoot = before.trustBundlePem
    const newRoot = (await openCa(next, { log: quiet })).trustBundlePem

    write('trusted-roots.pem', newRoot)
    const announced = await sign()
    write('root.pem', readFileSync(join(next, 'root.pem'), 'utf8'))
    write('trusted-roots.pem', oldRoot)
    rmSync(join(folder, 'intermediate.pem'))
    const changed = await sign()
    rmSync(join(folder, 'trusted-roots.pem'))
    const after = await sign()

    expect(read('trust-bundle.pem')).toBe(newRoot)
    const stages = [before, announced, changed, after]
    for (const [i, one] of stages.entries()) {
      for (const other of stages.slice(i, i + 2)) {
        expect(verifies(one.chainPem, other.trustBundlePem)).toBe(true)
        expect(verifies(other.chainPem, one.trustBundlePem)).toBe(true)
      }
    }
    expect(verifies(after.chainPem, before.trustBundlePem)).toBe(false)
  })

  test('is trusted beside those in trusted-roots.pem, each once', async () => {
    const other = await openCa(join(folder, '..', 'other'), { log: quiet })
    const mine = await openCa(folder, { log: quiet })
    writeFileSync(join(folder, 'trusted-roots.pem'), other.trustBundlePem + mine.trustBundlePem, { mode: 0o600 })
    const ca = await openCa(folder, { log: quiet })
    expect(ca.trustBundlePem).toBe(mine.trustBundlePem + other.trustBundlePem)
    expect(readFileSync(join(folder, 'trust-bundle.pem'), 'utf8')).toBe(ca.trustBundlePem)
    expect(existsSync(join(folder, 'root.pem'))).toBe(true)
  })
})
