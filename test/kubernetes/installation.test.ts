// Installing and removing on a real API server; its nodes and controllers are played by the test.
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { nameOf, objectsOf } from '../../src/adoption/estate/estate.ts'
import { estateOfCluster } from '../../src/adoption/estate/of-cluster.ts'
import { install, type Written } from '../../src/install/apply.ts'
import { precheck } from '../../src/install/precheck.ts'
import { type Profile, settingValues } from '../../src/install/settings.ts'
import type { Values } from '../../src/install/template.ts'
import { removal, uninstall } from '../../src/install/uninstall.ts'
import { ApiServer } from '../../src/sources/kubernetes/api-server.ts'
import { applyObject, createObject, listLive } from '../../src/sources/kubernetes/write.ts'
import { ApiServerLab, DEFINITIONS, noLab } from './api-server-lab.ts'

if (noLab) console.warn(`skipping the tests of installations: ${noLab}`)

const SYSTEM = 'weft-system'

/**
 * How long the definitions of kinds may take to go, in ms. While the API server makes its storage of a kind anew ("storage is (re)initializing"), which takes longer on a busy machine, it cannot empty
 * it, and tries again after twice as long each time, up to minutes.
 */
const DEFINITIONS_GO_MS = 180_000

describe.skipIf(noLab)('an installation', () => {
  let lab: ApiServerLab
  let server: ApiServer
  let pretending: AbortController
  let pretended: Promise<void>
  /** Whether pods get ready. */
  let healthy: boolean

  beforeAll(async () => {
    lab = await ApiServerLab.start()
    server = new ApiServer({ kubeconfig: lab.kubeconfig('admin') })
  })
  afterAll(() => lab?.close())

  beforeEach(() => {
    healthy = true
    pretending = new AbortController()
    pretended = pretend(pretending.signal)
  })
  afterEach(async () => {
    pretending.abort()
    await pretended
    for (const definition of await listLive(server, DEFINITION))
      await lab.request('DELETE', `${DEFINITIONS}/${definition.metadata.name}`)
    await lab.request('DELETE', `${RBAC}/clusterrolebindings/weft-server`)
  })

  /** What nodes, controllers and the server do to our objects. */
  async function pretend(signal: AbortSignal): Promise<void> {
    const apps = `/apis/apps/v1/namespaces/${SYSTEM}`
    const status = (path: string, value: object) =>
      lab.request('PATCH', `${path}/status`, { status: value }, 'application/merge-patch+json')
    const observedGeneration = 1000
    while (!signal.aborted) {
      if (healthy) {
        const counts = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 }
        await status(`${apps}/deployments/weft-server`, { observedGeneration, ...counts })
        await status(`${apps}/statefulsets/weft-server`, { observedGeneration, ...counts })
        const zero = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 }
        await status(`${apps}/daemonsets/weft-agent`, { observedGeneration, ...zero })
      }
      for (const [kind, name] of [
        ['mutating', 'weft-injector'],
        ['validating', 'weft-validator'],
      ]) {
        const path = `/apis/admissionregistration.k8s.io/v1/${kind}webhookconfigurations/${name}`
        const { status: code, body } = await lab.request('GET', path)
        const { webhooks = [] } = body as { webhooks?: { clientConfig: { caBundle?: string } }[] }
        if (code !== 200 || webhooks.every(({ clientConfig }) => clientConfig.caBundle)) continue
        const filled = webhooks.map((one) => ({ ...one, clientConfig: { ...one.clientConfig, caBundle: CA } }))
        await lab.patch(path, { webhooks: filled })
      }
      await finalizeNamespace()
      await after(20)
    }
  }

  /** There is no controller that empties namespaces. */
  async function finalizeNamespace(): Promise<void> {
    const { status, body } = await lab.request('GET', `/api/v1/namespaces/${SYSTEM}`)
    const namespace = body as { metadata: { deletionTimestamp?: string } }
    if (status !== 200 || namespace.metadata.deletionTimestamp === undefined) return
    await lab.request('PUT', `/api/v1/namespaces/${SYSTEM}/finalize`, { ...namespace, spec: { finalizers: [] } })
  }

  const withoutDefinitions = { 'crds.istio': false, 'crds.gatewayApi': false, 'crds.weft': false, gatewayClass: false }
  const installed = (profile: Profile, set: Values = withoutDefinitions, namespace = SYSTEM): Promise<Written> =>
    install(server, {
      values: settingValues({ profile, namespace, set }),
      timeoutMs: healthy ? 60_000 : 500,
      progress: { begin: () => {}, state: () => {}, end: () => {} },
    })
  const removed = async (purge: boolean) =>
    uninstall(server, await removal(server, SYSTEM), {
      purge,
      timeoutMs: DEFINITIONS_GO_MS,
      progress: { step: () => {} },
    })

  test(
    'is made once, changes nothing the second time, and goes without a trace',
    async () => {
      const before = await everything()
      const first = await installed('default', { 'crds.istio': false, 'crds.weft': false })
      // Gateway API has ten kinds.
      expect(first).toEqual({ created: 25, changed: 0, unchanged: 0, removed: 0 })
      expect(await installed('default', { 'crds.istio': false, 'crds.weft': false })).toEqual({
        created: 0,
        changed: 0,
        unchanged: 25,
        removed: 0,
      })
      await createObject(server, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'weft-ca-root-cert', namespace: 'default' },
      })
      // As the server makes it for a Gateway; of another mesh's it is none of our business.
      for (const gatewayClass of ['weft', 'istio'])
        await createObject(server, {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: {
            name: `web-${gatewayClass}`,
            namespace: 'default',
            labels: { 'gateway.networking.k8s.io/gateway-class-name': gatewayClass },
          },
        })
      await removed(false)
      expect(await everything()).toContain('ServiceAccount default/web-weft')
      await removed(true)
      expect(await everything()).toContain('ServiceAccount default/web-istio')
      await lab.must('DELETE', '/api/v1/namespaces/default/serviceaccounts/web-istio')
      // A namespace takes what is in it along, which is a controller's work that nobody does here.
      const left = (await everything()).filter((name) => !name.includes(` ${SYSTEM}/`))
      expect(left).toEqual(before)
      // Definitions go in their own time.
    },
    2 * DEFINITIONS_GO_MS,
  )

  test('of production that becomes a default one loses what only production has', async () => {
    const production = await installed('production')
    expect(await installed('production')).toMatchObject({ created: 0, changed: 0, removed: 0 })
    await expect(installed('production', { ...withoutDefinitions, 'server.storageSize': '3Gi' })).rejects.toThrow(
      /^server.storageSize is 3Gi, but the volumes of the servers in weft-system were made with 2Gi, which Kubernetes does not change; leave it/,
    )
    const normal = await installed('default')
    // Servers with volumes are a StatefulSet, those without a Deployment.
    expect(normal.removed).toBe(4)
    expect(normal.created).toBe(1)
    expect(normal.unchanged + normal.changed).toBe(production.created - 4)
    await removed(false)
  })

  test('keeps its caBundle when it is installed again with other settings', async () => {
    await installed('default')
    await installed('default', { ...withoutDefinitions, revision: 'canary' })
    const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/weft-injector'
    const { webhooks } = (await lab.must('GET', path)) as { webhooks: { clientConfig: { caBundle?: string } }[] }
    expect(webhooks.map(({ clientConfig }) => clientConfig.caBundle)).toEqual([CA, CA])
    await removed(false)
  })

  test('is one in a cluster, and of whom made it', async () => {
    await installed('minimal')
    await expect(installed('minimal', withoutDefinitions, 'other')).rejects.toThrow(
      'Weft is in this cluster already, in namespace weft-system, and there can be only one; change that one with -n weft-system',
    )
    await expect(removal(server, 'other')).rejects.toThrow(
      'Weft is not in other, but in weft-system; add -n weft-system',
    )
    await lab.patch(`${RBAC}/clusterrolebindings/weft-server`, {
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'Helm' } },
    })
    await expect(installed('minimal')).rejects.toThrow('was made by Helm; change it with helm upgrade')
    await expect(removal(server, SYSTEM)).rejects.toThrow('was made by Helm; remove it with helm uninstall')
    await lab.patch(`${RBAC}/clusterrolebindings/weft-server`, {
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'weft-install' } },
    })
    await removed(false)
  })

  test(
    'uses definitions that are there as they are',
    async () => {
      await lab.installDefinitions((name) => name === 'httproutes.gateway.networking.k8s.io')
      const { items: before } = (await lab.must('GET', DEFINITIONS)) as { items: { spec: unknown }[] }
      await installed('minimal', { 'crds.istio': false, 'crds.weft': false, gatewayClass: false })
      const { items } = (await lab.must('GET', DEFINITIONS)) as { items: { spec: unknown }[] }
      expect(items.map(({ spec }) => spec)).toEqual(before.map(({ spec }) => spec))
      await removed(true)
      expect((await listLive(server, DEFINITION)).map(({ metadata }) => metadata.name)).toEqual([
        'httproutes.gateway.networking.k8s.io',
      ])
    },
    2 * DEFINITIONS_GO_MS,
  )

  test(
    "brings Weft's own kinds, and adoption sees what there is, and what it may not see",
    async () => {
      await installed('minimal', { 'crds.istio': false, 'crds.gatewayApi': false, gatewayClass: false })
      const application = (name: string, spec: object) => ({
        apiVersion: 'adoption.weft.dev/v1alpha1',
        kind: 'Application',
        metadata: { name, namespace: 'default' },
        spec,
      })
      const made = (object: ReturnType<typeof application>) =>
        createObject(server, object).then(
          () => 'made',
          (error: Error) => error.message,
        )
      const spec = {
        workloads: [{ name: 'cart' }, { kind: 'StatefulSet', name: 'cart-db' }],
        owner: { team: 'checkout' },
        criticality: 'high',
        requirements: { latency: { p99: '50ms' } },
        dependencies: { applications: [{ name: 'stock' }], external: [{ host: 'api.example.com', port: 443 }] },
      }
      // The definition is served a moment after it is there.
      await expect.poll(() => made(application('cart', spec))).toBe('made')
      expect(await made(application('till', { ...spec, criticality: 'hgh' }))).toContain('spec.criticality')
      expect(await made(application('till', { ...spec, workloads: [] }))).toContain('spec.workloads')

      const seen = await estateOfCluster(server)
      expect(seen).toMatchObject({ live: true, unread: [] })
      expect(objectsOf(seen, 'Application').map(nameOf)).toEqual(['Application default/cart'])
      expect(seen.groups).toContain('adoption.weft.dev')
      // Who may not list a kind learns nothing of it, rather than that there is none.
      const asWeft = await estateOfCluster(new ApiServer({ kubeconfig: lab.kubeconfig('weft') }))
      expect(asWeft.unread.map(({ kind }) => kind)).toEqual(
        expect.arrayContaining(['Deployment', 'PodDisruptionBudget']),
      )
      await removed(true)
    },
    2 * DEFINITIONS_GO_MS,
  )

  test('that does not come up says why', async () => {
    healthy = false
    await applyObject(server, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: SYSTEM } })
    const labels = { 'app.kubernetes.io/name': 'weft-server' }
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'weft-server-0', namespace: SYSTEM, labels } }
    await createObject(server, { ...pod, spec: { containers: [{ name: 'server', image: 'weft' }] } })
    const state = { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "weft"' } }
    await lab.must(
      'PATCH',
      `/api/v1/namespaces/${SYSTEM}/pods/weft-server-0/status`,
      {
        status: {
          containerStatuses: [{ name: 'server', image: '', imageID: '', ready: false, restartCount: 0, state }],
        },
      },
      'application/merge-patch+json',
    )
    await expect(installed('minimal')).rejects.toThrow(
      /^Deployment weft-system\/weft-server has 0 of 1 pods ready after .* s: ImagePullBackOff: Back-off pulling image "weft"; look with: kubectl/,
    )
    await lab.must('DELETE', `/api/v1/namespaces/${SYSTEM}/pods/weft-server-0?gracePeriodSeconds=0`)
    await removed(false)
  })

  describe('weft precheck', () => {
    const found = async (subject: string, as = server, profile: Profile = 'default') => {
      const findings = await precheck(as, settingValues({ profile, namespace: SYSTEM }))
      return findings.filter((finding) => finding.subject === subject)
    }

    test('says what is missing to somebody who may do nothing', async () => {
      const asWeft = new ApiServer({ kubeconfig: lab.kubeconfig('weft') })
      const [permissions] = await found('permissions', asWeft)
      expect(permissions).toMatchObject({
        severity: 'error',
        text: expect.stringContaining('create clusterroles'),
        remedy: 'install as somebody who may, such as cluster-admin',
      })
      expect(await found('nodes', asWeft)).toMatchObject([{ severity: 'warning', text: /can't be told: .* forbidden/ }])
      expect((await found('permissions')).map(({ severity }) => severity)).toEqual(['ok'])
    })

    test('knows a mesh that is there, and namespaces that both would claim', async () => {
      const configuration = {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        metadata: { name: 'istio-sidecar-injector' },
      }
      expect(await found('other meshes')).toMatchObject([{ severity: 'ok', text: 'none' }])
      await createObject(server, configuration)
      expect(await found('other meshes')).toMatchObject([{ severity: 'warning', text: /^Istio is there/ }])
      await lab.patch('/api/v1/namespaces/default', { metadata: { labels: { 'istio-injection': 'enabled' } } })
      expect(await found('other meshes')).toMatchObject([
        { severity: 'error', text: /default are labelled istio-injection=enabled/, remedy: /--revision weft/ },
      ])
      await lab.patch('/api/v1/namespaces/default', { metadata: { labels: { 'istio-injection': null } } })
      await lab.must(
        'DELETE',
        '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-sidecar-injector',
      )
    })

    test('names pods that have the port of the agents, and old nodes', async () => {
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'other', namespace: 'default' } }
      const containers = [{ name: 'a', image: 'a', ports: [{ containerPort: 15012 }] }]
      await createObject(server, { ...pod, spec: { containers } })
      expect(await found('port of agents')).toMatchObject([{ severity: 'ok' }])
      await lab.must('DELETE', '/api/v1/namespaces/default/pods/other?gracePeriodSeconds=0')
      const atHost = [{ name: 'a', image: 'a', ports: [{ containerPort: 15012, hostPort: 15012 }] }]
      await createObject(server, { ...pod, spec: { hostNetwork: true, containers: atHost } })
      expect(await found('port of agents')).toMatchObject([
        { severity: 'error', text: 'default/other use port 15012 of their nodes, which agents need' },
      ])
      await lab.must('DELETE', '/api/v1/namespaces/default/pods/other?gracePeriodSeconds=0')

      expect(await found('nodes')).toMatchObject([{ severity: 'error', text: 'there is no node with Linux' }])
      await createObject(server, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'old' } })
      const nodeInfo = { kubeletVersion: 'v1.27.3', operatingSystem: 'linux', architecture: 's390x' }
      await lab.patch('/api/v1/nodes/old/status', { status: { nodeInfo: { ...NODE_INFO, ...nodeInfo } } })
      expect((await found('nodes')).map(({ text }) => text)).toEqual([
        expect.stringContaining('old have a kubelet older than 1.29'),
        expect.stringContaining('old are neither amd64 nor arm64'),
      ])
      await lab.must('DELETE', '/api/v1/nodes/old')
    })

    test('tells of kinds of which only some are there', async () => {
      await lab.installDefinitions((name) => name.endsWith('routes.gateway.networking.k8s.io'))
      expect(await found('definitions of kinds')).toMatchObject([
        { severity: 'warning', text: expect.stringContaining('gateways.gateway.networking.k8s.io') },
      ])
    })

    test('misses volumes where a server is to have one', async () => {
      expect(await found('state')).toMatchObject([{ severity: 'ok', text: /go with the pods of servers/ }])
      expect(await found('state', server, 'production')).toEqual([
        {
          severity: 'error',
          subject: 'state',
          text: 'volumes are wanted, and the cluster has no default StorageClass',
          remedy: '--set server.storageSize= to have telemetry go with its pods',
        },
      ])
      const disks = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 'disks' } }
      await createObject(server, { ...disks, provisioner: 'example.org/disks' })
      expect(await found('state', server, 'production')).toMatchObject([
        { severity: 'error', remedy: /^--set server.storageClassName=disks, or --set server.storageSize= / },
      ])
      const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' }
      await lab.patch('/apis/storage.k8s.io/v1/storageclasses/disks', { metadata: { annotations } })
      expect(await found('state', server, 'production')).toMatchObject([
        { severity: 'ok', text: 'on volumes of 2Gi, StorageClass disks' },
      ])
      await lab.must('DELETE', '/apis/storage.k8s.io/v1/storageclasses/disks')
    })

    test('misses the Prometheus operator where it is to have objects', async () => {
      expect(await found('monitoring')).toEqual([])
      const findings = await precheck(
        server,
        settingValues({ namespace: SYSTEM, set: { 'monitoring.prometheusOperator': true } }),
      )
      expect(findings.filter(({ subject }) => subject === 'monitoring')).toMatchObject([
        { severity: 'error', remedy: /^install the Prometheus operator first/ },
      ])
    })

    test('misses metrics where a server is to be scaled by them', async () => {
      expect(await found('autoscaling')).toEqual([])
      expect(await found('autoscaling', server, 'production')).toMatchObject([{ severity: 'warning' }])
    })
  })

  /** Names of all objects of kinds that an installation could leave behind. */
  async function everything(): Promise<string[]> {
    const kinds = [
      ['v1', 'ConfigMap'],
      ['v1', 'Secret'],
      ['v1', 'Service'],
      ['v1', 'ServiceAccount'],
      ['v1', 'Namespace'],
      ['apps/v1', 'Deployment'],
      ['apps/v1', 'StatefulSet'],
      ['apps/v1', 'DaemonSet'],
      ['policy/v1', 'PodDisruptionBudget'],
      ['coordination.k8s.io/v1', 'Lease'],
      ['rbac.authorization.k8s.io/v1', 'ClusterRole'],
      ['rbac.authorization.k8s.io/v1', 'ClusterRoleBinding'],
      ['rbac.authorization.k8s.io/v1', 'Role'],
      ['rbac.authorization.k8s.io/v1', 'RoleBinding'],
      ['admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration'],
      ['admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration'],
      ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'],
    ] as const
    const lists = await Promise.all(kinds.map(([apiVersion, kind]) => listLive(server, { apiVersion, kind })))
    return (
      lists
        .flat()
        .map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`)
        // What the API server itself makes, when it gets to it.
        .filter((name) => name !== 'Service default/kubernetes' && !name.includes(' kube-system/'))
        .sort()
    )
  }
})

const DEFINITION = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' }
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
/** Any certificate in PEM will do. */
const CA = Buffer.from('-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n').toString('base64')
const NODE_INFO = {
  architecture: '',
  bootID: '',
  containerRuntimeVersion: '',
  kernelVersion: '',
  kubeProxyVersion: '',
  kubeletVersion: '',
  machineID: '',
  operatingSystem: '',
  osImage: '',
  systemUUID: '',
}
