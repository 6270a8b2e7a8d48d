// A real step-ca signs: `go install github.com/smallstep/certificates/cmd/step-ca@latest` (CGO_ENABLED=0) makes one.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createCipheriv, pbkdf2Sync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCa } from '../../src/identity/ca.ts'
import { folderStore } from '../../src/identity/ca-store.ts'
import { certificatesPem, makeIntermediate, makeRoot } from '../../src/identity/certificate.ts'
import { makeKeyPair, privateKeyPem } from '../../src/identity/key.ts'
import { signerSettings } from '../../src/identity/signers/signer-settings.ts'
import { useSigner } from '../../src/identity/use-signer.ts'
import { kill } from '../child.ts'
import { freePort } from '../free-port.ts'
import { until } from '../laptop/mesh.ts'
import { expectSigned } from './signed-by-another.ts'

const STEP_CA = process.env['STEP_CA_PATH'] ?? 'step-ca'
const isThere = spawnSync(STEP_CA, ['version']).status === 0
const PASSWORD = 'of the provisioner'
const HOUR = 3_600_000

let folder: string
let child: ChildProcess
let url: string
let rootPem: string

beforeAll(async () => {
  if (!isThere) return
  folder = mkdtempSync(join(tmpdir(), 'weft-step-'))
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const life = { from: Date.now(), until: Date.now() + 1000 * HOUR }
  const [rootKeys, keys] = [await makeKeyPair(), await makeKeyPair()]
  const root = await makeRoot('cluster.local', rootKeys, life)
  const issuer = { certificate: root, key: rootKeys.privateKey }
  const intermediate = await makeIntermediate('cluster.local', keys.publicKey, issuer, life)
  rootPem = certificatesPem([root])
  const { publicJwk, encryptedKey } = await provisionerKey()
  const port = await freePort()
  url = `https://127.0.0.1:${port}`
  const config = {
    root: write('root.crt', rootPem),
    crt: write('intermediate.crt', certificatesPem([intermediate])),
    key: write('intermediate.key', await privateKeyPem(keys.privateKey)),
    address: `127.0.0.1:${port}`,
    dnsNames: ['127.0.0.1'],
    logger: { format: 'text' },
    db: { type: 'bbolt', dataSource: join(folder, 'db') },
    authority: { provisioners: [{ type: 'JWK', name: 'weft', key: publicJwk, encryptedKey }] },
  }
  child = spawn(STEP_CA, [write('ca.json', JSON.stringify(config))], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { HOME: folder },
  })
  let log = ''
  child.stderr?.on('data', (text: Buffer) => {
    log += text
  })
  await until(30_000, () => {
    if (child.exitCode !== null) throw new Error(log)
    return log.includes('Serving HTTPS')
  })
})
afterAll(async () => {
  if (!isThere) return
  await kill(child)
  rmSync(folder, { recursive: true, force: true })
})

/** A key as step-ca keeps it: the private half encrypted by a password (JWE, PBES2). */
async function provisionerKey(): Promise<{ publicJwk: object; encryptedKey: string }> {
  const { publicKey, privateKey } = await makeKeyPair()
  const more = { kid: 'weft', use: 'sig', alg: 'ES256' }
  const jwk = async (key: typeof privateKey) => {
    const { kty, crv, x, y, d } = await crypto.subtle.exportKey('jwk', key)
    return { kty, crv, x, y, ...(d === undefined ? {} : { d }), ...more }
  }
  const salt = randomBytes(16)
  const [contentKey, iv] = [randomBytes(32), randomBytes(12)]
  const alg = 'PBES2-HS256+A128KW'
  const head = { alg, cty: 'jwk+json', enc: 'A256GCM', p2c: 100_000, p2s: salt.toString('base64url') }
  const protectedHead = Buffer.from(JSON.stringify(head)).toString('base64url')
  const kek = pbkdf2Sync(PASSWORD, Buffer.concat([Buffer.from(`${alg}\0`), salt]), head.p2c, 16, 'sha256')
  const wrap = createCipheriv('id-aes128-wrap', kek, Buffer.alloc(8, 0xa6))
  const wrapped = Buffer.concat([wrap.update(contentKey), wrap.final()])
  const seal = createCipheriv('aes-256-gcm', contentKey, iv).setAAD(Buffer.from(protectedHead))
  const text = Buffer.concat([seal.update(JSON.stringify(await jwk(privateKey))), seal.final()])
  const parts = [wrapped, iv, text, seal.getAuthTag()].map((part) => part.toString('base64url'))
  return { publicJwk: await jwk(publicKey), encryptedKey: [protectedHead, ...parts].join('.') }
}

describe.skipIf(!isThere)('step-ca (skipped where STEP_CA_PATH names none, and none is in PATH)', () => {
  const settings = (more = {}) =>
    signerSettings({ type: 'step-ca', url, provisioner: 'weft', password: PASSWORD, ...more })

  test('signs for workloads, agents and the server, and peers take it', async () => {
    const store = folderStore(join(folder, 'ca'))
    expect(await useSigner(store, 'cluster.local', settings(), rootPem)).toMatchObject({ use: 'signs' })
    const ca = await openCa(store, { log: () => {} })
    await expectSigned(ca, rootPem)
  })

  test('that does not know us is told of, and nothing changes', async () => {
    const store = folderStore(join(folder, 'refused'))
    const use = (more: object) => useSigner(store, 'cluster.local', settings(more), rootPem)
    await expect(use({ password: 'wrong' })).rejects.toThrow("the password does not open the provisioner's key")
    await expect(use({ provisioner: 'other' })).rejects.toThrow('has no JWK provisioner "other"')
    const other = certificatesPem([
      await makeRoot('cluster.local', await makeKeyPair(), { from: Date.now(), until: Date.now() + HOUR }),
    ])
    await expect(useSigner(store, 'cluster.local', settings(), other)).rejects.toThrow(
      /does not answer as it should: .*(self-signed|unable to)/,
    )
    await expect(useSigner(store, 'cluster.local', settings({ caPem: rootPem }), other)).rejects.toThrow(
      'is not the root that the mesh trusts',
    )
    expect(await store.read()).toEqual(new Map())
  })
})
