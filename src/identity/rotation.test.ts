import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type CertificateAuthority, type IssuedCertificate, openCa } from './ca.ts'
import { type CaStore, folderStore } from './ca-store.ts'
import { certificatesIn } from './certificate.ts'
import type { AgentReport } from './certificate-sync.ts'
import { makeCsr } from './csr.ts'
import { makeKeyPair, privateKeyPem } from './key.ts'
import { beginRotation, endRotation, moveRotation, type Rotation } from './rotation.ts'
import { behind, type ServerProgress } from './rotation-progress.ts'
import { whatPeersSay } from './trial-handshake.ts'

const quiet = { log: () => {} }
const startedAt = '2030-01-01T00:00:00Z'
const trust: Rotation = { kind: 'root', stage: 'trust', selfMade: true, startedAt }

let folder: string
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'weft-rotation-')), 'ca')
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

interface Shown extends IssuedCertificate {
  readonly keyPem: string
}

async function issue(ca: CertificateAuthority): Promise<Shown> {
  const keys = await makeKeyPair()
  const spiffeId = 'spiffe://cluster.local/ns/a/sa/b'
  return {
    ...(await ca.signCsr({ csrPem: await makeCsr(keys), spiffeId })),
    keyPem: await privateKeyPem(keys.privateKey),
  }
}

describe('a rotation of the root', () => {
  test('has those of one stage understand those of the next', async () => {
    const store = folderStore(folder)
    const ca = await openCa(store, quiet)
    const stages = [await issue(ca)]
    const next = async (change: () => Promise<void>) => {
      await change()
      await ca.refresh()
      stages.push(await issue(ca))
    }
    await next(() => beginRotation(store, trust))
    await next(() => moveRotation(store, 'sign'))
    await next(() => moveRotation(store, 'distrust'))
    await next(() => endRotation(store))
    for (const [i, one] of stages.entries()) {
      for (const other of stages.slice(i, i + 2)) {
        expect(await whatPeersSay(one, other.trustBundlePem)).toBeUndefined()
        expect(await whatPeersSay(other, one.trustBundlePem)).toBeUndefined()
      }
    }
    const [first, last] = [stages[0] as Shown, stages.at(-1) as Shown]
    expect(await whatPeersSay(first, last.trustBundlePem)).toBeDefined()
    expect(stages.map(({ trustBundlePem }) => certificatesIn(trustBundlePem).length)).toEqual([1, 2, 2, 1, 1])
    expect(readdirSync(folder).sort()).toEqual(['intermediate.pem', 'root.pem', 'trust-bundle.pem'])
    expect((await openCa(folder, quiet)).trustBundlePem).toBe(last.trustBundlePem)
  })

  test('goes back to how it was from its first two stages, and from no later one', async () => {
    const store = folderStore(folder)
    const ca = await openCa(store, quiet)
    const { trustBundlePem: before, signing } = ca
    await beginRotation(store, trust)
    await openCa(store, quiet)
    await moveRotation(store, 'sign')
    await moveRotation(store, 'retreat')
    await ca.refresh()
    expect(ca.signing).toEqual(signing)
    expect(certificatesIn(ca.trustBundlePem)).toHaveLength(2)
    await endRotation(store)
    await ca.refresh()
    expect(ca.trustBundlePem).toBe(before)
    expect(readdirSync(folder).sort()).toEqual(['intermediate.pem', 'root.pem', 'trust-bundle.pem'])
    await beginRotation(store, trust)
    await openCa(store, quiet)
    await moveRotation(store, 'sign')
    await moveRotation(store, 'distrust')
    await expect(moveRotation(store, 'retreat')).rejects.toThrow('it is in stage distrust')
    await expect(moveRotation(store, 'trust')).rejects.toThrow('it is in stage distrust')
    await expect(beginRotation(store, trust)).rejects.toThrow('a rotation is under way')
  })

  test('is whole, and goes on, wherever its end was cut off', async () => {
    for (let writes = 0; ; writes++) {
      const home = join(folder, '..', String(writes))
      const store = folderStore(home)
      await openCa(store, quiet)
      await beginRotation(store, trust)
      await openCa(store, quiet)
      await moveRotation(store, 'sign')
      await moveRotation(store, 'distrust')
      const { trustBundlePem } = await openCa(store, quiet)
      const cut = await endRotation(dyingAfter(writes, store)).then(
        () => false,
        () => true,
      )
      const ca = await openCa(store, quiet)
      expect(ca.trustBundlePem).toBe(trustBundlePem)
      expect(await whatPeersSay(await issue(ca), trustBundlePem)).toBeUndefined()
      await endRotation(store)
      expect(readdirSync(home).sort()).toEqual(['intermediate.pem', 'root.pem', 'trust-bundle.pem'])
      expect((await openCa(store, quiet)).trustBundlePem).toBe(trustBundlePem)
      if (!cut) return expect(writes).toBeGreaterThan(4)
    }
  })

  test('of a broken entry is told', async () => {
    const store = folderStore(folder)
    await openCa(store, quiet)
    await store.create('rotation.json', '{')
    await expect(openCa(store, quiet)).rejects.toThrow('rotation.json in ')
  })
})

