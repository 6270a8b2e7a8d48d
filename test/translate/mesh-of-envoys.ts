import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ServerCredentials } from '@grpc/grpc-js'
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { SdsServer } from '../../src/agent/sds.ts'
import { askEnvoy, isEnvoyReady } from '../../src/agent/supervise/envoy-admin.ts'
import { type CertificateAuthority, openCa } from '../../src/identity/ca.ts'
import { makeCsr } from '../../src/identity/csr.ts'
import { makeKeyPair, privateKeyPem } from '../../src/identity/key.ts'
import { openServingCertificate } from '../../src/identity/serving-certificate.ts'
import { MESH_CONFIG_MAP, writtenMeshConfig } from '../../src/mesh/mesh-config.ts'
import type { Workload } from '../../src/mesh/model.ts'
import { workloadNames } from '../../src/mesh/workload-names.ts'
import { workloads } from '../../src/mesh/workloads.ts'
import { messageText } from '../../src/resources/message.ts'
import { parseYaml } from '../../src/resources/parse.ts'
import type { Snapshot } from '../../src/store/snapshot.ts'
import { Store } from '../../src/store/store.ts'
import { bootstrapJson } from '../../src/translate/bootstrap.ts'
import type { ProxyResources } from '../../src/translate/encoded-resource.ts'
import { QUIET_ABOUT_WASM } from '../../src/translate/metrics/metric-names.ts'
import { ownNames } from '../../src/translate/metrics/own-names.ts'
import { certifiedNames } from '../../src/translate/metrics/peer-names.ts'
import { proxyResources } from '../../src/translate/proxy-resources.ts'
import { proxylessBootstrap } from '../../src/translate/proxyless/bootstrap.ts'
import { proxylessResources } from '../../src/translate/proxyless/proxyless-resources.ts'
import { AdsServer } from '../../src/xds/ads-server.ts'
import type { Nack } from '../../src/xds/nack-message.ts'
import { kill } from '../child.ts'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { ShownFields } from './shown-fields.ts'
import type { TestPod } from './test-pods.ts'

/** A control plane in this process and a real Envoy for each pod with a proxy, all at addresses of their own. */
export class MeshOfEnvoys {
  readonly nacks: Nack[] = []
  readonly folder = mkdtempSync(join(tmpdir(), 'weft-mesh-'))
  readonly #store = new Store()
  readonly #envoys = new Map<string, ChildProcess>()
  readonly #stops: (() => void)[] = []
  readonly #fields = new ShownFields()
  #ca: CertificateAuthority | undefined
  #ads: AdsServer | undefined
  #server: { host: string; port: number } | undefined

