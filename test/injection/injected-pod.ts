import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { toBinary } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { parse } from 'yaml'
import { capture } from '../../src/agent/capture/netns.ts'
import { captureOptions } from '../../src/agent/capture/rules.ts'
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { secretsOf } from '../../src/agent/sds-secrets.ts'
import { openCa } from '../../src/identity/ca.ts'
import { makeCsr } from '../../src/identity/csr.ts'
import { makeKeyPair, privateKeyPem } from '../../src/identity/key.ts'
import { openServingCertificate } from '../../src/identity/serving-certificate.ts'
import { inject } from '../../src/injection/inject.ts'
import { IDENTITY_ANNOTATIONS } from '../../src/injection/proxy-container.ts'
import { DEFAULT_SETTINGS } from '../../src/injection/settings.ts'
import { workloads } from '../../src/mesh/workloads.ts'
import { IDENTITY_FOLDER, PROXY_UID } from '../../src/resources/cluster-names.ts'
import type { Pod, PodTemplate } from '../../src/resources/core.ts'
import { parseYaml } from '../../src/resources/parse.ts'
import { PersistentMap } from '../../src/store/persistent-map.ts'
import { Snapshot } from '../../src/store/snapshot.ts'
import type { EncodedResource } from '../../src/translate/encoded-resource.ts'
import { proxyResources } from '../../src/translate/proxy-resources.ts'
import { AdsServer } from '../../src/xds/ads-server.ts'
import { kill } from '../child.ts'

const IPV4 = { pod: '10.78.0.1', node: '10.78.0.254', prefix: '/24', inUrl: '10.78.0.1', more: [] as string[] } as const
/** Of addresses of this family, others would be asked for a second whether they have the same. */
export const IPV6 = {
  pod: 'fd00:78::1',
  node: 'fd00:78::254',
  prefix: '/64',
  inUrl: '[fd00:78::1]',
  more: ['nodad'],
} as const

/** `status` is an error's code where there was no answer. */
export interface Answer {
  readonly status: number | string
  readonly body: string
}

/** How a kubelet expands `$(NAME)` in arguments (Container v1, `args`). */
export function expanded(argument: string, variables: Readonly<Record<string, string>>): string {
  return argument.replace(/\$\$|\$\(([A-Za-z_][\w.-]*)\)/g, (all, name?: string) =>
    name === undefined ? '$' : (variables[name] ?? all),
  )
}

type Addresses = typeof IPV4 | typeof IPV6

/** The arguments of a pod's proxy as its process gets them. */
export function proxyArguments({ spec }: PodTemplate, { pod, node }: Addresses = IPV4): string[] {
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  const proxy = all.find(({ args }) => args?.includes('--config-yaml'))
  if (!proxy) throw new Error('the pod has no proxy')
  const variables = {
    POD_NAME: 'web',
    POD_NAMESPACE: 'shop',
    WEFT_NAMESPACE: 'shop',
    POD_IP: pod,
    HOST_IP: node,
  }
  for (const { name, valueFrom } of proxy.env ?? [])
    if (valueFrom?.fieldRef && !(name in variables)) throw new Error(`no value for ${name}`)
  return (proxy.args ?? []).map((argument) => expanded(argument, variables))
}

/**
 * A pod that was injected, in a network namespace of its own on a node that is another: a real Envoy with the arguments and the user that injection chose,
 * traffic redirected, and an agent in this process. Needs root.
 */
export class InjectedPod {
  /** Tokens that streams came with. */
  readonly tokens: string[] = []
  readonly template: PodTemplate
  readonly #folder = mkdtempSync(join(tmpdir(), 'weft-pod-'))
  readonly #id = `weft-${process.pid}`
  readonly #stops: (() => unknown)[] = []
  readonly #children: ChildProcess[] = []
  readonly #snapshot: Snapshot
  #ads: AdsServer | undefined
  #roots: readonly string[] = []
  #versions = 0

  readonly #addresses: Addresses

