import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Agent, type AgentPod } from '../../src/agent/agent.ts'
import { type CertificateAuthority, openCa } from '../../src/identity/ca.ts'
import { makeCsr } from '../../src/identity/csr.ts'
import { makeKeyPair, privateKeyPem } from '../../src/identity/key.ts'
import { workloadId } from '../../src/identity/spiffe.ts'
import type { AgentProcessOptions } from './agent-process.ts'
import { type Authority, startAuthority } from './authority.ts'
import { type Envoy, get, startEnvoy, tlsClient, tlsServer } from './envoy.ts'
import { freeLoopback } from './loopback.ts'

/** Short, so that a test sees several renewals; long enough to be without an agent for some seconds. */
const LIFE_MS = 6_000
const PORT = 8443
const productpage = workloadId('default', 'productpage')
const reviews = workloadId('default', 'reviews')

let folder: string
let authority: Authority
let agent: ChildProcess
let envoys: Envoy[]
let client: { host: string; port: number }
let server: { host: string; port: number }
let pods: AgentPod[]

/** Starts an agent and waits until it has joined. */
async function startAgent(): Promise<ChildProcess> {
  const { address, trustBundleFile, tokens } = authority
  const options: AgentProcessOptions = { address, trustBundleFile, joinToken: tokens.issue('laptop', 60_000), pods }
  const program = fileURLToPath(new URL('./agent-process.ts', import.meta.url))
  const child = spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-'))
  authority = await startAuthority(folder, `${await freeLoopback()}:0`, LIFE_MS, () => {})
  pods = [
    { name: 'default/productpage', spiffeId: productpage, socketPath: join(folder, 'p', 's') },
    { name: 'default/reviews', spiffeId: reviews, socketPath: join(folder, 'r', 's') },
  ]
  agent = await startAgent()
  client = { host: await freeLoopback(PORT), port: PORT }
  server = { host: await freeLoopback(PORT), port: PORT }
  const delta = { socketPath: join(folder, 'r', 's'), variant: 'DELTA_GRPC' } as const
  const full = { socketPath: join(folder, 'p', 's'), variant: 'GRPC' } as const
  envoys = await Promise.all([
    startEnvoy(folder, 'reviews', delta, tlsServer(server.host, server.port, delta)),
    startEnvoy(folder, 'productpage', full, tlsClient(client.host, client.port, server, full)),
  ])
  await vi.waitFor(async () => expect((await get(client)).status).toBe(200), { timeout: 20_000 })
})
afterAll(async () => {
  await Promise.all((envoys ?? []).map((envoy) => envoy.close()))
  if (agent) await kill(agent)
  authority?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Serial number of the certificate that the server Envoy shows. */
async function shownSerial(): Promise<string> {
  return (await handshake(authority.ca)).serial
}

/** A TLS connection to the server Envoy with a certificate of `ca`, or none; and what the first byte asked for gives. */
async function handshake(ca: CertificateAuthority | undefined) {
  const keys = await makeKeyPair()
  const issued = await ca?.signCsr({ csrPem: await makeCsr(keys), spiffeId: productpage })
  const shown = issued && { key: await privateKeyPem(keys.privateKey), cert: issued.chainPem }
  const options = { ...server, ca: authority.ca.trustBundlePem, ...shown, checkServerIdentity: () => undefined }
  const socket = connect(options)
  let serial = ''
  socket.once('secureConnect', () => {
    serial = socket.getPeerCertificate().serialNumber
  })
  const answer = await new Promise<string>((resolve) => {
    socket.once('error', (error) => resolve(error.message))
    socket.once('data', (data: Buffer) => resolve(data.toString()))
    socket.once('close', () => resolve('closed'))
    socket.write('GET / HTTP/1.1\r\nhost: reviews\r\n\r\n') // TLS 1.3 tells of a refusal only after the handshake
  })
  socket.destroy()
  return { serial, answer }
}

/** Asks on and on, each time with a new handshake on both sides of mTLS, until `done`. */
async function load(done: (seen: Seen) => boolean, forMs: number): Promise<Seen> {
  const seen: Seen = { failures: [], requests: 0, clientSerials: new Set(), serverSerials: new Set() }
  const end = Date.now() + forMs
  while (Date.now() < end && !done(seen)) {
    const { status, headers, body } = await get(client).catch((error: Error) => ({
      status: 0,
      headers: {},
      body: error.message,
    }))
    seen.requests++
    if (status !== 200 || (headers as NodeJS.Dict<string>)['x-peer'] !== productpage)
      seen.failures.push(`${status} ${body}`)
    else seen.clientSerials.add(String((headers as NodeJS.Dict<string>)['x-peer-serial']))
    if (seen.requests % 10 === 0) seen.serverSerials.add(await shownSerial())
  }
  return seen
}

interface Seen {
  readonly failures: string[]
  requests: number
  readonly clientSerials: Set<string>
  readonly serverSerials: Set<string>
}

test('mutual TLS goes on through renewals on both sides with no failed request', async () => {
  const renewals = (seen: Seen) => seen.clientSerials.size >= 4 && seen.serverSerials.size >= 4
  const seen = await load(renewals, 8 * LIFE_MS)
  expect(seen.failures).toEqual([])
  expect(seen.clientSerials.size).toBeGreaterThanOrEqual(4)
  expect(seen.serverSerials.size).toBeGreaterThanOrEqual(4)
  expect(seen.requests).toBeGreaterThan(100)
})

test('a client with a certificate of ours is served, one of another CA or with none is refused', async () => {
  const other = await openCa(join(folder, 'other'), { log: () => {} })
  expect((await handshake(authority.ca)).answer).toContain('HTTP/1.1 200 OK')
  expect((await handshake(other)).answer).toMatch(/unknown ca|closed|ECONNRESET/i)
  expect((await handshake(undefined)).answer).toMatch(/certificate required|closed|ECONNRESET/i)
  expect((await handshake(authority.ca)).answer).toContain('HTTP/1.1 200 OK')
})

test('Envoys keep their certificates while the agent is down, and get new ones after', async () => {
  // From here on certificates live for minutes, so that being without an agent is no race with their end.
  const { address } = authority
  authority.close()
  authority = await startAuthority(folder, address, 100 * LIFE_MS, () => {})
  const others = (serials: Set<string>, known: string) => [...serials].filter((serial) => serial !== known)
  /** Kills the agent, asks on for a while, and starts it again: what both Envoys showed without it, and since. */
  const restart = async (withoutMs: number) => {
    const held = { client: String((await get(client)).headers['x-peer-serial']), server: await shownSerial() }
    await kill(agent)
    const without = await load(() => false, withoutMs)
    agent = await startAgent()
    const isNew = (seen: Seen) =>
      others(seen.clientSerials, held.client).length > 0 && others(seen.serverSerials, held.server).length > 0
    return { held, without, after: await load(isNew, 45_000) }
  }
  await restart(0)
  const { held, without, after } = await restart(3_000)
  expect(without.failures).toEqual([])
  expect([...without.clientSerials]).toEqual([held.client])
  expect([...without.serverSerials]).toEqual([held.server])
  expect(after.failures).toEqual([])
  expect(others(after.clientSerials, held.client)).toHaveLength(1)
  expect(others(after.serverSerials, held.server)).toHaveLength(1)
})

test('an agent takes pods in and lets them go while others are served', async () => {
  const { address, trustBundleFile, tokens } = authority
  const pod = (name: string) => ({ name, spiffeId: reviews, socketPath: join(folder, name, 's') })
  const server = { address, trustBundleFile, trustDomain: 'cluster.local' }
  const mine = new Agent({ node: 'laptop', server, joinToken: tokens.issue('laptop', 60_000), log: () => {} })
  const socketOf = (name: string) => expect(get({ socketPath: pod(name).socketPath }).catch((e) => e.code))
  await mine.setPods([pod('a'), pod('b')])
  await socketOf('a').resolves.not.toBe('ENOENT')
  await mine.setPods([pod('b')])
  await socketOf('a').resolves.toBe('ENOENT')
  await socketOf('b').resolves.not.toBe('ENOENT')
  const bad = { name: 'bad', spiffeId: 'reviews', socketPath: join(folder, 'bad', 's') }
  await expect(mine.setPods([bad, pod('b'), pod('c')])).rejects.toThrow('pod bad: "reviews" is no identity')
  await socketOf('c').resolves.not.toBe('ENOENT')
  await mine.close()
  await socketOf('b').resolves.toBe('ENOENT')
  await socketOf('c').resolves.toBe('ENOENT')
})
