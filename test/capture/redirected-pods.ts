import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, isIPv6 } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toBinary } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { BootstrapSchema } from '#envoy/config/bootstrap/v3/bootstrap'
import { capture, release } from '../../src/agent/capture/netns.ts'
import { captureOptions } from '../../src/agent/capture/rules.ts'
import type { WorkloadSecrets } from '../../src/agent/certificates.ts'
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { SdsServer } from '../../src/agent/sds.ts'
import { secretsOf } from '../../src/agent/sds-secrets.ts'
import { askEnvoy, isEnvoyReady } from '../../src/agent/supervise/envoy-admin.ts'
import { openCa } from '../../src/identity/ca.ts'
import { makeCsr } from '../../src/identity/csr.ts'
import { makeKeyPair, privateKeyPem } from '../../src/identity/key.ts'
import { openServingCertificate } from '../../src/identity/serving-certificate.ts'
import { workloads } from '../../src/mesh/workloads.ts'
import { parseYaml } from '../../src/resources/parse.ts'
import { PersistentMap } from '../../src/store/persistent-map.ts'
import { Store } from '../../src/store/store.ts'
import { bootstrapOf } from '../../src/translate/bootstrap.ts'
import type { EncodedResource, ProxyResources } from '../../src/translate/encoded-resource.ts'
import { envoyJson } from '../../src/translate/envoy-json.ts'
import { proxyResources } from '../../src/translate/proxy-resources.ts'
import { AdsServer } from '../../src/xds/ads-server.ts'
import type { Nack } from '../../src/xds/nack-message.ts'
import { kill } from '../child.ts'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { ShownFields } from '../translate/shown-fields.ts'

/** Applications run as nobody: what root does in a pod's network is the proxy's. */
const PROXY_UID = 0
/** By which it is known where it is transparent. */
const PROXY_GID = '1337'
const APPLICATION_UID = '65534'

/** Without finding out first whether others have the same address, which takes a second. */
const HUB = {
  IPv4: { address: '10.77.0.254/24', via: '10.77.0.254', length: 24, more: [] },
  IPv6: { address: 'fd00:77::254/64', via: 'fd00:77::254', length: 64, more: ['nodad'] },
} as const