/** A store of a process that is killed after some changes. */
function dyingAfter(writes: number, store: CaStore): CaStore {
  let left = writes
  const orDie =
    <A extends unknown[], R>(change: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (left-- <= 0) throw new Error('killed')
      return change(...args)
    }
  return { ...store, create: orDie(store.create), replace: orDie(store.replace), remove: orDie(store.remove) }
}

describe('who is behind', () => {
  const spiffeId = 'spiffe://cluster.local/ns/a/sa/b'
  const certificate = (root: string, issuer = 'i') => ({
    spiffeId,
    serial: '1',
    issuer,
    root,
    notBefore: '',
    notAfter: '',
  })
  const NEW = '1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc' // of "bundle"
  const proxy = (pod: string, more: Partial<AgentReport['proxies'][number]> = {}) => ({
    pod,
    connected: true,
    certificate: certificate('new'),
    certificateTaken: true,
    roots: NEW,
    rootsTaken: true,
    ...more,
  })
  const report = (...proxies: AgentReport['proxies']): AgentReport => ({ own: certificate('new'), roots: NEW, proxies })
  const server = (rotation: Rotation | undefined, reports: readonly (AgentReport | undefined)[]): ServerProgress => ({
    trustBundlePem: 'bundle',
    rootsVersion: NEW,
    signing: { root: 'new', issuer: 'i' },
    ...(rotation ? { rotation } : {}),
    serving: certificate('new'),
    agents: reports.map((each, i) => ({ node: `n${i}`, ...(each ? { report: each } : {}) })),
  })
  const sign: Rotation = { ...trust, stage: 'sign' }

  test('nobody, where all have what the stage says', () => {
    expect(behind(trust, [server(trust, [report(proxy('a/x'))])], ['a/x'])).toEqual([])
    expect(
      behind(sign, [server(sign, [report(proxy('a/x'))]), server(sign, [report(proxy('a/y'))])], ['a/x', 'a/y']),
    ).toEqual([])
  })

  test('servers that do not know the stage, or each other', () => {
    expect(behind(sign, [server(sign, []), server(trust, [])], [])).toEqual(['1 of 2 servers have not heard of it yet'])
    expect(behind(sign, [server(undefined, [])], [])).toEqual(['1 of 1 servers have not heard of it yet'])
    const other = { ...server(sign, []), rootsVersion: 'other' }
    expect(behind(sign, [server(sign, []), other], [])).toEqual(['servers do not agree yet'])
  })

  test('a server, agents and proxies, each with the reason', () => {
    const old = { certificate: certificate('old') }
    const of = (stage: Rotation, ...proxies: AgentReport['proxies']) =>
      behind(stage, [server(stage, [report(...proxies)])], ['a/x'])
    expect(of(trust)).toEqual(['a/x (no agent knows it)'])
    expect(of(trust, proxy('a/x', { connected: false }))).toEqual(['a/x (not connected to its agent)'])
    expect(of(trust, proxy('a/x', { rootsTaken: false }))).toEqual(['a/x (has other roots)'])
    expect(of(trust, proxy('a/x', { roots: 'other' }))).toEqual(['a/x (has other roots)'])
    expect(of(trust, proxy('a/x', old))).toEqual([])
    expect(of(sign, proxy('a/x', old))).toEqual(['a/x (has its old certificate)'])
    expect(of(sign, proxy('a/x', { certificateTaken: false }))).toEqual(['a/x (has its old certificate)'])
    expect(behind(sign, [server(sign, [undefined])], [])).toEqual(['agent of node n0'])
    expect(behind(sign, [{ ...server(sign, []), serving: certificate('old') }], [])).toEqual([
      'a server has its old certificate',
    ])
  })

  test('of an intermediate: who has one of the key that it replaces', () => {
    const replacing: Rotation = { kind: 'intermediate', replaces: 'j', startedAt }
    const of = (issuer: string) =>
      behind(
        replacing,
        [server(replacing, [report(proxy('a/x', { certificate: certificate('new', issuer), roots: 'other' }))])],
        ['a/x'],
      )
    expect(of('i')).toEqual([])
    expect(of('j')).toEqual(['a/x (has its old certificate)'])
    const unmade: Rotation = { ...replacing, replaces: 'i' }
    expect(behind(unmade, [server(unmade, [])], [])).toEqual(['the new intermediate is not made yet'])
  })
})
