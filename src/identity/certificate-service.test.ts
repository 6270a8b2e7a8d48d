import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { Client, connectivityState, credentials, Metadata, Server, type ServiceError, status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { attestedBy } from './attestor.ts'
import { blockIdentity } from './blocked.ts'
import { type CertificateAuthority, openCa } from './ca.ts'
import { folderStore } from './ca-store.ts'
import { certificatesIn, urisOf } from './certificate.ts'
import type { CertificateRequest, CertificateResponse } from './certificate-messages.ts'
import {
  addCertificateService,
  authenticateAgents,
  authorizeByPlacement,
  certificateServiceDefinition,
} from './certificate-service.ts'
import { type AgentReport, CertificateSync, certificateSyncDefinition } from './certificate-sync.ts'
import { makeCsr } from './csr.ts'
import type { IssuedRecord } from './inventory.ts'
import { type JoinTokens, openJoinTokens } from './join-token.ts'
import { makeKeyPair, privateKeyPem } from './key.ts'
import { ManualClock } from './manual-clock.ts'
import { useTrustDomainAliases } from './own-domains.ts'
import { openServingCertificate, type ServingCertificate } from './serving-certificate.ts'
import { agentId, workloadId } from './spiffe.ts'

const MINUTE = 60_000
const reviews = workloadId('default', 'reviews')

/** A key with its certificate, as a caller shows it. */
interface Shown {
  readonly key: string
  readonly chain: string
}

/** A connection for each client, and a server name that is none of an IP address, which TLS does not allow. */
const channelOptions = { 'grpc.use_local_subchannel_pool': 1, 'grpc.ssl_target_name_override': 'localhost' }

let folder: string
let clock: ManualClock
let ca: CertificateAuthority
let tokens: JoinTokens
let serving: ServingCertificate
let server: Server
let port: number
let said: string[]
let sync: CertificateSync
let issued: IssuedRecord[]
let clients: Client[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-service-'))
  clock = new ManualClock()
  said = []
  clients = []
  const log = (_: string, text: string) => said.push(text)
  ca = await openCa(join(folder, 'ca'), { clock, log })
  tokens = openJoinTokens(join(folder, 'tokens'), clock)
  serving = await openServingCertificate(ca, { clock, log, lifeMs: MINUTE })
  server = new Server()
  sync = new CertificateSync(ca)
  sync.addTo(server)
  issued = []
  addCertificateService(server, {
    ca,
    issued: (record) => issued.push(record),
    authenticate: authenticateAgents(ca, attestedBy(tokens)),
    authorize: authorizeByPlacement(ca.trustDomain, (node, { namespace, serviceAccount }) =>
      node === 'laptop' && namespace === 'default' && serviceAccount === 'reviews'
        ? { dnsNames: ['v1.reviews.default'] }
        : undefined,
    ),
    log,
  })
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', serving.credentials('optional'), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
})
afterEach(() => {
  for (const client of clients) client.close()
  server.forceShutdown()
  serving.close()
  rmSync(folder, { recursive: true, force: true })
})

async function shown(authority: CertificateAuthority, spiffeId: string, lifeMs?: number): Promise<Shown> {
  const keys = await makeKeyPair()
  const { chainPem } = await authority.signCsr({ csrPem: await makeCsr(keys), spiffeId, lifeMs })
  return { key: await privateKeyPem(keys.privateKey), chain: chainPem }
}

function connect(as?: Shown): Client {
  const roots = Buffer.from(ca.trustBundlePem)
  const channel = as
    ? credentials.createSsl(roots, Buffer.from(as.key), Buffer.from(as.chain))
    : credentials.createSsl(roots)
  const client = new Client(`127.0.0.1:${port}`, channel, channelOptions)
  clients.push(client)
  return client
}

async function ask(
  client: Client,
  more: Partial<CertificateRequest> & { token?: string },
): Promise<CertificateResponse> {
  const { path, requestSerialize, responseDeserialize } = certificateServiceDefinition.createCertificate
  const metadata = new Metadata()
  if (more.token !== undefined) metadata.set('authorization', `Bearer ${more.token}`)
  const csr = more.csr ?? (await makeCsr(await makeKeyPair()))
  const request = { csr, validityDuration: more.validityDuration ?? 0, metadata: more.metadata ?? {} }
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, response?: CertificateResponse) =>
      response ? resolve(response) : reject(error)
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, done)
  })
}

