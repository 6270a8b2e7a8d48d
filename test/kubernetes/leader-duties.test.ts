import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { clusterRegistry } from '../../src/agent/workload-group/cluster-registry.ts'
import { runMembership } from '../../src/agent/workload-group/membership.ts'
import { removeGoneMembers } from '../../src/controllers/gone-members.ts'
import { keepRootCertificates } from '../../src/controllers/root-certificates.ts'
import { keepWebhookBundles } from '../../src/controllers/webhook-bundles.ts'
import type { WorkloadGroup } from '../../src/resources/istio.ts'
import { type ApiRequest, ApiServer } from '../../src/sources/kubernetes/api-server.ts'
import { KubernetesSource } from '../../src/sources/kubernetes/kubernetes-source.ts'
import { Store } from '../../src/store/store.ts'
import { ApiServerLab, noLab } from './api-server-lab.ts'

if (noLab) console.warn(`skipping the tests of what the leader keeps: ${noLab}`)

const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'
const rootsIn = (namespace: string) => `/api/v1/namespaces/${namespace}/configmaps/weft-ca-root-cert`

class CountingServer extends ApiServer {
  writes = 0

  override send(request: ApiRequest): Promise<unknown> {
    if (request.method !== 'GET') this.writes++
    return super.send(request)
  }
}

describe.skipIf(noLab)('the leader keeps', () => {
  let lab: ApiServerLab
  let endings: (() => void)[] = []

  beforeAll(async () => {
    lab = await ApiServerLab.start()
  })
  afterAll(() => lab?.close())
  afterEach(() => {
    for (const end of endings) end()
    endings = []
  })

  const dataOf = async (namespace: string) => {
    const { body } = await lab.request('GET', rootsIn(namespace))
    return (body as { data?: Record<string, string> }).data?.['root-cert.pem']
  }

  test('the roots in every namespace: new ones, edited, deleted, and after a rotation', async () => {
    await lab.must('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } })
    const server = new CountingServer({ kubeconfig: lab.kubeconfig('admin') })
    const store = new Store()
    const logged: string[] = []
    const log = (severity: string, text: string) => logged.push(`${severity}: ${text}`)
    const source = new KubernetesSource({ server, store, log })
    source.start()
    await store.synced()
    let roots = 'first'
    const ending = new AbortController()
    keepRootCertificates({ server, store, roots: () => roots, log, lookEveryMs: 300 }, ending.signal)
    endings.push(() => {
      ending.abort()
      source.close()
    })
    await expect.poll(() => dataOf('shop')).toBe('first')
    await expect.poll(() => dataOf('kube-system')).toBe('first')
    const namespaces = store.snapshot.all('core/Namespace').size
    await expect.poll(() => server.writes).toBe(namespaces)

    await lab.must('POST', '/api/v1/namespaces', { metadata: { name: 'late' } })
    await expect.poll(() => dataOf('late')).toBe('first')
    await lab.patch(rootsIn('shop'), { data: { 'root-cert.pem': 'forged' } })
    await expect.poll(() => dataOf('shop')).toBe('first')
    await lab.must('DELETE', rootsIn('shop'))
    await expect.poll(() => dataOf('shop')).toBe('first')
    // What others write elsewhere is none of our business.
    await lab.must('POST', '/api/v1/namespaces/shop/configmaps', { metadata: { name: 'app' }, data: { 'ca.crt': 'x' } })
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(server.writes).toBeLessThanOrEqual(namespaces + 5)
    roots = 'second'
    await expect.poll(() => dataOf('shop'), { timeout: 30_000 }).toBe('second')
    await expect.poll(() => dataOf('late'), { timeout: 30_000 }).toBe('second')
    expect(logged.filter((line) => !line.startsWith('info'))).toEqual([])
  })

  test('members of WorkloadGroups, as long as their hosts tell of them', async () => {
    const kind = '/apis/networking.istio.io/v1/namespaces/hosts'
    await lab.installDefinitions()
    await lab.must('POST', '/api/v1/namespaces', { metadata: { name: 'hosts' } })
    const group = (await lab.must('POST', `${kind}/workloadgroups`, {
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadGroup',
      metadata: { name: 'vm' },
      spec: { template: { labels: { app: 'vm' } }, probe: { periodSeconds: 1, exec: { command: ['true'] } } },
    })) as WorkloadGroup
    const server = new ApiServer({ kubeconfig: lab.kubeconfig('admin') })
    const store = new Store()
    const source = new KubernetesSource({ server, store, log: () => {} })
    source.start()
    await store.synced()
    const [leading, host] = [new AbortController(), new AbortController()]
    removeGoneMembers({ server, store, log: () => {}, lookEveryMs: 300, silenceMs: 5000 }, leading.signal)
    endings.push(() => {
      leading.abort()
      host.abort()
      source.close()
    })
    // It goes without a word.
    const registry = { ...clusterRegistry(server), remove: async () => {} }
    const member = { group, registry, address: '10.9.8.7', log: () => {}, tellEveryMs: 500 }
    const gone = runMembership(member, host.signal)
    const known = () => store.snapshot.get('networking.istio.io/WorkloadEntry', 'hosts/vm-10-9-8-7')
    await expect
      .poll(() => known()?.status?.conditions?.[0], { timeout: 30_000 })
      .toEqual({ type: 'Healthy', status: 'True' })
    expect(known()).toMatchObject({
      metadata: { ownerReferences: [{ kind: 'WorkloadGroup', name: 'vm' }] },
      spec: { address: '10.9.8.7', labels: { app: 'vm' } },
    })
    host.abort()
    await gone
    expect(known()).toBeDefined()
    await expect.poll(() => known(), { timeout: 30_000 }).toBeUndefined()
  }, 90_000)

  test('the caBundle of our own webhooks, and of no others', async () => {
    const webhook = (name: string, namespace: string) => ({
      name,
      clientConfig: { service: { name: 'weft-server', namespace, path: '/validate', port: 443 } },
      rules: [{ apiGroups: ['x.y'], apiVersions: ['*'], operations: ['CREATE'], resources: ['*'] }],
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      failurePolicy: 'Ignore',
    })
    const metadata = { name: 'weft-validator' }
    await lab.must('POST', WEBHOOKS, {
      metadata,
      webhooks: [webhook('a.weft.dev', 'weft-system'), webhook('b.weft.dev', 'elsewhere')],
    })
    const server = new CountingServer({ kubeconfig: lab.kubeconfig('admin') })
    let roots = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    const ending = new AbortController()
    endings.push(() => ending.abort())
    const log = () => {}
    void keepWebhookBundles(
      { server, namespace: 'weft-system', roots: () => roots, log, lookEveryMs: 100 },
      ending.signal,
    )
    const bundles = async () => {
      const { webhooks } = (await lab.must('GET', `${WEBHOOKS}/weft-validator`)) as {
        webhooks: { clientConfig: { caBundle?: string } }[]
      }
      return webhooks.map(({ clientConfig: { caBundle } }) => caBundle && Buffer.from(caBundle, 'base64').toString())
    }
    await expect.poll(bundles).toEqual([roots, undefined])
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(server.writes).toBe(1)
    roots = roots.replace('AAAA', 'BBBB')
    await expect.poll(bundles).toEqual([roots, undefined])
    // Somebody installs again.
    await lab.patch(`${WEBHOOKS}/weft-validator`, { webhooks: [webhook('a.weft.dev', 'weft-system')] })
    await expect.poll(bundles).toEqual([roots])
    expect(server.writes).toBe(3)
  })
})
