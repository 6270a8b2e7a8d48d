import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { create, toBinary } from '@bufbuild/protobuf'
import type { ServiceError } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeltaDiscoveryRequestSchema } from '#envoy/service/discovery/v3/discovery'
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { keptIdentity } from '../../src/agent/host/kept-identity.ts'
import { ADS_METHODS } from '../../src/agent/node/relay.ts'
import { ServerConnection } from '../../src/agent/server-connection.ts'
import { hostMembershipDefinition } from '../../src/agent/workload-group/host-membership.ts'
import type { AuditRecord } from '../../src/identity/audit-log.ts'
import { makeCsr } from '../../src/identity/csr.ts'
import { makeKeyPair } from '../../src/identity/key.ts'
import { TYPE_URLS } from '../../src/translate/encoded-resource.ts'
import { canRedirect, RedirectedPods } from '../capture/redirected-pods.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { deployment } from './echo-mesh.ts'
import { checkout, get, startMesh, type TestMesh } from './mesh.ts'

const group = (name: string) => `
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: ${name}, namespace: default }
spec:
  metadata: { labels: { app: ${name} } }
  template: { serviceAccount: ${name}, ports: { http: 8080 } }
  probe: { periodSeconds: 1, successThreshold: 1, failureThreshold: 1, httpGet: { path: /healthz, port: 8080 } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: default }
spec:
  hosts: [${name}.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]
  workloadSelector: { labels: { app: ${name} } }
`

const MESH = [
  deployment({ app: 'front' }),
  `
apiVersion: v1
kind: Service
metadata: { name: front }
spec: { selector: { app: front }, ports: [{ name: http, port: 8080 }] }
`,
  `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: way-in }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: way-in }
spec: { hosts: ["*"], gateways: [way-in], http: [{ route: [{ destination: { host: front } }] }] }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: STRICT } }
`,
  group('vm'),
  group('one'),
  group('two'),
].join('---')

/** In memory, where an agent may remember who it is. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** An agent of a host, as its own process. */
class HostAgent {
  readonly process: ChildProcess
  readonly output: string[] = []
  readonly #waiting = new Set<() => void>()

  constructor(command: readonly string[], env: Readonly<Record<string, string>>) {
    const [program = '', ...args] = command
    this.process = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (!stream) continue
      createInterface(stream).on('line', (line) => {
        this.output.push(line)
        for (const look of this.#waiting) look()
      })
    }
  }

  line(pattern: RegExp, timeout = 60_000): Promise<string> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        settle()
      }
      const look = () => {
        const found = this.output.find((line) => pattern.test(line))
        if (found !== undefined) end(() => resolve(found))
      }
      const timer = setTimeout(
        () => end(() => reject(new Error(`it never said ${pattern}:\n${this.output.join('\n')}`))),
        timeout,
      )
      this.#waiting.add(look)
      look()
    })
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const exit = once(this.process, 'exit')
    this.process.kill(signal)
    await exit
  }
}

let mesh: TestMesh
let folder: string
let server: string
let gateway: string
let trustBundleFile: string
let envoy: string
const agents: HostAgent[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(MEMORY, 'weft-hosts-'))
  // Proxies of captured hosts, who are another user, have to get to theirs.
  chmodSync(folder, 0o711)
  envoy = join(folder, 'envoy')
  copyFileSync(await findEnvoy(), envoy)
  chmodSync(envoy, 0o755)
  mesh = await startMesh({ texts: { 'mesh.yaml': MESH } })
  const [, block] = (await mesh.pod('front-v1-0')).plan.address.split('.')
  server = `127.${block}.0.1:15012`
  gateway = await mesh.gateway()
  trustBundleFile = join(mesh.home, 'state', 'weft', 'default', 'ca', 'trust-bundle.pem')
})

afterAll(async () => {
  for (const agent of agents) await agent.kill('SIGTERM')
  await mesh?.dispose()
  rmSync(folder, { recursive: true, force: true })
})

async function tokenFor(host: string, ofGroup: string): Promise<string> {
  const { stdout, stderr } = await mesh.weft('token', 'create', host, '--workload-group', `default/${ofGroup}`)
  expect(stdout, stderr).toMatch(/^weft-host-/)
  const file = join(folder, `${host}.token`)
  writeFileSync(file, stdout)
  return file
}

function startAgent(host: string, args: readonly string[], enter: readonly string[] = [], at = server): HostAgent {
  const command = [
    ...enter,
    process.execPath,
    join(checkout, 'bin', 'weft.js'),
    ...['agent', 'join', '--host', host, '--server', at, '--roots', trustBundleFile, ...args],
  ]
  const agent = new HostAgent(command, { PATH: process.env['PATH'] ?? '', HOME: folder, ENVOY_PATH: envoy })
  agents.push(agent)
  return agent
}