const refusal = (code: status, details: string) =>
  expect.objectContaining({ code, details: expect.stringContaining(details) })

const identityIn = (response: CertificateResponse) =>
  certificatesIn(response.certChain[0] ?? '').flatMap((certificate) => urisOf(certificate))

const impersonating = (spiffeId: string) => ({ metadata: { ImpersonatedIdentity: spiffeId } })

describe('with a join token, an agent', () => {
  test('gets its own certificate, and the roots last', async () => {
    const response = await ask(connect(), { token: tokens.issue('laptop', MINUTE) })
    expect(identityIn(response)).toEqual([agentId('laptop')])
    expect(response.certChain).toHaveLength(3)
    expect(response.certChain.at(-1)).toBe(ca.trustBundlePem)
  })

  test('gets nothing for another key once the token is used, and the same again for the same key', async () => {
    const token = tokens.issue('laptop', MINUTE)
    const csr = await makeCsr(await makeKeyPair())
    await ask(connect(), { token, csr })
    await ask(connect(), { token, csr })
    await expect(ask(connect(), { token })).rejects.toEqual(refusal(status.UNAUTHENTICATED, 'has been used'))
  })

  test('gets nothing once it has expired', async () => {
    const token = tokens.issue('laptop', MINUTE)
    clock.advance(MINUTE)
    await expect(ask(connect(), { token })).rejects.toEqual(refusal(status.UNAUTHENTICATED, 'expired on'))
  })

  test('gets no other identity, and a refused request leaves the token unused', async () => {
    const token = tokens.issue('laptop', MINUTE)
    const denied = (more: Partial<CertificateRequest>) => ask(connect(), { token, ...more })
    await expect(denied(impersonating(reviews))).rejects.toEqual(refusal(status.PERMISSION_DENIED, "the agent's own"))
    await expect(denied(impersonating(agentId('other')))).rejects.toEqual(
      refusal(status.PERMISSION_DENIED, 'the agent of another node'),
    )
    await expect(denied({ csr: 'x' })).rejects.toEqual(refusal(status.INVALID_ARGUMENT, 'cannot be read'))
    expect(identityIn(await ask(connect(), { token }))).toEqual([agentId('laptop')])
    expect(said).toHaveLength(3)
    expect(said.join()).not.toContain(token)
  })
})

describe('with its certificate, an agent', () => {
  test('gets certificates for what is placed on its node, with the names granted', async () => {
    const client = connect(await shown(ca, agentId('laptop')))
    const response = await ask(client, impersonating(reviews))
    expect(identityIn(response)).toEqual([reviews])
    expect(certificatesIn(response.certChain[0] ?? '')[0]?.toString('text')).toContain('v1.reviews.default')
  })

  test('gets its own anew', async () => {
    expect(identityIn(await ask(connect(await shown(ca, agentId('laptop'))), {}))).toEqual([agentId('laptop')])
  })

  test('gets none for what is not placed on its node', async () => {
    const client = connect(await shown(ca, agentId('laptop')))
    const denied = (id: string, details: string) =>
      expect(ask(client, impersonating(id))).rejects.toEqual(refusal(status.PERMISSION_DENIED, details))
    await denied(workloadId('default', 'ratings'), 'no pod with that service account is placed on the node')
    await denied(workloadId('weft-system', 'weft-server'), 'no pod with that service account')
    await denied(agentId('other'), 'the agent of another node')
    await denied('spiffe://example.org/ns/default/sa/reviews', 'the trust domain here is cluster.local')
    await expect(ask(client, impersonating('reviews'))).rejects.toEqual(refusal(status.INVALID_ARGUMENT, 'no identity'))
    const other = connect(await shown(ca, agentId('other')))
    await expect(ask(other, impersonating(reviews))).rejects.toEqual(refusal(status.PERMISSION_DENIED, 'no pod'))
  })

  test('is refused once it has ended, over the connection that it was good for', async () => {
    const client = connect(await shown(ca, agentId('laptop'), MINUTE))
    await ask(client, impersonating(reviews))
    clock.advance(MINUTE)
    await expect(ask(client, impersonating(reviews))).rejects.toEqual(refusal(status.UNAUTHENTICATED, 'has ended'))
  })
})

