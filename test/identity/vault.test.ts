// A real HashiCorp Vault signs. Its module is built from its source beside the published modules of its API and SDK; any release will do, too.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:https'
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

const VAULT = process.env['VAULT_PATH'] ?? 'vault'
const isThere = spawnSync(VAULT, ['version']).status === 0
const TOKEN = 'of-the-test'
const HOUR = 3_600_000

let folder: string
let child: ChildProcess
let url: string
/** Vault's own, for its port. */
let caPem: string
let rootPem: string
let appRole: { readonly roleId: string; readonly secretId: string }

beforeAll(async () => {
  if (!isThere) return
  folder = mkdtempSync(join(tmpdir(), 'weft-vault-'))
  const address = `127.0.0.1:${await freePort()}`
  url = `https://${address}`
  const development = ['-dev', '-dev-tls', '-dev-no-store-token', `-dev-tls-cert-dir=${folder}`]
  child = spawn(VAULT, ['server', ...development, `-dev-root-token-id=${TOKEN}`, `-dev-listen-address=${address}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { HOME: folder },
  })
  let log = ''
  const read = (text: Buffer) => {
    log += text
  }
  child.stdout?.on('data', read)
  child.stderr?.on('data', read)
  await until(60_000, () => {
    if (child.exitCode !== null) throw new Error(log)
    return log.includes('Root Token:')
  })
  caPem = readFileSync(join(folder, 'vault-ca.pem'), 'utf8')
  await engine()
  appRole = await role()
}, 120_000)
afterAll(async () => {
  if (!isThere) return
  await kill(child)
  rmSync(folder, { recursive: true, force: true })
})

/** The PKI engine with an intermediate of our own, and a role as docs/operations/certificates.md has it. */
async function engine(): Promise<void> {
  const life = { from: Date.now() - HOUR, until: Date.now() + 1000 * HOUR }
  const [rootKeys, keys] = [await makeKeyPair(), await makeKeyPair()]
  const root = await makeRoot('cluster.local', rootKeys, life)
  const issuer = { certificate: root, key: rootKeys.privateKey }
  const intermediate = await makeIntermediate('cluster.local', keys.publicKey, issuer, life)
  rootPem = certificatesPem([root])
  await vault('POST', 'sys/mounts/pki', { type: 'pki' })
  const pem_bundle = `${await privateKeyPem(keys.privateKey)}${certificatesPem([intermediate])}${rootPem}`
  await vault('POST', 'pki/config/ca', { pem_bundle })
  await vault('POST', 'pki/roles/weft', {
    allowed_uri_sans: 'spiffe://cluster.local/*',
    allow_any_name: true,
    require_cn: false,
    key_type: 'ec',
    key_bits: 256,
    max_ttl: '24h',
  })
}

/** To log in with, and what may be done then: signing, nothing else. */
async function role(): Promise<typeof appRole> {
  await vault('POST', 'sys/auth/approle', { type: 'approle' })
  await vault('POST', 'sys/policies/acl/weft', { policy: 'path "pki/sign/weft" { capabilities = ["update"] }' })
  await vault('POST', 'auth/approle/role/weft', { token_policies: 'weft', token_ttl: '10m' })
  const { role_id: roleId = '' } = await vault('GET', 'auth/approle/role/weft/role-id')
  const { secret_id: secretId = '' } = await vault('POST', 'auth/approle/role/weft/secret-id', {})
  return { roleId, secretId }
}

function vault(method: string, path: string, body?: object): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const headers = { 'x-vault-token': TOKEN, 'content-type': 'application/json' }
    const asking = request(`${url}/v1/${path}`, { method, headers, ca: caPem }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      answer.on('end', () => {
        if ((answer.statusCode ?? 500) >= 300) return reject(new Error(`${path}: ${text}`))
        resolve(text ? (JSON.parse(text) as { data: Record<string, string> }).data : {})
      })
    })
    asking.on('error', reject).end(body && JSON.stringify(body))
  })
}

describe.skipIf(!isThere)('Vault (skipped where VAULT_PATH names none, and none is in PATH)', () => {
  const settings = (more: object) => signerSettings({ type: 'vault', url, role: 'weft', caPem, ...more })

  test.each([
    ['a token', () => ({ token: TOKEN })],
    ['an AppRole', () => ({ appRole })],
  ])('signs for workloads, agents and the server by %s, and peers take it', async (name, login) => {
    const store = folderStore(join(folder, name))
    expect(await useSigner(store, 'cluster.local', settings(login()), rootPem)).toMatchObject({ use: 'signs' })
    const ca = await openCa(store, { log: () => {} })
    await expectSigned(ca, rootPem)
  })

  test('that does not know us, or has no such role, is told of, and nothing changes', async () => {
    const store = folderStore(join(folder, 'refused'))
    const use = (more: object) => useSigner(store, 'cluster.local', settings(more), rootPem)
    await expect(use({ token: 'forged' })).rejects.toThrow(
      /Vault.*refuses: status 403: permission denied; invalid token$/,
    )
    await expect(use({ token: TOKEN, role: 'other' })).rejects.toThrow(/unknown role/)
    await expect(use({ appRole: { ...appRole, secretId: 'forged' } })).rejects.toThrow('invalid role or secret ID')
    await expect(use({ appRole, role: 'other' })).rejects.toThrow('permission denied')
    expect(await store.read()).toEqual(new Map())
  })

  test('signs for nobody outside of what its role allows', async () => {
    const store = folderStore(join(folder, 'elsewhere'))
    await vault('POST', 'pki/roles/elsewhere', {
      allowed_uri_sans: 'spiffe://elsewhere/*',
      allow_any_name: true,
      require_cn: false,
      key_type: 'ec',
      key_bits: 256,
    })
    const use = useSigner(store, 'cluster.local', settings({ token: TOKEN, role: 'elsewhere' }), rootPem)
    await expect(use).rejects.toThrow(
      'URI Subject Alternative Names were provided via CSR which are not valid for this role',
    )
  })
})
