import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { NodeSchema } from '#envoy/config/core/v3/base'
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '#envoy/service/discovery/v3/discovery'
import { type NodeAgent, startNodeAgent } from '../../src/agent/node/node-agent.ts'
import { ADS_METHODS } from '../../src/agent/node/relay.ts'
import { attestedBy } from '../../src/identity/attestor.ts'
import { type CertificateAuthority, openCa } from '../../src/identity/ca.ts'
import { folderStore } from '../../src/identity/ca-store.ts'
import {
  addCertificateService,
  authenticateAgents,
  authorizeByPlacement,
} from '../../src/identity/certificate-service.ts'
import { CertificateSync, type ReportedProxy } from '../../src/identity/certificate-sync.ts'
import { beginRotation, moveRotation, type RootRotationStage } from '../../src/identity/rotation.ts'
import { openServingCertificate } from '../../src/identity/serving-certificate.ts'
import { parseYaml } from '../../src/resources/parse.ts'
import { agentTokens, authenticateRelayed, placementOf } from '../../src/server/agent-access.ts'
import { ApiServer } from '../../src/sources/kubernetes/api-server.ts'
import { PersistentMap } from '../../src/store/persistent-map.ts'
import { Store } from '../../src/store/store.ts'
import { type EncodedResource, type ResourceType, TYPE_URLS } from '../../src/translate/encoded-resource.ts'
import { AdsServer } from '../../src/xds/ads-server.ts'
import { freeLoopback } from '../identity/loopback.ts'

/** What the API server would say of a token. */
export interface Token {
  readonly username: string
  readonly audiences?: readonly string[]
  readonly pod?: { readonly name: string; readonly uid: string }
  readonly node?: string
}

const quiet = () => {}

/** A server and the agent of node `n1`, on the loopback interface; an API server that knows only tokens and pods is made up. */
export class ClusterNode {
  readonly tokens = new Map<string, Token>()
  /** Keys of the pods whose traffic was redirected. */
  readonly captured: string[] = []
  agent!: NodeAgent
  agentPort = 0
  /** Of the node, as all calls of these tests are local ones. */
  nodeAddresses: readonly string[] = ['127.0.0.1']
  /** Of the API server: `503` while it is away. */
  apiAway = false
  readonly #folder = mkdtempSync(join(tmpdir(), 'weft-node-'))
  readonly #store = new Store()
  readonly #pods = new Map<string, unknown>()
  readonly #stops: (() => unknown)[] = []
  #ca!: CertificateAuthority
  #host = ''
  #serverPort = 0
  #stopServer = quiet
  #ads: AdsServer | undefined
  #sync: CertificateSync | undefined
  #api!: ApiServer

