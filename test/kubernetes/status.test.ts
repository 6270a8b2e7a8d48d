import { setTimeout as after } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { keepStatuses } from '../../src/controllers/statuses/keep-statuses.ts'
import type { StatusWriter } from '../../src/controllers/statuses/status-writer.ts'
import { Rejections } from '../../src/server/rejections.ts'
import { type ApiRequest, ApiServer } from '../../src/sources/kubernetes/api-server.ts'
import { KubernetesSource } from '../../src/sources/kubernetes/kubernetes-source.ts'
import type { Snapshot } from '../../src/store/snapshot.ts'
import { Store } from '../../src/store/store.ts'
import { type EncodedResource, TYPE_URLS } from '../../src/translate/encoded-resource.ts'
import { ApiServerLab, noLab } from './api-server-lab.ts'

if (noLab) console.warn(`skipping the tests of statuses: ${noLab}`)

const GATEWAY_API = '/apis/gateway.networking.k8s.io/v1'
const DEFAULT = `${GATEWAY_API}/namespaces/default`
const VIRTUAL_SERVICES = '/apis/networking.istio.io/v1/namespaces/default/virtualservices'

/** Counts what is written. */
class CountingServer extends ApiServer {
  readonly writes: string[] = []

  override send(request: ApiRequest): Promise<unknown> {
    if (request.method !== 'GET') this.writes.push(`${request.method} ${request.path.replace(/\?.*/, '')}`)
    return super.send(request)
  }
}

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly observedGeneration?: number
  readonly lastTransitionTime: string
}

interface Keeper {
  readonly server: CountingServer
  readonly store: Store
  readonly rejections: Rejections
  readonly writer: StatusWriter
  readonly logged: string[]
  readonly close: () => void
}