  /** @param yaml a Pod `shop/web` before injection. @param more other objects of its mesh */
  constructor(yaml: string, more: string, addresses: Addresses = IPV4) {
    this.#addresses = addresses
    const written = parse(yaml) as Pod & PodTemplate
    const namespace = { name: 'shop', labels: { 'istio-injection': 'enabled' } }
    const injection = inject({ pod: written, namespace, workload: 'web', object: 'Pod shop/web' }, DEFAULT_SETTINGS)
    if (injection.outcome !== 'injected') throw new Error(JSON.stringify(injection))
    this.template = injection.pod
    const pod = { ...injection.pod, status: { phase: 'Running', podIP: addresses.pod } }
    const { resources, messages } = parseYaml(`${JSON.stringify(pod)}\n---\n${more}`, 'test.yaml')
    if (messages.length > 0) throw new Error(JSON.stringify(messages))
    this.#snapshot = Snapshot.of(resources)
  }

  /** Makes the network and starts the proxy, which then waits for its agent. */
  async start(): Promise<void> {
    const [pod, node] = [this.#netns('pod'), this.#netns('node')]
    for (const netns of [pod, node]) {
      ip('netns', 'add', netns)
      this.#stops.push(() => ip('netns', 'del', netns))
    }
    ip('-n', node, 'link', 'add', 'name', 'pod', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod)
    const { prefix, more } = this.#addresses
    ip('-n', node, 'addr', 'add', this.#addresses.node + prefix, 'dev', 'pod', ...more)
    ip('-n', node, 'link', 'set', 'pod', 'up')
    ip('-n', pod, 'addr', 'add', this.#addresses.pod + prefix, 'dev', 'eth0', ...more)
    ip('-n', pod, 'link', 'set', 'lo', 'up')
    ip('-n', pod, 'link', 'set', 'eth0', 'up')
    ip('-n', pod, 'route', 'add', 'default', 'via', this.#addresses.node)
    await capture(this.#path('pod'), captureOptions(this.template.metadata?.annotations ?? {}))
    // What is root's alone the proxy's user cannot run or read.
    chmodSync(this.#folder, 0o755)
    const envoy = join(this.#folder, 'envoy')
    copyFileSync(await findEnvoy(), envoy)
    mkdirSync(join(this.#folder, 'identity'))
    const [ca, next] = await Promise.all(
      ['ca', 'next-ca'].map((name) => openCa(join(this.#folder, name), { log: () => {} })),
    )
    if (!ca || !next) throw new Error('no CA')
    this.#roots = [ca.trustBundlePem, next.trustBundlePem]
    this.#stops.push(() => this.stopAgent())
    await this.#prepareAgent(ca, next)
    this.writeIdentity('first', 'old')
    const args = proxyArguments(this.template, this.#addresses).map((argument) =>
      argument
        .replaceAll(IDENTITY_FOLDER, join(this.#folder, 'identity'))
        // The node's address is in no network of this process.
        .replace(
          `{"socketAddress":{"address":"${this.#addresses.node}","portValue":15012}}`,
          JSON.stringify({ pipe: { path: join(this.#folder, 'agent') } }),
        ),
    )
    const log = openSync(join(this.#folder, 'log'), 'w')
    const user = ['--reuid', String(PROXY_UID), '--regid', String(PROXY_UID), '--clear-groups', '--no-new-privs']
    const nothing = ['--bounding-set', '-all', '--inh-caps', '-all']
    const command = [`--net=${this.#path('pod')}`, 'setpriv', ...user, ...nothing, envoy, ...args]
    const child = spawn('nsenter', command, { stdio: ['ignore', log, log], cwd: '/' })
    this.#children.push(child)
  }

  /** From now on the agent answers, with a certificate of the one authority or the other. */
  startAgent: (authority?: 'old' | 'new') => Promise<void> = () => Promise.reject(new Error('start the pod first'))

  /** Streams end, and no new ones are taken. */
  async stopAgent(): Promise<void> {
    await this.#ads?.stop()
    rmSync(join(this.#folder, 'agent'), { force: true })
  }

  /** Writes the files of the pod's identity as a kubelet does: all change at once. */
  writeIdentity(token: string, roots: 'old' | 'both' | 'new'): void {
    const folder = join(this.#folder, 'identity')
    const version = `..${++this.#versions}`
    mkdirSync(join(folder, version))
    const pem = this.#roots.slice(roots === 'new' ? 1 : 0, roots === 'old' ? 1 : 2).join('')
    const [rootsFile = ''] = Object.values(IDENTITY_ANNOTATIONS)
    const files = { token, 'root-cert.pem': pem, 'roots.json': rootsFile.replaceAll(IDENTITY_FOLDER, folder) }
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, version, name), content)
    symlinkSync(version, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    if (this.#versions === 1) for (const name of Object.keys(files)) symlinkSync(`..data/${name}`, join(folder, name))
  }

  get log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8')
  }

  /** Runs a script of Node in the pod, as its application; resolves with the first that it prints. */
  async application(script: string): Promise<ChildProcess> {
    const child = this.#run('pod', script)
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    return child
  }

  /** Asks ports of the pod from the node, as a kubelet does. */
  ask(url: string, options: object = {}): Promise<Answer> {
    return this.#ask('node', `http://${this.#addresses.inUrl}${url}`, options)
  }

  /** Asks Envoy's administration from within the pod. */
  admin(path: string): Promise<Answer> {
    return this.#ask('pod', `http://127.0.0.1:15000${path}`, {})
  }

  async #ask(where: 'pod' | 'node', url: string, options: object): Promise<Answer> {
    const script = `const [url, options] = ${JSON.stringify([url, options])}
require('http').request(url, { timeout: 5000, ...options, headers: { connection: 'close', ...options.headers } }, a => { let body = ''; a.on('data', d => body += d).on('end', () => done(a.statusCode, body)) })
  .on('error', e => done(e.code, '')).end()
const done = (status, body) => process.stdout.write(JSON.stringify({ status, body }), () => process.exit())`
    return JSON.parse(await text(this.#run(where, script).stdout as NodeJS.ReadableStream))
  }

  async stop(): Promise<void> {
    for (const child of this.#children) await kill(child)
    for (const stop of this.#stops.reverse()) await stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #prepareAgent(ca: Authority, next: Authority): Promise<void> {
    const [serving, servingNext] = await Promise.all(
      [ca, next].map((each) => openServingCertificate(each, { dnsNames: ['weft-agent'], log: () => {} })),
    )
    this.#stops.push(
      () => serving?.close(),
      () => servingNext?.close(),
    )
    const key = 'shop/web'
    const workload = workloads(this.#snapshot).get(key)
    if (!workload) throw new Error('the pod that was injected is no workload')
    const keys = await makeKeyPair()
    const issued = await ca.signCsr({ csrPem: await makeCsr(keys), spiffeId: workload.identity })
    const privateKey = await privateKeyPem(keys.privateKey)
    const secrets = [...secretsOf({ privateKeyPem: privateKey, ...issued })].map(
      ([name, { version, resource }]): [string, EncodedResource] => {
        const any = toBinary(AnySchema, resource)
        return [name, { name, type: 'secret', version, any, message: resource, sources: [] }]
      },
    )
    this.startAgent = async (authority = 'old') => {
      const credentials = (authority === 'old' ? serving : servingNext)?.credentials('optional')
      if (!credentials) return
      this.#ads = new AdsServer({
        authenticate: ({ metadata }, node) => {
          this.tokens.push(String(metadata.get('authorization')[0]))
          return node?.id === `sidecar~${this.#addresses.pod}~web.shop~shop.svc.cluster.local`
            ? key
            : { refused: `${node?.id}` }
        },
        resources: (proxy) => {
          const resources = proxyResources(this.#snapshot, proxy)
          return resources && { ...resources, secret: [PersistentMap.from(secrets)] }
        },
        onNack: (nack) => console.error(nack),
      })
      const socket = join(this.#folder, 'agent')
      await this.#ads.listen(credentials, `unix:${socket}`)
      chmodSync(socket, 0o777)
    }
  }

  #run(where: 'pod' | 'node', script: string): ChildProcess {
    const child = spawn('nsenter', [`--net=${this.#path(where)}`, process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#children.push(child)
    return child
  }

  #netns(name: string): string {
    return `${this.#id}-${name}`
  }

  #path(name: string): string {
    return `/run/netns/${this.#netns(name)}`
  }
}

type Authority = Awaited<ReturnType<typeof openCa>>

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