/** Answers of front, asked through the gateway to call a URL: what came back, told by who answered. */
async function fromFront(url: string): Promise<{ status: number; body: string }> {
  const { body } = await get(`${gateway}/call?url=${url}`)
  const { answers = [] } = JSON.parse(body) as { answers?: { status: number; body: string }[] }
  return answers[0] ?? { status: 0, body }
}

/** In a list of names that are each another's, what a proxy says of a caller and of itself. */
const principals = (from: string, to: string) =>
  expect.stringMatching(
    new RegExp(
      `By=spiffe://cluster.local/ns/default/sa/${to};.*URI=spiffe://cluster.local/ns/default/sa/${from}[;"\\\\]`,
    ),
  )

const refusals = async (action: string) =>
  (await mesh.api<AuditRecord[]>('audit')).filter((record) => record.outcome === 'refused' && record.action === action)

describe('a host outside of clusters whose traffic nobody redirects', () => {
  let address: string
  let appAddress: string
  let runFolder: string
  let application: ChildProcess
  let token: string
  const args = () => ['--address', address, '--app-address', appAddress, '--run-folder', runFolder]

  const startApplication = async () => {
    application = spawn(process.execPath, [join(checkout, 'samples', 'echo', 'echo.ts')], {
      env: {
        POD_NAME: 'vm-1',
        BIND_ADDRESS: appAddress,
        HTTP_PROXY: `http://${appAddress}:15001`,
        NODE_USE_ENV_PROXY: '1',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(application.stdout as NodeJS.ReadableStream, 'data')
  }

  beforeAll(async () => {
    runFolder = join(folder, 'vm-1')
    ;[address, appAddress] = [await freeLoopback(8080), await freeLoopback(8080)]
    token = await tokenFor('vm-1', 'vm')
    await startApplication()
    await startAgent('vm-1', [...args(), '--token-file', token]).line(/WorkloadEntry default\/vm-vm-1 is well/)
  })
  afterAll(() => void application?.kill('SIGKILL'))

  test('is called and calls by its identity, in mutual TLS alone', async () => {
    await expect
      .poll(() => fromFront('http://vm.example.com/'))
      .toMatchObject({ status: 200, body: principals('front', 'vm') })
    const { status, body } = await get(
      `http://${appAddress}:8080/call?url=http://front.default.svc.cluster.local:8080/`,
    )
    expect(status).toBe(200)
    expect(body).toEqual(principals('vm', 'front'))
    await expect(get(`http://${address}:8080/`)).rejects.toThrow()
    const proxies = await mesh.api<{ name: string }[]>('proxies')
    expect(JSON.stringify(proxies)).toContain('default/vm-vm-1')
  })

  test('has requests only while its application is well', async () => {
    application.kill('SIGKILL')
    await expect.poll(() => fromFront('http://vm.example.com/')).toMatchObject({ body: 'no healthy upstream' })
    await startApplication()
    await expect.poll(() => fromFront('http://vm.example.com/')).toMatchObject({ status: 200 })
  })

  test('goes on when its agent is killed, and when the server is; the next agent needs no new token', async () => {
    const proxy = readFileSync(join(runFolder, 'envoy.pid'), 'utf8')
    await agents.at(-1)?.kill('SIGKILL')
    expect(await fromFront('http://vm.example.com/')).toMatchObject({ status: 200 })
    const next = startAgent('vm-1', args())
    await next.line(/goes on with the proxy that runs/)
    await next.line(/is well/)
    expect(readFileSync(join(runFolder, 'envoy.pid'), 'utf8')).toBe(proxy)
    process.kill(mesh.planePid('server') ?? 0, 'SIGKILL')
    expect(await fromFront('http://vm.example.com/')).toMatchObject({ status: 200 })
    await expect
      .poll(async () => JSON.stringify(await mesh.api('proxies').catch(() => [])))
      .toContain('default/vm-vm-1')
    await expect.poll(() => fromFront('http://vm.example.com/')).toMatchObject({ status: 200 })
  })

  test('is not somebody else: not by a token that was used, nor with the agent’s certificate', async () => {
    const who = 'spiffe://cluster.local/weft/agent/host_vm-1'
    const nobody = new ServerConnection({ address: server, trustDomain: 'cluster.local', trustBundleFile })
    const request = await makeCsr(await makeKeyPair())
    const used = 'the token of host vm-1 has been used'
    await expect(nobody.sign(request, who, readFileSync(token, 'utf8').trim())).rejects.toThrow(used)
    await expect
      .poll(() => refusals('certificate.request'))
      .toContainEqual(expect.objectContaining({ reason: expect.stringContaining(used) }))

    const stolen = keptIdentity(runFolder)?.read()
    if (!stolen) return expect(MEMORY).toBe(tmpdir())
    const connection = new ServerConnection({ address: server, trustDomain: 'cluster.local', trustBundleFile }, stolen)
    const front = 'spiffe://cluster.local/ns/default/sa/front'
    await expect(connection.sign(request, front)).rejects.toThrow('may not have')
    const asked = create(DeltaDiscoveryRequestSchema, {
      node: { id: 'sidecar~127.0.0.1~front-v1-0.default~default.svc.cluster.local' },
      typeUrl: TYPE_URLS.cluster,
    })
    const stream = connection.stream(ADS_METHODS.deltaAggregatedResources.path)
    stream.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, asked)))
    stream.resume()
    const [error] = (await once(stream, 'error')) as [ServiceError]
    expect(error.details).toContain('default/front-v1-0 is not the WorkloadEntry of host vm-1')
    expect(await refusals('configuration.request')).toContainEqual(expect.objectContaining({ who }))
    expect(await refusals('certificate.request')).toContainEqual(expect.objectContaining({ who, about: front }))
    connection.close()

    const membership = nobody.stream(hostMembershipDefinition.send.path)
    membership.write(hostMembershipDefinition.send.requestSerialize({ leave: {} }))
    membership.resume()
    const [refused] = (await once(membership, 'error')) as [ServiceError]
    expect(refused.details).toContain('this is for agents of hosts')
    expect(await refusals('host.membership')).toContainEqual(expect.objectContaining({ who: 'unknown' }))
    nobody.close()
  })

  test('is a member no more when its agent ends', async () => {
    await agents
      .find(({ process: { exitCode, signalCode } }) => exitCode === null && signalCode === null)
      ?.kill('SIGTERM')
    expect(await mesh.api('resources/networking.istio.io%2FWorkloadEntry')).toEqual([])
    await expect.poll(() => fromFront('http://vm.example.com/')).toMatchObject({ body: 'no healthy upstream' })
    await expect(get(`http://${address}:8080/`)).rejects.toThrow('ECONNREFUSED')
  })
})