describe('while the trust domain gets another name', () => {
  afterEach(() => useTrustDomainAliases([]))

  test('agents of either name get certificates of either, for what is placed on their nodes', async () => {
    useTrustDomainAliases(['new.example.com'])
    const joined = await ask(connect(), {
      token: tokens.issue('laptop', MINUTE),
      ...impersonating(agentId('laptop', 'new.example.com')),
    })
    expect(identityIn(joined)).toEqual(['spiffe://new.example.com/weft/agent/laptop'])
    const names = ['cluster.local', 'new.example.com']
    for (const own of names)
      for (const name of names) {
        const client = connect(await shown(ca, agentId('laptop', own)))
        const wanted = workloadId('default', 'reviews', name)
        expect(identityIn(await ask(client, impersonating(wanted)))).toEqual([wanted])
        await expect(ask(client, impersonating(workloadId('default', 'ratings', name)))).rejects.toEqual(
          refusal(status.PERMISSION_DENIED, 'no pod'),
        )
        await expect(ask(client, impersonating(agentId('other', name)))).rejects.toEqual(
          refusal(status.PERMISSION_DENIED, 'the agent of another node'),
        )
      }
    const client = connect(await shown(ca, agentId('laptop')))
    await expect(ask(client, impersonating(workloadId('default', 'reviews', 'third.example.com')))).rejects.toEqual(
      refusal(status.PERMISSION_DENIED, 'the trust domain here is cluster.local'),
    )
  })
})

describe('nobody else gets a certificate:', () => {
  test('who shows nothing', async () => {
    await expect(ask(connect(), {})).rejects.toEqual(refusal(status.UNAUTHENTICATED, 'show a certificate'))
  })

  test('who shows an unknown token, even with a good certificate', async () => {
    const client = connect(await shown(ca, agentId('laptop')))
    await expect(ask(client, { token: 'x' })).rejects.toEqual(refusal(status.UNAUTHENTICATED, 'token is unknown'))
  })

  test('a workload', async () => {
    const client = connect(await shown(ca, reviews))
    await expect(ask(client, impersonating(reviews))).rejects.toEqual(refusal(status.UNAUTHENTICATED, 'is no agent'))
  })

  test('an agent of another CA', async () => {
    const other = await openCa(join(folder, 'other'), { log: () => {} })
    const client = connect(await shown(other, agentId('laptop')))
    await expect(ask(client, impersonating(reviews))).rejects.toMatchObject({ code: status.UNAUTHENTICATED })
  })
})

describe('what agents follow', () => {
  const { path, requestSerialize, responseDeserialize } = certificateSyncDefinition.follow
  const follow = (client: Client) => client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
  const refused = (client: Client) =>
    new Promise<ServiceError>((resolve) => {
      follow(client)
        .on('error', resolve)
        .on('data', () =>
          resolve(Object.assign(new Error('was told'), { code: -1, details: '', metadata: new Metadata() })),
        )
    })

  test('tells agents whom to trust, at once and when that changes, and hears what they have', async () => {
    const stream = follow(connect(await shown(ca, agentId('laptop'))))
    const told: string[] = []
    stream.on('data', ({ trustBundlePem }: { trustBundlePem: string }) => told.push(trustBundlePem))
    stream.on('error', () => {})
    const certificate = { spiffeId: agentId('laptop'), serial: '1', issuer: '', root: '', notBefore: '', notAfter: '' }
    const report: AgentReport = { own: certificate, roots: 'r', proxies: [] }
    stream.write(report)
    await expect.poll(() => sync.agents).toEqual([{ node: 'laptop', report }])
    await folderStore(join(folder, 'ca')).create(
      'rotation.json',
      JSON.stringify({ kind: 'root', stage: 'trust', selfMade: true, startedAt: '' }),
    )
    await ca.refresh()
    await expect.poll(() => told.map((pem) => certificatesIn(pem).length)).toEqual([1, 2])
    stream.cancel()
    await expect.poll(() => sync.agents).toEqual([])
  })

  test('tells nobody else', async () => {
    const other = await openCa(join(folder, 'other'), { log: () => {} })
    const ended = await shown(ca, agentId('laptop'), MINUTE)
    for (const as of [undefined, await shown(ca, reviews), await shown(other, agentId('laptop'))])
      expect(await refused(connect(as))).toMatchObject({ code: status.UNAUTHENTICATED })
    clock.advance(2 * MINUTE)
    expect(await refused(connect(ended))).toMatchObject({ code: status.UNAUTHENTICATED })
    expect(sync.agents).toEqual([])
  })
})

