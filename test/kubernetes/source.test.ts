import { isIPv4, isIPv6 } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { endpointSets } from '../../src/mesh/endpoints.ts'
import { services } from '../../src/mesh/services.ts'
import { workloads } from '../../src/mesh/workloads.ts'
import type { KindId, KindTypes } from '../../src/resources/kinds.ts'
import { ApiServer } from '../../src/sources/kubernetes/api-server.ts'
import { KubernetesSource } from '../../src/sources/kubernetes/kubernetes-source.ts'
import { derivations } from '../../src/store/derive.ts'
import type { Snapshot } from '../../src/store/snapshot.ts'
import { Store } from '../../src/store/store.ts'
import { proxyResources } from '../../src/translate/proxy-resources.ts'
import { ShownFields } from '../translate/shown-fields.ts'
import { ApiServerLab, DEFINITIONS, noLab } from './api-server-lab.ts'

if (noLab) console.warn(`skipping the Kubernetes source's tests: ${noLab}`)

const VIRTUAL_SERVICES = '/apis/networking.istio.io/v1/namespaces/default/virtualservices'
const ROOT = '/api/v1/namespaces/istio-system'

describe.skipIf(noLab)('the Kubernetes source', () => {
  let lab: ApiServerLab
  let started: Started[] = []

  beforeAll(async () => {
    lab = await ApiServerLab.start()
    await lab.installDefinitions((name) => name !== 'virtualservices.networking.istio.io')
    await lab.must('POST', '/api/v1/namespaces', { metadata: { name: 'istio-system' } })
  })
  afterAll(() => lab?.close())
  afterEach(() => {
    for (const { source } of started) source.close()
    started = []
  })

  /** A source that has delivered its first state. */
  async function start(user: 'admin' | 'weft' = 'admin', watchSeconds?: number): Promise<Started> {
    const one = startSource(lab.kubeconfig(user), watchSeconds)
    started.push(one)
    await one.store.synced()
    return one
  }

  test('brings what is there, and follows what is made, changed and removed', async () => {
    await lab.must('POST', '/api/v1/namespaces/default/services', service('reviews'))
    const { store, until } = await start()
    const found = store.snapshot.get('core/Service', 'default/reviews')
    expect(found?.spec?.ports?.[0]?.port).toBe(9080)
    expect(store.snapshot.get('core/Namespace', 'default')).toBeDefined()

    await lab.must('POST', '/api/v1/namespaces/default/services', service('ratings'))
    await until('core/Service', 'default/ratings', (object) => object !== undefined)
    await lab.patch('/api/v1/namespaces/default/services/ratings', { metadata: { labels: { app: 'ratings' } } })
    await until('core/Service', 'default/ratings', (object) => object?.metadata.labels?.['app'] === 'ratings')
    await lab.must('DELETE', '/api/v1/namespaces/default/services/ratings')
    await until('core/Service', 'default/ratings', (object) => object === undefined)
    // What did not change is the same object.
    expect(store.snapshot.get('core/Service', 'default/reviews')).toBe(found)
  })

  test('takes up kinds that are installed later, and lets go of those that are removed', async () => {
    const { store, source, until } = await start()
    const status = () => source.status().watches.find(({ kind }) => kind === 'networking.istio.io/VirtualService')
    expect(status()?.phase).toBe('not installed')

    await lab.installDefinitions((name) => name === 'virtualservices.networking.istio.io')
    await expect.poll(() => status()?.phase, { timeout: 20_000 }).toBe('watching')
    await lab.must('POST', VIRTUAL_SERVICES, virtualService('late'))
    await until('networking.istio.io/VirtualService', 'default/late', (object) => object !== undefined)
    expect(status()).toMatchObject({ version: 'v1', objects: 1 })

    await lab.must('DELETE', `${DEFINITIONS}/virtualservices.networking.istio.io`)
    await until('networking.istio.io/VirtualService', 'default/late', (object) => object === undefined)
    await expect.poll(() => status()?.phase, { timeout: 20_000 }).toBe('not installed')
    expect(store.unsynced).toEqual([])
    expect(source.status().healthy).toBe(true)
  })

  test('reads the version that it knows best of those that are served: an older one, or one beside newer ones', async () => {
    const name = 'virtualservices.networking.istio.io'
    await lab.installDefinitions((each) => each === name)
    const { store, source, until } = await start()
    const status = () => source.status().watches.find(({ kind }) => kind === 'networking.istio.io/VirtualService')
    await expect.poll(() => status(), { timeout: 30_000 }).toMatchObject({ phase: 'watching', version: 'v1' })
    await lab.must('POST', VIRTUAL_SERVICES, virtualService('versions'))
    await until('networking.istio.io/VirtualService', 'default/versions', (object) => object !== undefined)

    const { spec } = (await lab.must('GET', `${DEFINITIONS}/${name}`)) as { spec: { versions: DefinedVersion[] } }
    const serve = (...served: readonly string[]) => {
      const newer = { ...(spec.versions[0] as DefinedVersion), name: 'v9', storage: false }
      const versions = [...spec.versions, newer].map((each) => ({ ...each, served: served.includes(each.name) }))
      return lab.patch(`${DEFINITIONS}/${name}`, { spec: { versions } })
    }
    const older = VIRTUAL_SERVICES.replace('/v1/', '/v1beta1/')
    await serve('v1beta1')
    await expect.poll(() => status(), { timeout: 60_000 }).toMatchObject({ phase: 'watching', version: 'v1beta1' })
    await lab.must('POST', older, { ...virtualService('older'), apiVersion: 'networking.istio.io/v1beta1' })
    await until('networking.istio.io/VirtualService', 'default/older', (object) => object !== undefined)
    // One that it does not know: what it has stays.
    await serve('v9')
    await expect.poll(() => status(), { timeout: 60_000 }).not.toMatchObject({ phase: 'watching' })
    expect(store.snapshot.get('networking.istio.io/VirtualService', 'default/older')).toBeDefined()
    expect(source.status().healthy).toBe(false)
    await serve('v1', 'v9')
    await expect
      .poll(() => status(), { timeout: 60_000 })
      .toMatchObject({ phase: 'watching', version: 'v1', objects: 2 })
    await lab.must('DELETE', `${DEFINITIONS}/${name}`)
    await until('networking.istio.io/VirtualService', 'default/older', (object) => object === undefined)
  }, 240_000)

  test('brings Services, slices and pods of both families of addresses', async () => {
    const labels = { app: 'both', 'security.istio.io/tlsMode': 'istio' }
    await lab.must('POST', '/api/v1/namespaces/default/services', {
      metadata: { name: 'both' },
      spec: {
        ipFamilyPolicy: 'RequireDualStack',
        ipFamilies: ['IPv6', 'IPv4'],
        selector: { app: 'both' },
        ports: [{ name: 'tcp', port: 5432 }],
      },
    })
    const spec = { serviceAccountName: 'default', containers: [{ name: 'app', image: 'app' }] }
    await lab.must('POST', '/api/v1/namespaces/default/pods', { metadata: { name: 'both', labels }, spec })
    const podIPs = [{ ip: '10.1.2.9' }, { ip: 'fd00:1::9' }]
    await lab.patch('/api/v1/namespaces/default/pods/both/status', {
      status: { phase: 'Running', podIP: '10.1.2.9', podIPs },
    })
    for (const [addressType, address] of [
      ['IPv4', '10.1.2.9'],
      ['IPv6', 'fd00:1::9'],
    ] as const)
      await lab.must('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
        metadata: { name: `both-${addressType.toLowerCase()}`, labels: { 'kubernetes.io/service-name': 'both' } },
        addressType,
        ports: [{ name: 'tcp', port: 5432 }],
        endpoints: [{ addresses: [address], targetRef: { kind: 'Pod', namespace: 'default', name: 'both' } }],
      })
    const { store, until } = await start()
    await until('core/Pod', 'default/both', (object) => object?.status?.podIPs?.length === 2)
    const host = 'both.default.svc.cluster.local'
    const [ipv6 = '', ipv4 = ''] = services(store.snapshot).get(host)?.addresses ?? []
    expect([isIPv6(ipv6), isIPv4(ipv4)]).toEqual([true, true])
    expect(endpointSets(store.snapshot).get(host)?.endpoints).toMatchObject([
      { address: 'fd00:1::9', otherAddress: '10.1.2.9', workload: 'default/both' },
    ])
    const { listener = [] } = proxyResources(store.snapshot, 'default/both') ?? {}
    const names = listener.flatMap((layer) => [...layer.keys()])
    expect(names).toEqual(expect.arrayContaining([`${ipv4}_5432`, `${ipv6}_5432`]))
  })

  test('derives nothing from an update of what nobody reads', async () => {
    await lab.must('POST', '/api/v1/nodes', {
      metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'a' } },
    })
    await lab.must('POST', '/api/v1/namespaces/default/pods', pod('quiet'))
    await lab.patch('/api/v1/namespaces/default/pods/quiet/status', { status: { phase: 'Running', podIP: '10.1.2.3' } })
    const { store, until } = await start()
    await until('core/Pod', 'default/quiet', (object) => object?.status?.podIP === '10.1.2.3')
    const look = () => [workloads(store.snapshot), endpointSets(store.snapshot)]
    look()
    const before = store.snapshot
    const counted = new Map(derivations)
    await lab.patch('/api/v1/namespaces/default/pods/quiet/status', {
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    })
    await lab.patch('/api/v1/nodes/node-1/status', { status: { allocatable: { cpu: '3' } } })
    await lab.patch('/api/v1/namespaces/default', {
      metadata: { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' } },
    })
    // What comes last has come after them, on watches of their own kinds.
    await lab.patch('/api/v1/namespaces/default/pods/quiet', { metadata: { labels: { seen: 'yes' } } })
    await until('core/Pod', 'default/quiet', (object) => object?.metadata.labels?.['seen'] === 'yes')
    await lab.patch('/api/v1/nodes/node-1', { metadata: { labels: { seen: 'yes' } } })
    await until('core/Node', 'node-1', (object) => object?.metadata.labels?.['seen'] === 'yes')
    look()
    expect(store.snapshot.all('core/Namespace')).toBe(before.all('core/Namespace'))
    // One derivation each for the labels of the pod and of the node, whose zone is the same.
    expect(differences(counted)['mesh/workloads']).toBe(1)
    expect(differences(counted)['mesh/localities']).toBe(1)
    expect(differences(counted)['mesh/endpoints'] ?? 0).toBe(0)
  })

  test('keeps passwords out: of Secrets only certificates, of ConfigMaps only roots and the mesh config', async () => {
    const secrets = '/api/v1/namespaces/default/secrets'
    const data = { 'tls.crt': 'YQ==', 'tls.key': 'Yg==', password: 'Yw==' }
    await lab.must('POST', secrets, { metadata: { name: 'certificate' }, type: 'Opaque', data })
    await lab.must('POST', secrets, { metadata: { name: 'password' }, type: 'Opaque', data: { password: 'Yw==' } })
    await lab.must('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'app' }, data: { a: 'b' } })
    await lab.must('POST', '/api/v1/namespaces/default/configmaps', {
      metadata: { name: 'root' },
      data: { 'ca.crt': 'x', a: 'b' },
    })
    const { store } = await start()
    expect(store.snapshot.get('core/Secret', 'default/certificate')?.data).toEqual({
      'tls.crt': 'YQ==',
      'tls.key': 'Yg==',
    })
    expect([...store.snapshot.all('core/Secret').keys()]).not.toContain('default/password')
    expect([...store.snapshot.all('core/ConfigMap').keys()]).not.toContain('default/app')
    expect(store.snapshot.get('core/ConfigMap', 'default/root')?.data).toEqual({ 'ca.crt': 'x' })
  })

  test('looks at the namespaces that discoverySelectors name, as these and the labels change', async () => {
    await lab.must('POST', '/api/v1/namespaces', { metadata: { name: 'inside', labels: { mesh: 'yes' } } })
    await lab.must('POST', '/api/v1/namespaces', { metadata: { name: 'outside' } })
    for (const namespace of ['inside', 'outside'])
      await lab.must('POST', `/api/v1/namespaces/${namespace}/services`, service('one'))
    const mesh = 'discoverySelectors:\n- matchLabels:\n    mesh: "yes"\n'
    const fields = new ShownFields()
    fields.appliedSettings(Object.keys(parse(mesh)))
    fields.shows('MeshConfig', 'discoverySelectors')
    fields.check()
    await lab.must('POST', `${ROOT}/configmaps`, { metadata: { name: 'istio' }, data: { mesh } })
    const { store, until, logged } = await start()
    expect(store.snapshot.get('core/Service', 'inside/one')).toBeDefined()
    expect(store.snapshot.get('core/Service', 'outside/one')).toBeUndefined()

    await lab.patch('/api/v1/namespaces/outside', { metadata: { labels: { mesh: 'yes' } } })
    await until('core/Service', 'outside/one', (object) => object !== undefined)
    await lab.patch('/api/v1/namespaces/inside', { metadata: { labels: { mesh: 'no' } } })
    await until('core/Service', 'inside/one', (object) => object === undefined)
    // A mesh config that can't be read changes nothing.
    await lab.patch(`${ROOT}/configmaps/istio`, { data: { mesh: 'discoverySelectors: {' } })
    await expect.poll(() => logged.join('\n')).toContain('ConfigMap istio-system/istio: key mesh')
    expect(store.snapshot.get('core/Service', 'inside/one')).toBeUndefined()
    await lab.must('DELETE', `${ROOT}/configmaps/istio`)
    await until('core/Service', 'inside/one', (object) => object !== undefined)
  })

  test('keeps what it has when it may not look any more, says so, and goes on when it may', async () => {
    const RBAC = '/apis/rbac.authorization.k8s.io/v1'
    const rules = [{ apiGroups: ['*'], resources: ['*'], verbs: ['list', 'watch', 'get'] }]
    await lab.must('POST', `${RBAC}/clusterroles`, { metadata: { name: 'weft' }, rules })
    const subjects = [{ kind: 'User', name: 'weft', apiGroup: 'rbac.authorization.k8s.io' }]
    const roleRef = { kind: 'ClusterRole', name: 'weft', apiGroup: 'rbac.authorization.k8s.io' }
    await lab.must('POST', `${RBAC}/clusterrolebindings`, { metadata: { name: 'weft' }, subjects, roleRef })
    await lab.must('POST', '/api/v1/namespaces/default/services', service('kept'))
    // The role is known to the authorizer a moment later.
    const { store, source, until, logged } = await start('weft', 1)
    const noServices = [
      {
        apiGroups: ['*'],
        resources: ['pods', 'namespaces', 'customresourcedefinitions'],
        verbs: ['list', 'watch', 'get'],
      },
    ]
    await lab.patch(`${RBAC}/clusterroles/weft`, { rules: noServices })
    const ofServices = () => source.status().watches.find(({ kind }) => kind === 'core/Service')
    await expect.poll(() => ofServices(), { timeout: 20_000 }).toMatchObject({ phase: 'failing' })
    expect(ofServices()?.problem).toContain('is forbidden: User "weft" cannot')
    expect(source.status().healthy).toBe(false)
    expect(store.snapshot.get('core/Service', 'default/kept')).toBeDefined()
    expect(logged.filter((line) => line.startsWith('error: cannot watch Service:')).length).toBe(1)

    await lab.must('DELETE', '/api/v1/namespaces/default/services/kept')
    await lab.patch(`${RBAC}/clusterroles/weft`, { rules })
    await until('core/Service', 'default/kept', (object) => object === undefined)
    await expect.poll(() => source.status().healthy, { timeout: 20_000 }).toBe(true)
    expect(logged).toContain('info: watching Service again')
  })

  test('outlives its API server, and finds what happened meanwhile', async () => {
    await lab.must('POST', '/api/v1/namespaces/default/services', service('stays'))
    await lab.must('POST', '/api/v1/namespaces/default/services', service('goes'))
    const { store, source, until, logged } = await start()
    const stays = store.snapshot.get('core/Service', 'default/stays')
    await lab.killApiServer()
    await expect.poll(() => source.status().healthy, { timeout: 30_000 }).toBe(false)
    // No event will ever tell of this.
    await lab.removeFromDatabase('services/specs/default/goes')
    expect(store.snapshot.get('core/Service', 'default/goes')).toBeDefined()
    await lab.startApiServer()
    await lab.must('POST', '/api/v1/namespaces/default/services', service('comes'))
    await until('core/Service', 'default/goes', (object) => object === undefined)
    await until('core/Service', 'default/comes', (object) => object !== undefined)
    expect(store.snapshot.get('core/Service', 'default/stays')).toBe(stays)
    await expect.poll(() => source.status().healthy, { timeout: 20_000 }).toBe(true)
    // Thirty watches, and a few lines: it went, and while it starts it refuses in words of its own.
    const errors = logged.filter((line) => line.startsWith('error:'))
    expect(errors[0]).toMatch(/the API server https:\S+ fails: /)
    expect(errors.length, logged.join('\n')).toBeLessThan(6)
    expect(logged.at(-1)).toMatch(/answers again, after/)
  })
})