/** Serves what it is asked with, until it is stopped. */
const APPLICATION = `
require('http').createServer((asked, answer) => answer.end(JSON.stringify(asked.headers)))
  .listen(8080, () => console.log('ready'))`

const call = (url: string) => `fetch('${url}').then(a => a.text()).then(console.log, e => console.log(e.cause.code))`

const isPossible = canRedirect()
if (!isPossible) console.warn('skipped: network namespaces need root on Linux, and ip, nsenter, setpriv and iptables')

describe.skipIf(!isPossible)('hosts outside of clusters whose traffic is redirected', () => {
  const hosts = new RedirectedPods()
  const members: HostAgent[] = []

  beforeAll(async () => {
    hosts.network({ one: '10.77.0.1', two: '10.77.0.2', other: '10.77.0.3' })
    // The networks of these hosts lead nowhere else.
    const way = join(folder, 'server')
    const relay = createServer((socket) => {
      const [host = '', port] = server.split(':')
      const to = connect(Number(port), host)
      socket.on('error', () => to.destroy()).on('close', () => to.destroy())
      to.on('error', () => socket.destroy()).on('close', () => socket.destroy())
      socket.pipe(to).pipe(socket)
    })
    await once(relay.listen(way), 'listening')
    const started = Object.entries({ one: '10.77.0.1', two: '10.77.0.2' }).map(async ([host, address]) => {
      await once(hosts.application(host, APPLICATION).stdout as NodeJS.ReadableStream, 'data')
      const token = await tokenFor(host, host)
      const args = ['--address', address, '--capture', '--run-folder', join(folder, host), '--token-file', token]
      const agent = startAgent(host, args, ['nsenter', `--net=${hosts.path(host)}`], `unix:${way}`)
      await agent.line(/is well/)
      return agent
    })
    members.push(...(await Promise.all(started)))
  })
  afterAll(async () => {
    for (const member of members) await member.kill('SIGTERM')
    await hosts.stop()
  })

  const said = async (host: string, script: string) =>
    (await text(hosts.application(host, script).stdout as NodeJS.ReadableStream)).trim()

  test('find each other by name, and call each other by their identities', async () => {
    for (const [from, to] of [
      ['one', 'two'],
      ['two', 'one'],
    ] as const)
      await expect.poll(() => said(from, call(`http://${to}.example.com/`))).toEqual(principals(from, to))
  })

  test('are called in plaintext by nobody, and left alone once they are members no more', async () => {
    expect(await said('other', call('http://10.77.0.1:8080/'))).toBe('ECONNRESET')
    await members[0]?.kill('SIGTERM')
    expect(await said('other', call('http://10.77.0.1:8080/'))).toContain('"host":"10.77.0.1:8080"')
  })
})