/** Whether network namespaces with rules of their own can be made here: on Linux, as root, with `ip`, `nsenter`, `setpriv` and `iptables`. */
export function canRedirect(): boolean {
  const probe = `weft-${process.pid}-probe`
  try {
    ip('netns', 'add', probe)
  } catch {
    return false
  }
  try {
    execFileSync('nsenter', [`--net=/run/netns/${probe}`, 'iptables-save', '-t', 'nat'], { stdio: 'ignore' })
    execFileSync('setpriv', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  } finally {
    ip('netns', 'del', probe)
  }
}

/**
 * Pods in network namespaces of their own, in one network that leads nowhere else, each with an Envoy to which the kernel redirects its traffic; and
 * a control plane in this process, which they reach through a Unix socket. Needs root.
 */
export class RedirectedPods {
  readonly nacks: Nack[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'weft-capture-'))
  readonly #id = `weft-${process.pid}`
  readonly #store = new Store()
  readonly #secrets = new Map<string, PersistentMap<EncodedResource>>()
  readonly #stops: (() => unknown)[] = []
  readonly #children: ChildProcess[] = []
  readonly #fields = new ShownFields()

  /** A namespace for each pod with the addresses, 10.77.0.X and fd00:77::X, by which the others reach it. All else goes to a hub, and nowhere from there. */
  network(pods: Readonly<Record<string, string | readonly string[]>>): void {
    const hub = this.#netns('hub')
    ip('netns', 'add', hub)
    this.#stops.push(() => ip('netns', 'del', hub))
    ip('-n', hub, 'link', 'add', 'name', 'hub0', 'type', 'bridge')
    for (const gateway of [HUB.IPv4, HUB.IPv6])
      ip('-n', hub, 'addr', 'add', gateway.address, 'dev', 'hub0', ...gateway.more)
    ip('-n', hub, 'link', 'set', 'hub0', 'up')
    for (const [i, [pod, addresses]] of Object.entries(pods).entries()) {
      const netns = this.#netns(pod)
      ip('netns', 'add', netns)
      this.#stops.push(() => ip('netns', 'del', netns))
      ip('-n', hub, 'link', 'add', 'name', `p${i}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns)
      ip('-n', hub, 'link', 'set', `p${i}`, 'master', 'hub0', 'up')
      ip('-n', netns, 'link', 'set', 'lo', 'up')
      ip('-n', netns, 'link', 'set', 'eth0', 'up')
      for (const address of [addresses].flat()) {
        const { length, via, more } = isIPv6(address) ? HUB.IPv6 : HUB.IPv4
        ip('-n', netns, 'addr', 'add', `${address}/${length}`, 'dev', 'eth0', ...more)
        ip('-n', netns, 'route', 'add', 'default', 'via', via)
      }
      const anyPort = 'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start'
      execFileSync('nsenter', [`--net=${this.path(pod)}`, 'sh', '-c', anyPort])
    }
  }

  apply(yaml: string): void {
    const { resources } = parseYaml(yaml, 'test.yaml')
    this.#store.apply(resources.map((put) => ({ put })))
    this.#fields.applied(resources)
  }

  /** See ShownFields. */
  shows(kind: string, ...fields: readonly string[]): void {
    this.#fields.shows(kind, ...fields)
  }

  async startProxies(): Promise<void> {
    const host = await freeLoopback()
    const ca = await openCa(join(this.#folder, 'ca'), { log: () => {} })
    const serving = await openServingCertificate(ca, { ipAddresses: [host], log: () => {} })
    this.#stops.push(() => serving.close())
    const ads = new AdsServer({
      authenticate: (_, node) => (node?.cluster ?? '').split('.').reverse().join('/'),
      // Of an agent's two parts, relaying and giving out keys, only the latter is needed here.
      resources: (proxy) => withSecrets(proxyResources(this.#store.snapshot, proxy), this.#secrets.get(proxy)),
      onNack: (nack) => this.nacks.push(nack),
      onError: (proxy, error) => console.error(proxy, error),
    })
    const port = await ads.listen(serving.credentials('required'), `${host}:0`)
    this.#stops.push(() => ads.stop())
    this.#store.subscribe(() => ads.changed())
    const xdsSocket = join(this.#folder, 'xds')
    const relay = createServer((socket) => {
      const server = connect(port, host)
      socket.on('error', () => server.destroy()).on('close', () => server.destroy())
      server.on('error', () => socket.destroy()).on('close', () => socket.destroy())
      socket.pipe(server).pipe(socket)
    })
    await once(relay.listen(xdsSocket), 'listening')
    this.#stops.push(() => relay.close())
    for (const { key, name, namespace, address, identity, role } of workloads(this.#store.snapshot).values()) {
      const [sdsSocket, adminSocket, config] = [`${name}.sds/s`, `${name}.admin`, `${name}.json`].map((file) =>
        join(this.#folder, file),
      ) as [string, string, string]
      const sds = await SdsServer.listen(sdsSocket, () => {})
      this.#stops.push(() => sds.close())
      const keys = await makeKeyPair()
      const issued = await ca.signCsr({ csrPem: await makeCsr(keys), spiffeId: identity })
      const held = { spiffeId: identity, privateKeyPem: await privateKeyPem(keys.privateKey), ...issued }
      sds.update(held)
      this.#secrets.set(key, encodedSecrets(held))
      const server = { host, port }
      const bootstrap = bootstrapOf({ role, pod: name, namespace, address, adminSocket, sdsSocket, server })
      // The server's address is in no pod's network.
      const [xds] = bootstrap.staticResources?.clusters ?? []
      const endpoint = xds?.loadAssignment?.endpoints[0]?.lbEndpoints[0]?.hostIdentifier
      if (endpoint?.case !== 'endpoint' || !endpoint.value.address)
        throw new Error(`no server in the bootstrap of ${key}`)
      endpoint.value.address.address = { case: 'pipe', value: pipe(xdsSocket) }
      if (xds) delete (xds as { upstreamConnectionOptions?: unknown }).upstreamConnectionOptions
      writeFileSync(config, JSON.stringify(envoyJson(BootstrapSchema, bootstrap)))
      const log = openSync(join(this.#folder, `${name}.log`), 'w')
      const args = ['-c', config, '--use-dynamic-base-id', '--concurrency', '1', '-l', 'warning']
      // As a pod's containers have it.
      const nameServer = join(this.#folder, 'resolv.conf')
      writeFileSync(nameServer, 'nameserver 10.77.0.3\n')
      const inPod = ['unshare', '--mount', 'sh', '-c', `mount --bind ${nameServer} /etc/resolv.conf && exec "$@"`, 'sh']
      const { annotations = {} } = this.#store.snapshot.get('core/Pod', key)?.metadata ?? {}
      const options = captureOptions(annotations)
      const user = options.transparent ? ['setpriv', '--regid', PROXY_GID, '--clear-groups'] : []
      const child = spawn('nsenter', [`--net=${this.path(name)}`, ...inPod, ...user, await findEnvoy(), ...args], {
        stdio: ['ignore', log, log],
      })
      this.#children.push(child)
      await eventually(`${name} is ready`, () => isEnvoyReady(adminSocket).catch(() => false))
      await capture(this.path(name), { ...options, proxyUid: PROXY_UID })
    }
  }

  release(pod: string): Promise<void> {
    return release(this.path(pod))
  }

  /** Runs a script of Node as an application in a pod, until all is stopped, or it ends. */
  application(pod: string, script: string): ChildProcess {
    const user = ['setpriv', '--reuid', APPLICATION_UID, '--regid', APPLICATION_UID, '--clear-groups']
    const child = spawn('nsenter', [`--net=${this.path(pod)}`, ...user, process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: '/',
    })
    this.#children.push(child)
    return child
  }

  async counter(pod: string, name: string): Promise<number> {
    const { body } = await askEnvoy(join(this.#folder, `${pod}.admin`), 'GET', '/stats?usedonly')
    const line = body.split('\n').find((line) => line.startsWith(`${name}: `))
    return Number(line?.slice(name.length + 2) ?? 0)
  }

  async stop(): Promise<void> {
    for (const child of this.#children) await kill(child)
    for (const stop of this.#stops.reverse()) await stop()
    rmSync(this.#folder, { recursive: true, force: true })
    this.#fields.check()
  }

  #netns(pod: string): string {
    return `${this.#id}-${pod}`
  }

  /** The file that stands for a pod's network namespace. */
  path(pod: string): string {
    return `/run/netns/${this.#netns(pod)}`
  }
}

function encodedSecrets(held: WorkloadSecrets): PersistentMap<EncodedResource> {
  const encoded = [...secretsOf(held)].map(([name, { version, resource }]): [string, EncodedResource] => {
    const any = toBinary(AnySchema, resource)
    return [name, { name, type: 'secret', version, any, message: resource, sources: [] }]
  })
  return PersistentMap.from(encoded)
}

function withSecrets(
  resources: ProxyResources | undefined,
  secrets: PersistentMap<EncodedResource> | undefined,
): ProxyResources | undefined {
  return resources && secrets && { ...resources, secret: [secrets] }
}

function pipe(path: string) {
  return { $typeName: 'envoy.config.core.v3.Pipe' as const, path, mode: 0 }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