  static async start(): Promise<ClusterNode> {
    const node = new ClusterNode()
    node.#ca = await openCa(join(node.#folder, 'ca'), { log: quiet })
    node.#host = await freeLoopback()
    node.tokens.set('of.the.agent', {
      username: 'system:serviceaccount:weft-system:weft-agent',
      node: 'n1',
      pod: { name: 'weft-agent', uid: 'a' },
    })
    writeFileSync(join(node.#folder, 'token'), 'of.the.agent')
    await node.#startApi()
    await node.startServer()
    await node.startAgent()
    return node
  }

  /** A pod that everybody knows of, and its token, which is called as the pod is. */
  pod(name: string, nodeName = 'n1', uid = `uid-of-${name}`): void {
    const yaml = `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, uid: ${uid}, labels: { security.istio.io/tlsMode: istio } }
spec: { serviceAccountName: ${name}, nodeName: ${nodeName}, containers: [{ name: app }] }
status: { podIP: 10.0.0.1, podIPs: [{ ip: 10.0.0.1 }], phase: Running }
`
    const { resources } = parseYaml(yaml, 'pod.yaml')
    this.#store.apply(resources.map((put) => ({ put })))
    this.#pods.set(`/api/v1/namespaces/shop/pods/${name}`, resources[0])
    this.tokens.set(name, { username: `system:serviceaccount:shop:${name}`, node: nodeName, pod: { name, uid } })
  }

  async startServer(): Promise<void> {
    const { trustDomain } = this.#ca
    const ads = new AdsServer({
      authenticate: (caller, node) => authenticateRelayed(this.#store, trustDomain, caller, node),
      resources: () => RESOURCES,
      proxylessResources: () => RESOURCES,
    })
    addCertificateService(ads.server, {
      ca: this.#ca,
      log: quiet,
      authenticate: authenticateAgents(this.#ca, attestedBy(agentTokens(this.#api, 'weft-system'))),
      authorize: authorizeByPlacement(trustDomain, placementOf(this.#store), { dnsNames: ['weft-agent'] }),
    })
    this.#sync = new CertificateSync(this.#ca)
    this.#sync.addTo(ads.server)
    const serving = await openServingCertificate(this.#ca, { ipAddresses: [this.#host], log: quiet })
    this.#serverPort = await ads.listen(serving.credentials('optional'), `${this.#host}:${this.#serverPort}`)
    this.#ads = ads
    this.#stopServer = () => {
      serving.close()
      void ads.stop()
    }
  }

  stopServer(): void {
    this.#stopServer()
  }

  /** Proxies that the server knows to be connected. */
  get connected(): string[] {
    return (this.#ads?.status() ?? []).map(({ proxy }) => proxy)
  }

  /** What the agent tells of a pod's proxy. */
  reported(pod: string): ReportedProxy | undefined {
    return this.#sync?.agents
      .flatMap(({ report }) => report?.proxies ?? [])
      .find((proxy) => proxy.pod === `shop/${pod}`)
  }

  /** The root that the chain of the agent's own certificate ends in. */
  get rootOfAgent(): string | undefined {
    return this.#sync?.agents[0]?.report?.own.root
  }

  /** Begins to rotate the root, or goes on with it. */
  async rotate(stage: RootRotationStage): Promise<void> {
    const store = folderStore(join(this.#folder, 'ca'))
    if (stage === 'trust') await beginRotation(store, { kind: 'root', stage, selfMade: true, startedAt: '' })
    else await moveRotation(store, stage)
    await this.#ca.refresh()
  }

  get ca(): CertificateAuthority {
    return this.#ca
  }

  async startAgent(): Promise<void> {
    this.agent = startNodeAgent({
      node: 'n1',
      listenAddress: `${this.#host}:${this.agentPort}`,
      serverAddress: `${this.#host}:${this.#serverPort}`,
      trustDomain: this.#ca.trustDomain,
      trustBundleFile: join(this.#folder, 'ca', 'trust-bundle.pem'),
      tokenFile: join(this.#folder, 'token'),
      api: this.#api,
      nodeAddresses: () => this.nodeAddresses,
      capture: async ({ key }) => void this.captured.push(key),
      log: quiet,
    })
    this.agentPort = await this.agent.serving
  }

  /** How many clusters a gRPC library in a pod is first told of, with a token. */
  async proxyless(pod: string, token: string): Promise<number> {
    const client = new Client(
      `${this.#host}:${this.agentPort}`,
      credentials.createSsl(Buffer.from(this.#ca.trustBundlePem)),
      { 'grpc.ssl_target_name_override': 'weft-agent' },
    )
    const metadata = new Metadata()
    metadata.set('authorization', `Bearer ${token}`)
    const asIs = (bytes: Buffer) => bytes
    const { path } = ADS_METHODS.streamAggregatedResources
    const call: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(path, asIs, asIs, metadata)
    const node = create(NodeSchema, { id: `sidecar~10.0.0.1~${pod}.shop~shop.svc.cluster.local` })
    const request = create(DiscoveryRequestSchema, { node, typeUrl: TYPE_URLS.cluster })
    try {
      return await new Promise((resolve, reject) => {
        call.on('error', reject)
        call.on('data', (bytes: Buffer) => {
          resolve(fromBinary(DiscoveryResponseSchema, bytes).resources.length)
        })
        call.write(Buffer.from(toBinary(DiscoveryRequestSchema, request)))
      })
    } finally {
      call.on('error', () => {})
      call.cancel()
      client.close()
    }
  }

  /** Opens a proxy's stream as a pod, with a token. */
  proxy(pod: string, token: string | undefined): ProxyStream {
    return new ProxyStream(
      `${this.#host}:${this.agentPort}`,
      this.#ca.trustBundlePem,
      `sidecar~10.0.0.1~${pod}.shop~shop.svc.cluster.local`,
      token,
    )
  }

  async stop(): Promise<void> {
    this.agent.close()
    this.#stopServer()
    for (const stop of this.#stops) await stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #startApi(): Promise<void> {
    const api = createServer(async (request, response) => {
      const answer = (status: number, body: unknown) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      if (this.apiAway) return answer(503, { message: 'the API server is away' })
      if (request.url?.endsWith('/tokenreviews')) {
        const { spec } = (await json(request)) as { spec: { token: string; audiences: string[] } }
        return answer(201, { status: this.#review(spec.token, spec.audiences) })
      }
      const pod = this.#pods.get(request.url ?? '')
      return pod ? answer(200, pod) : answer(404, { message: 'no such pod' })
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => api.once('listening', resolve))
    this.#stops.push(() => api.close())
    const kubeconfig = join(this.#folder, 'kubeconfig')
    const server = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': true } }],
        users: [{ name: 'u', user: {} }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    )
    this.#api = new ApiServer({ kubeconfig })
  }

  #review(text: string, wanted: readonly string[]) {
    const token = this.tokens.get(text)
    const audiences = (token?.audiences ?? ['weft']).filter((audience) => wanted.includes(audience))
    if (!token || audiences.length === 0) return { authenticated: false, error: 'the token is not valid' }
    const extra = {
      ...(token.pod && {
        'authentication.kubernetes.io/pod-name': [token.pod.name],
        'authentication.kubernetes.io/pod-uid': [token.pod.uid],
      }),
      ...(token.node && { 'authentication.kubernetes.io/node-name': [token.node] }),
    }
    return { authenticated: true, audiences, user: { username: token.username, groups: [], extra } }
  }
}

function resource(type: ResourceType, name: string): PersistentMap<EncodedResource> {
  const any = toBinary(AnySchema, create(AnySchema, { typeUrl: TYPE_URLS[type] }))
  return PersistentMap.from([[name, { name, type, version: '1', any, message: undefined, sources: [] }]])
}

/** What the server has for every proxy. */
const RESOURCES = { cluster: [resource('cluster', 'c1')], secret: [resource('secret', 'kubernetes://shop/cert')] }

/** A proxy's end of its stream with the agent. */
export class ProxyStream {
  /** By what the stream ended; undefined while it has not. */
  error: ServiceError | undefined
  readonly ended: Promise<ServiceError | undefined>
  readonly #client: Client
  readonly #call: ClientDuplexStream<Buffer, Buffer>
  readonly #nodeId: string
  readonly #received: DeltaDiscoveryResponse[] = []
  #told = Promise.withResolvers<void>()
  #isFirst = true

  constructor(address: string, roots: string, nodeId: string, token: string | undefined) {
    this.#nodeId = nodeId
    this.#client = new Client(address, credentials.createSsl(Buffer.from(roots)), {
      'grpc.ssl_target_name_override': 'weft-agent',
      'grpc.use_local_subchannel_pool': 1,
    })
    const metadata = new Metadata()
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
    const asIs = (bytes: Buffer) => bytes
    const { path } = ADS_METHODS.deltaAggregatedResources
    this.#call = this.#client.makeBidiStreamRequest(path, asIs, asIs, metadata)
    this.#call.on('data', (bytes: Buffer) => {
      this.#received.push(fromBinary(DeltaDiscoveryResponseSchema, bytes))
      this.#told.resolve()
      this.#told = Promise.withResolvers()
    })
    this.ended = new Promise((resolve) => {
      this.#call.on('error', (error: ServiceError) => {
        this.error = error
        this.#client.close()
        resolve(error)
      })
      this.#call.on('end', () => resolve(undefined))
    })
  }

  send(request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void {
    const message = create(DeltaDiscoveryRequestSchema, request)
    if (this.#isFirst) message.node = create(NodeSchema, { id: this.#nodeId })
    this.#isFirst = false
    this.#call.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message)))
  }

  /** The next response of a type; waits for it. */
  async response(typeUrl: string): Promise<DeltaDiscoveryResponse> {
    for (;;) {
      const at = this.#received.findIndex((response) => response.typeUrl === typeUrl)
      if (at >= 0) return this.#received.splice(at, 1)[0] as DeltaDiscoveryResponse
      await Promise.race([
        this.#told.promise,
        this.ended.then((error) => Promise.reject(error ?? new Error('the stream ended'))),
      ])
    }
  }

  close(): void {
    this.#call.cancel()
    this.#client.close()
  }
}