describe('who is blocked', () => {
  const block = async (spiffeId: string) => {
    await blockIdentity(folderStore(join(folder, 'ca')), 'cluster.local', { spiffeId, reason: 'stolen', since: 'now' })
    await ca.refresh()
  }

  test('gets no certificate, though it proves all that it should, and others do', async () => {
    const client = connect(await shown(ca, agentId('laptop')))
    await ask(client, impersonating(reviews))
    expect(issued).toMatchObject([{ spiffeId: reviews, node: 'laptop', key: 'EC P-256' }])
    await block(reviews)
    await expect(ask(client, impersonating(reviews))).rejects.toEqual(
      refusal(status.PERMISSION_DENIED, `${reviews} is blocked since now: stolen`),
    )
    await ask(client, {})
    expect(issued).toHaveLength(2)
  })

  test('as an agent gets none for its workloads either, nor with a new token', async () => {
    const client = connect(await shown(ca, agentId('laptop')))
    await block(agentId('laptop'))
    const blocked = refusal(status.PERMISSION_DENIED, `${agentId('laptop')} is blocked`)
    await expect(ask(client, impersonating(reviews))).rejects.toEqual(blocked)
    await expect(ask(connect(), { token: tokens.issue('laptop', MINUTE) })).rejects.toEqual(blocked)
    expect(issued).toEqual([])
  })
})

describe('the serving certificate', () => {
  /** The serial number of what a new connection is shown. */
  const servedSerial = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port, ca: ca.trustBundlePem, ALPNProtocols: ['h2'] }, () => {
        resolve(socket.getPeerCertificate().serialNumber.toLowerCase())
        socket.destroy()
      })
      socket.on('error', reject)
    })

  test('is renewed while connections stay, and new ones see the new one', async () => {
    const before = serving.certificate().serial
    const client = connect(await shown(ca, agentId('laptop')))
    await ask(client, impersonating(reviews))
    let disconnected = false
    client.getChannel().watchConnectivityState(connectivityState.READY, Number.POSITIVE_INFINITY, () => {
      disconnected = true
    })
    expect(await servedSerial()).toBe(before)
    clock.advance(clock.untilNext() ?? 0)
    await expect.poll(servedSerial).not.toBe(before)
    expect(await servedSerial()).toBe(serving.certificate().serial)
    await ask(client, impersonating(reviews))
    expect(disconnected).toBe(false)
    const left = clock.untilNext() ?? 0
    expect(left).toBeGreaterThanOrEqual(0.5 * (MINUTE - 1000))
    expect(left).toBeLessThanOrEqual(0.8 * MINUTE)
  })

  test('lets nobody in without a certificate of ours where one is required', async () => {
    const strict = new Server()
    const strictPort = await new Promise<number>((resolve, reject) => {
      strict.bindAsync('127.0.0.1:0', serving.credentials('required'), (error, bound) =>
        error ? reject(error) : resolve(bound),
      )
    })
    const other = await openCa(join(folder, 'other'), { log: () => {} })
    const outcome = async (as?: Shown) => {
      const channel = as
        ? credentials.createSsl(Buffer.from(ca.trustBundlePem), Buffer.from(as.key), Buffer.from(as.chain))
        : credentials.createSsl(Buffer.from(ca.trustBundlePem))
      const client = new Client(`127.0.0.1:${strictPort}`, channel, channelOptions)
      clients.push(client)
      return ask(client, {}).catch((error: ServiceError) => error.code)
    }
    expect(await outcome()).toBe(status.UNAVAILABLE)
    expect(await outcome(await shown(other, agentId('laptop')))).toBe(status.UNAVAILABLE)
    expect(await outcome(await shown(ca, agentId('laptop')))).toBe(status.UNIMPLEMENTED) // let in; it serves nothing
    strict.forceShutdown()
  })
})
