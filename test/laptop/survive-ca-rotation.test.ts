// What signs every certificate is replaced under load, by people and processes that are killed on the way.
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { certificatesIn, certificatesPem, fingerprintOf, keyIdOf } from '../../src/identity/certificate.ts'
import { KEY_ALGORITHM, makeKeyPair } from '../../src/identity/key.ts'
import type { Rotation } from '../../src/identity/rotation.ts'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  X509CertificateGenerator,
} from '../../src/identity/x509.ts'
import type { CertificateView } from '../../src/server/certificate-view.ts'
import { checkCalls, echoMesh, TO_BACK } from './echo-mesh.ts'
import { startMesh, type TestMesh, until } from './mesh.ts'
import { underLoad } from './under-load.ts'

/** Gentle: each request has its own handshake at each hop. */
const GENTLE = { clients: 2, pause: 30 }
const PATIENCE_MS = 60_000
/** A machine may be busy with other things. */
const LONG = { timeout: 4 * PATIENCE_MS }

const shortConnections = ['front', 'back'].map(
  (host) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host}-connections }
spec: { host: ${host}, trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 1 } } } }
`,
)

let mesh: TestMesh
beforeAll(async () => {
  const { 'subsets.yaml': _, ...texts } = echoMesh()
  texts['connections.yaml'] = shortConnections.join('---')
  mesh = await startMesh({ texts })
})
afterAll(() => mesh?.dispose())

const folder = () => join(mesh.home, 'state', 'weft', 'default', 'ca')
const entry = (name: string) => join(folder(), name)
const certificateIn = (name: string) => {
  const [certificate] = certificatesIn(readFileSync(entry(name), 'utf8'))
  if (!certificate) throw new Error(`no certificate in ${name}`)
  return certificate
}
const rotation = () =>
  existsSync(entry('rotation.json'))
    ? (JSON.parse(readFileSync(entry('rotation.json'), 'utf8')) as Rotation)
    : undefined
const stage = () => {
  const now = rotation()
  return now?.kind === 'root' ? now.stage : now?.kind
}
const underway = (act: Parameters<typeof underLoad>[3]) => underLoad(mesh, TO_BACK, { ...checkCalls(), ...GENTLE }, act)

/** What every proxy shows to its peers, by their Envoys' own words: serial numbers; and what each trusts. */
async function inEnvoys(): Promise<{ leaves: string[]; roots: string[] }> {
  const pods = await Promise.all((await mesh.pods()).map(({ name }) => mesh.pod(name)))
  const certs = await Promise.all(
    pods.map(async (pod) => JSON.parse(await pod.admin('/certs')) as { certificates: EnvoyCertificate[] }),
  )
  const all = certs.flatMap(({ certificates }) => certificates)
  const serials = (of: 'cert_chain' | 'ca_cert') => [
    ...new Set(all.flatMap(({ [of]: [first] }) => (first ? [first.serial_number] : []))),
  ]
  return { leaves: serials('cert_chain'), roots: serials('ca_cert') }
}

/** Waits until no Envoy shows any of these: one may keep what a connection that is being closed was made with. */
async function replaced(leaves: readonly string[]): Promise<void> {
  await until(PATIENCE_MS, async () => !(await inEnvoys()).leaves.some((serial) => leaves.includes(serial)))
}

interface EnvoyCertificate {
  readonly cert_chain: readonly { readonly serial_number: string }[]
  readonly ca_cert: readonly { readonly serial_number: string }[]
}

test('the intermediate is replaced, and with it every certificate', LONG, async () => {
  const before = keyIdOf(certificateIn('intermediate.pem'))
  const held = await inEnvoys()
  await underway(async (load) => {
    const { code, stdout, stderr } = await mesh.weft('ca', 'rotate')
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toMatch(/^The intermediate is "O=cluster.local, CN=Weft intermediate [0-9a-f]{8}" now\.\n$/)
    await load.more(20)
  })
  await replaced(held.leaves)
  expect((await inEnvoys()).roots).toEqual(held.roots)
  const now = keyIdOf(certificateIn('intermediate.pem'))
  expect(now).not.toBe(before)
  const { agents, serving } = await mesh.api<CertificateView>('ca')
  const reported = agents.flatMap(({ report }) => [
    report?.own,
    ...(report?.proxies.map(({ certificate }) => certificate) ?? []),
  ])
  expect(new Set([...reported, serving].map((certificate) => certificate?.issuer))).toEqual(new Set([now]))
  expect(rotation()).toBeUndefined()
})

test('the inventory tells who holds which certificate, and what was replaced', LONG, async () => {
  const { stdout } = await mesh.weft('ca', 'certificates', '-A', '-o', 'json')
  const listed = JSON.parse(stdout) as {
    identity: string
    serial: string
    usedBy: string[]
    key?: string
    violations: string[]
  }[]
  const pods = (await mesh.pods()).map(({ key }) => key)
  const inUse = listed.filter(({ usedBy }) => usedBy.length > 0)
  expect(new Set(inUse.flatMap(({ usedBy }) => usedBy))).toEqual(new Set(['server', 'agent laptop', ...pods]))
  const back = listed.filter(({ identity }) => identity === 'spiffe://cluster.local/ns/default/sa/back')
  // The first, and that of the new intermediate.
  expect(back.length).toBeGreaterThanOrEqual(2)
  expect(back.filter(({ usedBy }) => usedBy.length > 0)).toMatchObject([{ key: 'EC P-256', violations: [] }])
  const { leaves } = await inEnvoys()
  expect(new Set(leaves.map(hex))).toEqual(
    new Set(inUse.filter(({ usedBy }) => usedBy.some((who) => pods.includes(who))).map(({ serial }) => hex(serial))),
  )
  expect((await mesh.weft('ca', 'certificates', '--violating', '--max-life', '10m')).stdout).toContain('lasts 1 hours')
  expect((await mesh.weft('ca', 'certificates', '--expiring', '1m')).stderr).toBe('No such certificates.\n')
  const { stdout: csv } = await mesh.weft('ca', 'certificates', '--others', '-o', 'csv')
  expect(csv.trim().split('\r\n')).toHaveLength(inUse.length + 1)
  expect(stdout + csv).not.toContain('PRIVATE')
})

test(
  'an identity that is blocked is let in nowhere, at once, gets no certificate, and can be let in again',
  LONG,
  async () => {
    const answerOfFront = async () => (await mesh.get(TO_BACK)).body
    expect(await answerOfFront()).toContain('"status":200')
    const blocked = await mesh.weft('ca', 'block', 'default/front', '--reason', 'its key was stolen')
    expect(blocked).toMatchObject({ code: 0, stdout: 'spiffe://cluster.local/ns/default/sa/front is blocked.\n' })
    await until(PATIENCE_MS, async () => (await answerOfFront()).includes('"status":403'))
    // Others call it, and each other, as before.
    expect((await mesh.get('/')).status).toBe(200)
    expect((await mesh.weft('ca', 'certificates')).stdout).toMatch(/sa\/front .* blocked/)
    expect((await mesh.weft('ca', 'status')).stdout).toContain('sa/front (its key was stolen)')
    expect((await mesh.weft('ca', 'block', 'weft-system/weft-server', '--reason', 'x')).stderr).toContain(
      'is the control plane itself',
    )
    process.kill(mesh.planePid('agent') ?? 0, 'SIGKILL')
    await until(PATIENCE_MS, () => mesh.logs().includes('sa/front is blocked since'))
    expect((await mesh.weft('ca', 'unblock', 'default/front')).code).toBe(0)
    await until(PATIENCE_MS, async () => (await answerOfFront()).includes('"status":200'))
  },
)

/** Starts to rotate the root, and kills what does at once when the stage is reached. */
async function rotateUntil(reached: string): Promise<void> {
  const child = mesh.start('ca', 'rotate', '--root')
  let said = ''
  child.stderr.on('data', (text: Buffer) => {
    said += text
  })
  const ended = once(child, 'exit')
  // It may be further by the time that somebody looks.
  const places = ['trust', 'sign', 'distrust', 'finish']
  await until(PATIENCE_MS, () => places.indexOf(stage() ?? '') >= places.indexOf(reached) || child.exitCode !== null)
  expect({ code: child.exitCode, said: child.exitCode === null ? '' : said }).toEqual({ code: null, said: '' })
  child.kill('SIGKILL')
  await ended
}

test('the root is replaced in stages, whoever is killed in whichever of them', {
  timeout: 4 * PATIENCE_MS,
}, async () => {
  const before = certificateIn('root.pem')
  const held = await inEnvoys()
  await underway(async (load) => {
    await rotateUntil('trust')
    process.kill(mesh.planePid('server') ?? 0, 'SIGKILL')
    await rotateUntil('sign')
    process.kill(mesh.planePid('agent') ?? 0, 'SIGKILL')
    process.kill(mesh.planePid('server') ?? 0, 'SIGKILL')
    await rotateUntil('distrust')
    await load.more(20)
    const { code, stdout, stderr } = await mesh.weft('ca', 'rotate', '--root')
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toContain('CN=Weft self-made root')
    await load.more(20)
  })
  const after = certificateIn('root.pem')
  expect(fingerprintOf(after)).not.toBe(fingerprintOf(before))
  expect(certificatesIn(readFileSync(entry('trust-bundle.pem'), 'utf8')).map(fingerprintOf)).toEqual([
    fingerprintOf(after),
  ])
  expect(readdirSync(folder()).sort()).toEqual(['intermediate.pem', 'operations.jsonl', 'root.pem', 'trust-bundle.pem'])
  await replaced(held.leaves)
  await until(PATIENCE_MS, async () => (await inEnvoys()).roots.map(hex).join() === hex(after.serialNumber))
})

/** Serial numbers as Envoy and we write them, without leading zeros. */
const hex = (serial: string) => serial.replace(/^0+/, '')

test('a root of ones own takes over from the self-made one; the way back is open until the last stage', {
  timeout: 4 * PATIENCE_MS,
}, async () => {
  const before = fingerprintOf(certificateIn('root.pem'))
  const keys = await makeKeyPair()
  const authority = [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
  ]
  const times = {
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 86_400_000 * 365),
    signingAlgorithm: KEY_ALGORITHM,
  }
  const root = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Example Root',
    keys,
    extensions: authority,
    ...times,
  })
  const request = new Pkcs10CertificateRequest((await mesh.weft('ca', 'csr')).stdout)
  const { subjectName: subject, publicKey } = request
  const issuer = root.subjectName
  const intermediate = await X509CertificateGenerator.create({
    subject,
    issuer,
    publicKey,
    signingKey: keys.privateKey,
    extensions: authority,
    ...times,
  })
  const chain = join(mesh.home, 'chain.pem')
  writeFileSync(chain, certificatesPem([intermediate, root]))
  expect((await mesh.weft('ca', 'install', chain)).stdout).toContain('is ready. That root is not trusted yet')

  await underway(async (load) => {
    await rotateUntil('sign')
    const back = await mesh.weft('ca', 'rotate', '--root', '--back')
    expect(back).toMatchObject({ code: 0, stdout: 'The root is the old one, and no other is trusted.\n' })
    expect(fingerprintOf(certificateIn('root.pem'))).toBe(before)
    await load.more(20)
  })
  // What was prepared went with it; the same chain is for a key that is gone.
  expect((await mesh.weft('ca', 'install', chain)).stderr).toContain('no request waits')
  const anew = new Pkcs10CertificateRequest((await mesh.weft('ca', 'csr')).stdout)
  const again = await X509CertificateGenerator.create({
    subject: anew.subjectName,
    issuer,
    publicKey: anew.publicKey,
    signingKey: keys.privateKey,
    extensions: authority,
    ...times,
  })
  writeFileSync(chain, certificatesPem([again, root]))
  await mesh.weft('ca', 'install', chain)
  await underway(async (load) => {
    const { code, stdout } = await mesh.weft('ca', 'rotate', '--root')
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'The root is "CN=Example Root" now.\n' })
    await load.more(20)
  })
  expect(await mesh.api<CertificateView>('ca')).toMatchObject({
    selfMade: false,
    signing: { root: fingerprintOf(root) },
  })
  expect((await mesh.weft('ca', 'status')).stdout).not.toContain('Not for production')
})