interface DefinedVersion {
  readonly name: string
  readonly served: boolean
  readonly storage: boolean
}

interface Started {
  readonly store: Store
  readonly source: KubernetesSource
  readonly logged: readonly string[]
  /** Resolves once the object is as it should be. */
  readonly until: <K extends KindId>(
    kind: K,
    key: string,
    isRight: (object: KindTypes[K] | undefined) => boolean,
  ) => Promise<void>
}

function startSource(kubeconfig: string, watchSeconds?: number): Started {
  const store = new Store()
  const logged: string[] = []
  const log = (severity: string, text: string) => logged.push(`${severity}: ${text}`)
  const server = new ApiServer({ kubeconfig })
  const source = new KubernetesSource({ server, store, log, ...(watchSeconds === undefined ? {} : { watchSeconds }) })
  source.start()
  return {
    store,
    source,
    logged,
    until: (kind, key, isRight) =>
      new Promise((resolve) => {
        const look = (now: Snapshot) => {
          if (!isRight(now.get(kind, key))) return
          end()
          resolve()
        }
        const end = store.subscribe(look)
        look(store.snapshot)
      }),
  }
}

function differences(before: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...derivations].map(([name, count]) => [name, count - (before.get(name) ?? 0)]))
}

function service(name: string) {
  return { metadata: { name }, spec: { selector: { app: name }, ports: [{ name: 'http', port: 9080 }] } }
}

function pod(name: string) {
  const labels = { app: name, 'security.istio.io/tlsMode': 'istio' }
  return { metadata: { name, labels }, spec: { containers: [{ name: 'app', image: 'app' }] } }
}

function virtualService(name: string) {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name },
    spec: { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews' } }] }] },
  }
}
