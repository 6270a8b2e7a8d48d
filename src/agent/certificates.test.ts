import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type CertificateAuthority, openCa } from '../identity/ca.ts'
import { provenPublicKey } from '../identity/csr.ts'
import { ManualClock } from '../identity/manual-clock.ts'
import { workloadId } from '../identity/spiffe.ts'
import { Certificates, type HeldCertificate, type Sign } from './certificates.ts'

const HOUR = 3_600_000
const reviews = workloadId('default', 'reviews')

let folder: string
let clock: ManualClock
let ca: CertificateAuthority
let certificates: Certificates
let said: string[]
/** What the next CSRs meet. */
let server: 'up' | 'away' | 'loses its answers' | 'an hour behind'
let asked: string[]
let random: number

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-agent-'))
  clock = new ManualClock()
  said = []
  asked = []
  server = 'up'
  random = 0
  ca = await openCa(join(folder, 'ca'), { clock, log: () => {} })
  const log = (severity: string, text: string) => said.push(`${severity}: ${text}`)
  const sign: Sign = async (csrPem, spiffeId) => {
    asked.push(csrPem)
    if (server === 'away') throw new Error('the server is away')
    if (server === 'an hour behind') clock.advance(-HOUR)
    const issued = await ca.signCsr({ csrPem, spiffeId })
    if (server === 'an hour behind') clock.advance(HOUR)
    if (server === 'loses its answers') throw new Error('the answer was lost')
    return issued
  }
  certificates = new Certificates({ sign, clock, random: () => random, log })
})
afterEach(() => {
  certificates.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A listener that keeps what it hears. */
function listening(spiffeId: string) {
  const heard: HeldCertificate[] = []
  const stop = certificates.listen(spiffeId, (certificate) => heard.push(certificate))
  return { heard, stop }
}

/** Runs the next renewal or retry, and waits for its end. */
async function next(): Promise<number> {
  const delay = clock.untilNext() ?? Number.NaN
  clock.advance(delay)
  await settled()
  return delay
}
const settled = () => expect.poll(() => clock.untilNext(), { interval: 2 }).toBeDefined()

describe('a certificate that is listened for', () => {
  test('comes with the key that it is for', async () => {
    const { heard } = listening(reviews)
    await settled()
    expect(heard).toHaveLength(1)
    const [held] = heard
    const leaf = new X509Certificate(held?.chainPem ?? '')
    expect(leaf.subjectAltName).toBe(`URI:${reviews}`)
    expect(leaf.checkPrivateKey(createPrivateKey(held?.privateKeyPem ?? ''))).toBe(true)
    expect(held?.trustBundlePem).toBe(ca.trustBundlePem)
    expect(held?.serial).toBe(leaf.serialNumber.toLowerCase())
  })

  test('is one for all who listen for it, and known at once to who comes later', async () => {
    const first = listening(reviews)
    await settled()
    const second = listening(reviews)
    expect(second.heard).toEqual(first.heard)
    await next()
    expect(second.heard).toEqual(first.heard)
    expect(first.heard).toHaveLength(2)
    expect(asked).toHaveLength(2)
  })

  test('is renewed between 50 and 80 % of its life, each time with a new key', async () => {
    const { heard } = listening(reviews)
    await settled()
    const delays: number[] = []
    for (random of [0, 0.999, 0.5]) delays.push((await next()) / HOUR)
    expect(delays[0]).toBeCloseTo(0.5, 2) // drawn at the first certificate, when random was 0
    expect(delays[1]).toBeCloseTo(0.5, 2)
    expect(delays[2]).toBeCloseTo(0.8, 2)
    expect(new Set(heard.map(({ privateKeyPem }) => privateKeyPem)).size).toBe(4)
    expect(new Set(heard.map(({ serial }) => serial)).size).toBe(4)
    expect(said).toEqual([])
  })

  test('is kept while the server is away, asked for ever less often, and renewed when it is back', async () => {
    const { heard } = listening(reviews)
    await settled()
    server = 'away'
    await next()
    const delays: number[] = []
    for (let i = 0; i < 8; i++) delays.push(await next())
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000])
    expect(heard).toHaveLength(1)
    server = 'up'
    await next()
    expect(heard).toHaveLength(2)
    expect(said).toEqual([
      expect.stringMatching(/^warning: the certificate of .* is good until .* is not renewed yet: the server is away$/),
      `info: ${reviews} has a certificate again`,
    ])
  })

  test('that has ended is said to have', async () => {
    listening(reviews)
    await settled()
    server = 'away'
    await next()
    clock.advance(HOUR)
    await settled()
    expect(said.at(-1)).toMatch(/^error: the certificate of .* ended on .*: the server is away$/)
  })

  test('is asked for with the same key until there is an answer', async () => {
    server = 'loses its answers'
    const { heard } = listening(reviews)
    await settled()
    await next()
    server = 'up'
    await next()
    expect(heard).toHaveLength(1)
    await next()
    const keys = await Promise.all(asked.map(async (csr) => Buffer.from(await provenPublicKey(csr)).toString('hex')))
    expect(keys).toHaveLength(4)
    expect(keys.slice(0, 3)).toEqual([keys[0], keys[0], keys[0]])
    expect(keys[3]).not.toBe(keys[0])
  })

  test('that comes ended, by our clock, is not taken, and not asked for without pause', async () => {
    server = 'an hour behind'
    const { heard } = listening(reviews)
    await settled()
    expect(heard).toEqual([])
    expect(said).toEqual([expect.stringContaining('set the clocks of both right')])
    expect(clock.untilNext()).toBe(250)
  })

  test('is forgotten when the last listener goes', async () => {
    const first = listening(reviews)
    const second = listening(reviews)
    await settled()
    first.stop()
    first.stop()
    expect(clock.untilNext()).toBeDefined()
    second.stop()
    expect(clock.untilNext()).toBeUndefined()
    const third = listening(reviews)
    expect(third.heard).toEqual([])
    await settled()
    expect(asked).toHaveLength(2)
    expect(first.heard).toHaveLength(1)
  })

  test('can be renewed ahead of time, once', async () => {
    const { heard } = listening(reviews)
    await settled()
    certificates.renewSoon(reviews)
    certificates.renewSoon(reviews)
    certificates.renewSoon('spiffe://nobody')
    expect(await next()).toBe(250)
    expect(heard).toHaveLength(2)
    expect(asked).toHaveLength(2)
  })
})
