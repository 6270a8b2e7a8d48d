// Clients from outside of the mesh, straight to a pod's address: with nothing, or with a certificate of some authority.
import { mkdtempSync, rmSync } from 'node:fs'
import { type Agent, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { openCa } from '../../src/identity/ca.ts'
import { makeCsr } from '../../src/identity/csr.ts'
import { makeKeyPair, privateKeyPem } from '../../src/identity/key.ts'
import type { TestMesh } from './mesh.ts'

/** What came of a request: the status of its answer, or `refused` where the connection was cut instead. */
export type Outcome = number | 'refused'

/** A key and a certificate. */
export interface Credentials {
  readonly key: string
  readonly cert: string
  /** Roots that the server is verified with. */
  readonly ca: string
}

/** Credentials for an identity from the mesh's own authority, whose keys are in its state folder, or from another of the same names. */
export async function credentialsOf(mesh: TestMesh, spiffeId: string, whose: 'own' | 'other'): Promise<Credentials> {
  const own = join(mesh.home, 'state', 'weft', 'default', 'ca')
  const other = mkdtempSync(join(tmpdir(), 'ca-'))
  try {
    const authority = await openCa(whose === 'own' ? own : join(other, 'ca'), { log: () => {} })
    const keys = await makeKeyPair()
    const { chainPem } = await authority.signCsr({ csrPem: await makeCsr(keys), spiffeId })
    const { trustBundlePem } = await openCa(own, { log: () => {} })
    return { key: await privateKeyPem(keys.privateKey), cert: chainPem, ca: trustBundlePem }
  } finally {
    rmSync(other, { recursive: true })
  }
}

const TIMEOUT_MS = 10_000

/** A GET in plaintext, on a connection of its own unless `agent` keeps one. */
export function plaintext(address: string, port: number, path = '/', agent: Agent | false = false): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const outgoing = request({ host: address, port, path, agent, signal }, (incoming) => {
      incoming.resume()
      incoming.on('end', () => resolve(incoming.statusCode ?? 0)).on('error', () => resolve('refused'))
    })
    outgoing.on('error', (error) => (signal.aborted ? reject(error) : resolve('refused')))
    outgoing.end()
  })
}

/** A line over plain TCP, to the sample's echo. */
export function plaintextLine(address: string, port: number): Promise<'echoed' | 'refused'> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const socket = connect({ host: address, port, signal })
    socket.on('data', () => {
      resolve('echoed')
      socket.destroy()
    })
    socket.on('error', (error) => (signal.aborted ? reject(error) : resolve('refused')))
    socket.on('close', () => resolve('refused'))
    socket.write('hello\n')
  })
}

/** A GET as sidecars make it: over TLS with Istio's ALPN name, with these credentials or, without any key, only their roots. */
export function meshTls(
  address: string,
  port: number,
  credentials: Credentials | Pick<Credentials, 'ca'>,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const connection = connectTls({
      host: address,
      port,
      ...credentials,
      ALPNProtocols: ['istio-http/1.1', 'istio'],
      // The server's name is a SPIFFE ID; that its chain ends in the mesh's root is verified.
      checkServerIdentity: () => undefined,
    })
    const outgoing = request({ host: address, port, signal, createConnection: () => connection }, (incoming) => {
      incoming.resume()
      incoming.on('end', () => resolve(incoming.statusCode ?? 0)).on('error', () => resolve('refused'))
    })
    outgoing.on('error', (error) => (signal.aborted ? reject(error) : resolve('refused')))
    outgoing.end()
  })
}