  static async start(): Promise<MeshOfEnvoys> {
    const mesh = new MeshOfEnvoys()
    const host = await freeLoopback()
    const ca = await openCa(join(mesh.folder, 'ca'), { log: () => {} })
    const serving = await openServingCertificate(ca, { ipAddresses: [host], log: () => {} })
    const ads = new AdsServer({
      authenticate: (_, node) => keyOfNode(node?.id ?? ''),
      resources: (proxy) => proxyResources(mesh.#store.snapshot, proxy),
      proxylessResources: (proxy) => proxylessResources(mesh.#store.snapshot, proxy),
      onNack: (nack) => mesh.nacks.push(nack),
      onError: (proxy, error) => console.error(proxy, error),
    })
    mesh.#ca = ca
    mesh.#ads = ads
    mesh.#server = { host, port: await ads.listen(serving.credentials('required'), `${host}:0`) }
    mesh.#stops.push(() => serving.close())
    mesh.#store.subscribe(() => ads.changed())
    return mesh
  }

  /** Puts the objects of some YAML into the mesh, at once. @throws Error where any is not valid */
  apply(...texts: readonly string[]): void {
    const parsed = texts.map((text) => parseYaml(text, 'test.yaml'))
    const messages = parsed.flatMap((each) => each.messages)
    if (messages.length > 0) throw new Error(messages.map(messageText).join('\n'))
    this.#store.apply(parsed.flatMap(({ resources }) => resources.map((put) => ({ put }))))
    this.#fields.applied(parsed.flatMap(({ resources }) => resources))
    const config = this.snapshot.get('core/ConfigMap', MESH_CONFIG_MAP)
    this.#fields.appliedSettings(Object.keys(config ? writtenMeshConfig(config) : {}))
  }

  /** See ShownFields. `stop` fails where nothing that was applied until then sets one of them. */
  shows(kind: string, ...fields: readonly string[]): void {
    this.#fields.shows(kind, ...fields)
  }

  /** Takes the objects of some YAML out of the mesh. */
  remove(text: string): void {
    const { resources } = parseYaml(text, 'test.yaml')
    const keys = resources.map(({ metadata: { namespace, name } }) => (namespace ? `${namespace}/${name}` : name))
    this.#store.apply(resources.map((resource, i) => ({ remove: kindOf(resource), key: keys[i] ?? '' })))
  }

  /** Starts an Envoy for each pod with a proxy that has none, and waits until all are ready. */
  async startProxies(): Promise<void> {
    const started = [...workloads(this.#store.snapshot).values()].filter(({ key }) => !this.#envoys.has(key))
    await Promise.all(started.map((workload) => this.#startProxy(workload)))
  }

  /** A certificate for an identity by the mesh's own authority. */
  async certificate(spiffeId: string, dnsNames: readonly string[] = []) {
    const keys = await makeKeyPair()
    const issued = await (this.#ca as CertificateAuthority).signCsr({ csrPem: await makeCsr(keys), spiffeId, dnsNames })
    return { key: await privateKeyPem(keys.privateKey), cert: issued.chainPem, ca: issued.trustBundlePem, issued }
  }

  /** For a gRPC library in a pod that gets its configuration itself, over a Unix socket. */
  async proxylessBootstrap({ name, namespace, address }: Pick<TestPod, 'name' | 'namespace' | 'address'>) {
    const uri = `unix:${join(this.folder, `${name}.xds`)}`
    await (this.#ads as AdsServer).listen(ServerCredentials.createInsecure(), uri)
    return proxylessBootstrap({ pod: name, namespace, address }, uri)
  }

  get snapshot(): Snapshot {
    return this.#store.snapshot
  }

  /** What the proxy of a pod (`namespace/pod`) may see now. */
  resources(key: string): ProxyResources {
    return proxyResources(this.#store.snapshot, key) ?? {}
  }

  /** Process ids of the Envoys. */
  pids(): readonly number[] {
    return [...this.#envoys.values()].flatMap(({ pid }) => pid ?? [])
  }

  /** What the Envoy of a pod answers at its administration. */
  async admin(pod: string, path: string): Promise<string> {
    return (await askEnvoy(join(this.folder, pod, 'admin'), 'GET', path)).body
  }

  async stop(): Promise<void> {
    for (const envoy of this.#envoys.values()) await kill(envoy)
    for (const stop of this.#stops) stop()
    await this.#ads?.stop()
    rmSync(this.folder, { recursive: true, force: true })
    this.#fields.check()
  }

  async #startProxy({ key, name, namespace, labels, address, identity, role }: Workload): Promise<void> {
    const folder = join(this.folder, name)
    mkdirSync(folder, { mode: 0o700 })
    const [adminSocket, sdsSocket, config] = ['admin', 'sds', 'bootstrap.json'].map((file) => join(folder, file)) as [
      string,
      string,
      string,
    ]
    const sds = await SdsServer.listen(sdsSocket, () => {})
    this.#stops.push(() => sds.close())
    const names = workloadNames(labels, name)
    const certified = certifiedNames(names)
    const { key: privateKeyPem, issued } = await this.certificate(identity, certified === undefined ? [] : [certified])
    sds.update({ privateKeyPem, ...issued })
    const server = this.#server as { host: string; port: number }
    const bootstrap = bootstrapJson({ role, pod: name, namespace, address, adminSocket, sdsSocket, server })
    writeFileSync(config, JSON.stringify(bootstrap))
    const log = openSync(join(folder, 'log'), 'w')
    const args = [
      '-c',
      config,
      '--use-dynamic-base-id',
      '--concurrency',
      '1',
      '--drain-strategy',
      'immediate',
      '--drain-time-s',
      '1',
      '--file-flush-interval-msec',
      '100',
      '-l',
      'warning',
      '--component-log-level',
      QUIET_ABOUT_WASM,
    ]
    const env = ownNames(names, namespace)
    this.#envoys.set(key, spawn(await findEnvoy(), args, { env, stdio: ['ignore', log, log] }))
    await eventually(`Envoy of ${key} to be ready`, () => isEnvoyReady(adminSocket))
  }
}

function kindOf(resource: object): never {
  const [kind] = Object.getOwnPropertySymbols(resource).filter(({ description }) => description === 'kind')
  return (resource as Record<symbol, unknown>)[kind as symbol] as never
}

function keyOfNode(id: string): string {
  const [, , name = ''] = id.split('~')
  const dot = name.lastIndexOf('.')
  return `${name.slice(dot + 1)}/${name.slice(0, dot)}`
}