describe.skipIf(noLab)('statuses', () => {
  let lab: ApiServerLab
  let keepers: Keeper[] = []

  beforeAll(async () => {
    lab = await ApiServerLab.start()
    await lab.installDefinitions()
    const spec = { controllerName: 'weft.dev/gateway-controller' }
    await lab.must('POST', `${GATEWAY_API}/gatewayclasses`, { ...gatewayApi('GatewayClass', 'weft'), spec })
    await lab.must('POST', '/api/v1/namespaces/default/services', service('reviews'))
  })
  afterAll(() => lab?.close())
  afterEach(() => {
    for (const { close } of keepers) close()
    keepers = []
  })

  async function start(user: 'admin' | 'weft' = 'admin'): Promise<Keeper> {
    const server = new CountingServer({ kubeconfig: lab.kubeconfig(user) })
    const store = new Store()
    const logged: string[] = []
    const log = (severity: string, text: string) => logged.push(`${severity}: ${text}`)
    const reader = new ApiServer({ kubeconfig: lab.kubeconfig('admin') })
    const source = new KubernetesSource({ server: reader, store, log })
    source.start()
    await store.synced()
    const ending = new AbortController()
    const bundle = () => source.gatewayApiBundle
    const rejections = new Rejections()
    const refusals = {
      of: (snapshot: Snapshot) => rejections.byObject(snapshot),
      subscribe: (listener: () => void) => rejections.subscribe(listener),
    }
    const options = { server, store, statuses: source.statuses, bundle, refusals, log }
    const writer = keepStatuses(options, ending.signal)
    const close = () => {
      ending.abort()
      source.close()
    }
    const keeper = { server, store, rejections, writer, logged, close }
    keepers.push(keeper)
    return keeper
  }

  const statusOf = async (path: string) => ((await lab.must('GET', path)) as { status?: Status }).status ?? {}
  const conditionOf = async (path: string, type: string) =>
    (await statusOf(path)).conditions?.find((each) => each.type === type)
  const parentsOf = async (path: string) => (await statusOf(path)).parents ?? []
  const reasonsOf = (conditions: readonly Condition[] | undefined) =>
    Object.fromEntries((conditions ?? []).map(({ type, status, reason }) => [type, `${status} ${reason}`]))
  /** Long enough for changes to be looked at, those of Istio's kinds too. */
  const settle = () => after(1500)

  test('says what becomes of a Gateway, its listeners and routes, once', async () => {
    await lab.must('POST', `${DEFAULT}/gateways`, gateway('web'))
    await lab.must('POST', `${DEFAULT}/httproutes`, route('web', 'web', 'reviews'))
    await lab.must('POST', `${DEFAULT}/httproutes`, route('lost', 'web', 'nothing', { hostnames: ['elsewhere.org'] }))
    const { server } = await start()
    const classPath = `${GATEWAY_API}/gatewayclasses/weft`
    await expect.poll(() => conditionOf(classPath, 'Accepted')).toMatchObject({ status: 'True', observedGeneration: 1 })
    expect(await conditionOf(classPath, 'SupportedVersion')).toMatchObject({ status: 'True' })
    await expect.poll(() => conditionOf(`${DEFAULT}/gateways/web`, 'Accepted')).toMatchObject({ status: 'True' })
    const { conditions, listeners } = await statusOf(`${DEFAULT}/gateways/web`)
    expect(reasonsOf(conditions)).toEqual({ Accepted: 'True Accepted', Programmed: 'False AddressNotAssigned' })
    expect(listeners?.map(({ name, attachedRoutes }) => [name, attachedRoutes])).toEqual([['http', 1]])
    expect(reasonsOf(listeners?.[0]?.conditions)).toEqual({
      Accepted: 'True Accepted',
      Conflicted: 'False NoConflicts',
      ResolvedRefs: 'True ResolvedRefs',
      Programmed: 'True Programmed',
    })
    await expect.poll(() => parentsOf(`${DEFAULT}/httproutes/web`)).toMatchObject([{ parentRef: { name: 'web' } }])
    const [web] = await parentsOf(`${DEFAULT}/httproutes/web`)
    expect(web?.controllerName).toBe('weft.dev/gateway-controller')
    expect(reasonsOf(web?.conditions)).toEqual({ Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' })
    await expect.poll(() => parentsOf(`${DEFAULT}/httproutes/lost`)).toHaveLength(1)
    const [lost] = await parentsOf(`${DEFAULT}/httproutes/lost`)
    expect(reasonsOf(lost?.conditions)).toEqual({
      Accepted: 'False NoMatchingListenerHostname',
      ResolvedRefs: 'False BackendNotFound',
    })
    await settle()
    // GatewayClass, Gateway, and two routes.
    expect(server.writes).toHaveLength(4)
  })

  test('writes nothing for changes that say nothing, and nothing at a change of leaders', async () => {
    const { server } = await start()
    await settle()
    expect(server.writes).toEqual([])
    // Things that concern no status, things that are written over and over, and one's own word again.
    await lab.must('POST', '/api/v1/namespaces/default/services', service('unrelated'))
    await lab.must('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', slice('reviews'))
    for (let i = 0; i < 5; i++)
      await lab.patch('/api/v1/namespaces/default/services/reviews', { metadata: { annotations: { turn: String(i) } } })
    await lab.patch(`${DEFAULT}/httproutes/web`, { metadata: { annotations: { who: 'cares' } } })
    await settle()
    expect(server.writes).toEqual([])
  })

  test('says a change in one write, with its generation, and keeps when a condition came to be so', async () => {
    const path = `${DEFAULT}/httproutes/web`
    const [before] = await parentsOf(path)
    const { server } = await start()
    await lab.patch(path, { spec: { rules: [{ backendRefs: [{ name: 'reviews', port: 9 }] }] } })
    await expect
      .poll(async () => reasonsOf((await parentsOf(path))[0]?.conditions))
      .toMatchObject({
        ResolvedRefs: 'False BackendNotFound',
      })
    const [now] = await parentsOf(path)
    expect(now?.conditions.map(({ observedGeneration }) => observedGeneration)).toEqual([2, 2])
    expect(now?.conditions[0]?.lastTransitionTime).toBe(before?.conditions[0]?.lastTransitionTime)
    expect(now?.conditions[1]?.message).toContain('Service default/reviews: there is no such Service with port 9')
    await settle()
    expect(server.writes).toEqual([`PATCH ${path}/status`])
  })

  test('keeps what others say, mends what is said in its name, and takes back what is over', async () => {
    const path = `${DEFAULT}/httproutes/web`
    const gatewayPath = `${DEFAULT}/gateways/web`
    const { server } = await start()
    const foreign = { type: 'example.org/Seen', ...others() }
    const theirs = { parentRef: { name: 'other' }, controllerName: 'example.org/other', conditions: [foreign] }
    const ours = (await parentsOf(path)).map((parent) => ({ ...parent, conditions: parent.conditions.slice(1) }))
    await lab.patch(`${path}/status`, { status: { parents: [theirs, ...ours] } })
    await expect.poll(async () => (await parentsOf(path))[1]?.conditions).toHaveLength(2)
    expect((await parentsOf(path))[0]).toMatchObject({ controllerName: 'example.org/other', conditions: [foreign] })

    const { conditions = [] } = await statusOf(gatewayPath)
    await lab.patch(`${gatewayPath}/status`, { status: { conditions: [...conditions.slice(1), foreign] } })
    await expect
      .poll(async () => reasonsOf((await statusOf(gatewayPath)).conditions))
      .toMatchObject({
        Accepted: 'True Accepted',
        'example.org/Seen': 'True Said',
      })
    await lab.patch(path, { spec: { parentRefs: [{ name: 'unknown' }] } })
    await expect.poll(() => parentsOf(path)).toEqual([expect.objectContaining({ controllerName: 'example.org/other' })])
    await settle()
    // One for each of the three; the Gateway's once more, as it lost a route.
    expect(server.writes).toHaveLength(4)
  })

  test('tells what is wrong with objects of Istio, and when it is mended; says nothing of good ones', async () => {
    await lab.must('POST', '/api/v1/namespaces/default/services', service('ratings'))
    await lab.must('POST', VIRTUAL_SERVICES, virtualService('good', 'reviews'))
    await lab.must('POST', VIRTUAL_SERVICES, virtualService('bad', 'nowhere', 'ratings'))
    const { server } = await start()
    const type = 'weft.dev/PassedAnalysis'
    await expect
      .poll(() => conditionOf(`${VIRTUAL_SERVICES}/bad`, type), { timeout: 30_000 })
      .toMatchObject({
        status: 'False',
        reason: 'ErrorsFound',
        message: expect.stringContaining('spec.http[0].route[0].destination.host'),
      })
    await lab.patch(`${VIRTUAL_SERVICES}/bad`, virtualService('bad', 'reviews', 'ratings'))
    await expect
      .poll(() => conditionOf(`${VIRTUAL_SERVICES}/bad`, type), { timeout: 30_000 })
      .toMatchObject({
        status: 'True',
        reason: 'NothingFound',
        observedGeneration: 2,
      })
    await settle()
    expect(server.writes).toEqual([`PATCH ${VIRTUAL_SERVICES}/bad/status`, `PATCH ${VIRTUAL_SERVICES}/bad/status`])
    expect(await statusOf(`${VIRTUAL_SERVICES}/good`)).toEqual({})
  })

  test('tells what proxies refuse, until they do not', async () => {
    await lab.must('POST', '/api/v1/namespaces/default/pods', {
      metadata: { name: 'cart' },
      spec: { containers: [{ name: 'app', image: 'app' }] },
    })
    const { store, rejections } = await start()
    const source = store.snapshot.get('networking.istio.io/VirtualService', 'default/good')
    const resource = { type: 'routes', name: 'reviews', version: 'v1', sources: [source] } as unknown as EncodedResource
    rejections.add({ proxy: 'default/cart', resource, error: 'no such luck' })
    const path = `${VIRTUAL_SERVICES}/good`
    await expect
      .poll(() => conditionOf(path, 'weft.dev/PassedAnalysis'), { timeout: 30_000 })
      .toMatchObject({
        reason: 'ErrorsFound',
        message: expect.stringMatching(/proxy default\/cart refused .* no such luck; .* \[rejected-by-proxy\]/),
      })
    rejections.recovered('default/cart', TYPE_URLS.routes, 'reviews')
    await expect
      .poll(() => conditionOf(path, 'weft.dev/PassedAnalysis'), { timeout: 30_000 })
      .toMatchObject({
        reason: 'NothingFound',
      })
  })

  test('waits for the right to write, and for an API server that is away, and says so once', async () => {
    const { server, logged } = await start('weft')
    await lab.must('POST', `${DEFAULT}/gateways`, gateway('later'))
    await expect.poll(() => logged.join('\n')).toContain('error: cannot write statuses of gateways: ')
    await lab.must('POST', `${DEFAULT}/gateways`, gateway('later-still'))
    await settle()
    // Asked once, not for each object.
    expect(server.writes.length).toBe(1)
    expect(logged.filter((line) => line.includes('cannot write statuses')).length).toBe(1)

    const good = await start()
    await expect.poll(() => conditionOf(`${DEFAULT}/gateways/later`, 'Accepted')).toMatchObject({ status: 'True' })
    await expect.poll(() => good.writer.idle).toBe(true)
    await lab.killApiServer()
    await lab.startApiServer()
    await lab.patch(`${DEFAULT}/gateways/later`, { spec: { listeners: [listener('HTTP', 81)] } })
    await expect
      .poll(() => conditionOf(`${DEFAULT}/gateways/later`, 'Accepted'), { timeout: 20_000 })
      .toMatchObject({ observedGeneration: 2 })
  })
})

interface Status {
  readonly conditions?: readonly Condition[]
  readonly listeners?: readonly {
    readonly name: string
    readonly attachedRoutes: number
    readonly conditions: readonly Condition[]
  }[]
  readonly parents?: readonly { readonly controllerName: string; readonly conditions: readonly Condition[] }[]
}

function others() {
  return { status: 'True', reason: 'Said', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }
}

function gatewayApi(kind: string, name: string) {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name } }
}

function listener(protocol: string, port: number) {
  return { name: 'http', protocol, port, hostname: '*.example.com' }
}

function gateway(name: string) {
  return { ...gatewayApi('Gateway', name), spec: { gatewayClassName: 'weft', listeners: [listener('HTTP', 80)] } }
}

function route(name: string, parent: string, backend: string, spec: object = {}) {
  const rules = [{ backendRefs: [{ name: backend, port: 9080 }] }]
  return { ...gatewayApi('HTTPRoute', name), spec: { parentRefs: [{ name: parent }], rules, ...spec } }
}

function service(name: string) {
  return { metadata: { name }, spec: { selector: { app: name }, ports: [{ name: 'http', port: 9080 }] } }
}

function slice(name: string) {
  const labels = { 'kubernetes.io/service-name': name }
  const endpoints = [{ addresses: ['10.0.0.9'], conditions: { ready: true } }]
  return { metadata: { name, labels }, addressType: 'IPv4', ports: [{ name: 'http', port: 9080 }], endpoints }
}

function virtualService(name: string, host: string, of = 'reviews') {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name },
    spec: { hosts: [of], http: [{ route: [{ destination: { host } }] }] },
  }
}
