import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PodCallers } from '../../src/agent/node/pod-caller.ts'
import { clusterRegistry } from '../../src/agent/workload-group/cluster-registry.ts'
import { entryOf } from '../../src/agent/workload-group/entry.ts'
import { removeGoneMembers } from '../../src/controllers/gone-members.ts'
import type { CertificateAuthority } from '../../src/identity/ca.ts'
import { secretStore } from '../../src/identity/ca-secret.ts'
import { DEFAULT_SETTINGS } from '../../src/injection/settings.ts'
import { fillPart } from '../../src/install/installation.ts'
import { GRANTS } from '../../src/install/rbac.ts'
import { settingValues } from '../../src/install/settings.ts'
import { CA_SECRET, TOKEN_AUDIENCE } from '../../src/resources/cluster-names.ts'
import { KIND } from '../../src/resources/resource.ts'
import { lead } from '../../src/server/leading.ts'
import { providersInCluster } from '../../src/server/oidc-memory.ts'
import { Rejections } from '../../src/server/rejections.ts'
import type { ReplicaCalls } from '../../src/server/replica-calls.ts'
import { ApiServer } from '../../src/sources/kubernetes/api-server.ts'
import { KubernetesSource } from '../../src/sources/kubernetes/kubernetes-source.ts'
import { reviewToken } from '../../src/sources/kubernetes/reviews.ts'
import { applyObject, readLive } from '../../src/sources/kubernetes/write.ts'
import { Store } from '../../src/store/store.ts'
import { ApiServerLab, type AuditedRequest, noLab } from './api-server-lab.ts'

if (noLab) console.warn(`skipping the test of the server's rights: ${noLab}`)

const GATEWAYS = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways'
const ROUTES = '/apis/networking.istio.io/v1/namespaces/shop/virtualservices'
const ROOTS = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

describe.skipIf(noLab)('a server with exactly the rights that an installation gives it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-rights-'))
  let lab: ApiServerLab
  let admin: ApiServer

  beforeAll(async () => {
    lab = await ApiServerLab.start()
    await lab.installDefinitions()
    admin = new ApiServer({ kubeconfig: lab.kubeconfig('admin') })
    for (const name of ['weft-system', 'shop']) await lab.must('POST', '/api/v1/namespaces', { metadata: { name } })
    const values = settingValues({ namespace: 'weft-system' })
    for (const part of ['access', 'gateway-class', 'webhooks'] as const)
      for (const object of fillPart(part, values)) await applyObject(admin, object)
  })
  afterAll(async () => {
    await lab?.close()
    rmSync(folder, { recursive: true })
  })

  /** As the pod of a service account has it. */
  async function kubeconfigOf(account: string): Promise<string> {
    const path = `/api/v1/namespaces/weft-system/serviceaccounts/${account}/token`
    const { status } = (await lab.must('POST', path, { spec: { expirationSeconds: 3600 } })) as {
      status: { token: string }
    }
    const config = JSON.parse(readFileSync(lab.kubeconfig('weft'), 'utf8')) as { users: { user: { token: string } }[] }
    for (const { user } of config.users) user.token = status.token
    const file = join(folder, account)
    writeFileSync(file, JSON.stringify(config))
    return file
  }

  test('can do all that a leader does', async () => {
    const logged: string[] = []
    const log = (severity: string, text: string) => logged.push(`${severity}: ${text}`)
    const server = new ApiServer({ kubeconfig: await kubeconfigOf('weft-server') })
    const store = new Store()
    const source = new KubernetesSource({ server, store, log })
    source.start()
    await store.synced()
    const ending = new AbortController()
    const authority = secretStore(server, 'weft-system', CA_SECRET)
    await authority.create('blocked.json', '[]')
    await authority.replace('blocked.json', '[ ]')
    const ca = { trustBundlePem: ROOTS } as CertificateAuthority
    const replicas = { ask: async () => [] } as unknown as ReplicaCalls
    const parts = { server, store, source, ca, replicas, namespace: 'weft-system', replica: 'weft-server-0', log }
    const leading = lead(
      { ...parts, injection: DEFAULT_SETTINGS, rejections: new Rejections(), leads: () => {} },
      ending.signal,
    )
    await lab.must('POST', GATEWAYS, {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'web' },
      spec: {
        gatewayClassName: 'weft',
        listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }],
      },
    })
    for (const [group, plural, kind, spec] of WRONG)
      await lab.must('POST', `/apis/${group}/namespaces/shop/${plural}`, {
        apiVersion: group,
        kind,
        metadata: { name: 'wrong' },
        spec,
      })
    await lab.must('POST', ROUTES, {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'lost' },
      spec: { hosts: ['nowhere'], http: [{ route: [{ destination: { host: 'nowhere' } }] }] },
    })
    const conditionsAt = async (path: string) =>
      ((await lab.must('GET', path)) as { status?: { conditions?: { type: string; status: string }[] } }).status
        ?.conditions
    const condition = (type: string, status: string) =>
      expect.arrayContaining([expect.objectContaining({ type, status })])
    const within = { timeout: 30_000 }
    await expect.poll(() => conditionsAt(`${GATEWAYS}/web`), within).toEqual(condition('Accepted', 'True'))
    await expect
      .poll(() => conditionsAt(`${ROUTES}/lost`), within)
      .toEqual(condition('weft.dev/PassedAnalysis', 'False'))
    const there = (apiVersion: string, kind: string, name: string, namespace?: string) =>
      readLive(admin, { apiVersion, kind, metadata: { name, ...(namespace ? { namespace } : {}) } })
    await expect.poll(() => there('v1', 'ConfigMap', 'weft-ca-root-cert', 'shop'), within).toBeDefined()
    for (const [apiVersion, kind] of [
      ['v1', 'ServiceAccount'],
      ['v1', 'Service'],
      ['apps/v1', 'Deployment'],
      ['autoscaling/v2', 'HorizontalPodAutoscaler'],
      ['policy/v1', 'PodDisruptionBudget'],
    ] as const)
      await expect.poll(() => there(apiVersion, kind, 'web-weft', 'shop'), within).toBeDefined()
    for (const [kind, name] of [
      ['MutatingWebhookConfiguration', 'weft-injector'],
      ['ValidatingWebhookConfiguration', 'weft-validator'],
    ] as const) {
      const bundles = async () => {
        const live = await there('admissionregistration.k8s.io/v1', kind, name)
        const webhooks = live?.['webhooks'] as readonly { clientConfig: { caBundle?: string } }[]
        return [...new Set(webhooks.map(({ clientConfig }) => clientConfig.caBundle))]
      }
      await expect.poll(bundles, within).toEqual([Buffer.from(ROOTS).toString('base64')])
    }
    for (const [group, plural] of WRONG)
      await expect
        .poll(() => conditionsAt(`/apis/${group}/namespaces/shop/${plural}/wrong`), within)
        .toEqual(expect.arrayContaining([expect.objectContaining({ type: 'weft.dev/PassedAnalysis' })]))
    await lab.must('POST', '/apis/gateway.networking.k8s.io/v1/gatewayclasses', {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name: 'other' },
      spec: { controllerName: 'example.com/other' },
    })
    await lab.patch(`${GATEWAYS}/web`, { spec: { gatewayClassName: 'other' } })
    await expect
      .poll(() => there('autoscaling/v2', 'HorizontalPodAutoscaler', 'web-weft', 'shop'), within)
      .toBe(undefined)
    // A host outside of the cluster that joins, says that it is well, and then nothing more.
    const group = {
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadGroup',
      metadata: { namespace: 'shop', name: 'machines' },
      [KIND]: 'networking.istio.io/WorkloadGroup',
    } as const
    const entry = entryOf(group, { address: '10.0.0.1', name: 'gone' })
    const now = new Date().toISOString()
    const members = clusterRegistry(server)
    await members.put(entry)
    await members.tell(entry, {
      type: 'Healthy',
      status: 'True',
      message: '',
      lastTransitionTime: now,
      lastProbeTime: now,
    })
    removeGoneMembers({ server, store, log, lookEveryMs: 100, silenceMs: 200 }, ending.signal)
    await expect
      .poll(() => there('networking.istio.io/v1', 'WorkloadEntry', 'machines-gone', 'shop'), { timeout: 30_000 })
      .toBe(undefined)
    // Whoever leads next takes the lease over.
    ending.abort()
    await leading
    source.close()
    const lease = await there('coordination.k8s.io/v1', 'Lease', 'weft-leader', 'weft-system')
    expect(lease?.['spec']).toMatchObject({ holderIdentity: '' })
    // Definitions that were just installed may not be served for a moment, which is told otherwise.
    expect(logged.filter((line) => /forbidden|cannot/.test(line))).toEqual([])
    await reviewToken(server, 'no.such.token', TOKEN_AUDIENCE)
    const providers = providersInCluster(server, 'weft-system')
    await providers.write(await providers.read())
    await readLive(server, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } })
    // What an agent asks for, in its own name.
    const agents = new ApiServer({ kubeconfig: await kubeconfigOf('weft-agent') })
    await reviewToken(agents, 'no.such.token', TOKEN_AUDIENCE)
    await readLive(agents, { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'shop', name: 'web' } })
    expect(unusedRights(lab.audited())).toEqual([])
  }, 120_000)

  test('an agent takes the token of a pod of its node for what it is, and none that has expired, is for others, or of a pod that is gone', async () => {
    const web = '/api/v1/namespaces/shop/pods/web'
    await lab.must('POST', '/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'web' } })
    const { metadata } = (await lab.must('POST', '/api/v1/namespaces/shop/pods', {
      metadata: { name: 'web' },
      spec: { serviceAccountName: 'web', nodeName: 'node-1', containers: [{ name: 'app', image: 'app' }] },
    })) as { readonly metadata: { readonly uid: string } }
    const tokenFor = async (audience: string) => {
      const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'web', uid: metadata.uid }
      const spec = { audiences: [audience], expirationSeconds: 3600, boundObjectRef }
      const { status } = (await lab.must('POST', '/api/v1/namespaces/shop/serviceaccounts/web/token', { spec })) as {
        status: { token: string }
      }
      return status.token
    }
    const server = new ApiServer({ kubeconfig: await kubeconfigOf('weft-agent') })
    const identify = (bearer: string) =>
      new PodCallers({ server, node: 'node-1', trustDomain: 'cluster.local' }).identify({
        bearer,
        peer: '[fd00::9]:40000',
        nodeId: 'sidecar~fd00::9~web.shop~shop.svc.cluster.local',
      })
    const token = await tokenFor(TOKEN_AUDIENCE)
    expect(await identify(token)).toMatchObject({ key: 'shop/web', spiffeId: 'spiffe://cluster.local/ns/shop/sa/web' })
    const now = Math.floor(Date.now() / 1000)
    const said = (problem: string) => ({ code: status.UNAUTHENTICATED, message: expect.stringContaining(problem) })
    await expect(identify(lab.forged(token, { exp: now - 60 }))).rejects.toMatchObject(said('token has expired'))
    await expect(identify(lab.forged(token, { nbf: now + 600 }))).rejects.toMatchObject(said('not valid yet'))
    await expect(identify(await tokenFor('vault'))).rejects.toMatchObject(said('audience'))
    await expect(identify(`${token.slice(0, -8)}AAAAAAAA`)).rejects.toMatchObject(said('proves nothing'))
    // At another address than the pod has by now.
    await lab.patch(`${web}/status`, { status: { podIP: 'fd00::8', podIPs: [{ ip: 'fd00::8' }] } })
    await expect(identify(token)).rejects.toMatchObject({ code: status.PERMISSION_DENIED })
    await lab.patch(`${web}/status`, { status: { podIP: 'fd00::9', podIPs: [{ ip: 'fd00::9' }] } })
    expect(await identify(token)).toMatchObject({ key: 'shop/web' })
    await lab.must('DELETE', `${web}?gracePeriodSeconds=0`)
    // The API server itself may take it for good for some seconds more.
    await expect(identify(token)).rejects.toThrow(/shop\/web with uid .* is gone|proves nothing/)
  })
})

const OF_NOBODY = { selector: { matchLabels: { app: 'nobody' } } }

/** Objects that analysis finds something wrong with, of groups of which there is none above. */
const WRONG = [
  ['security.istio.io/v1', 'authorizationpolicies', 'AuthorizationPolicy', OF_NOBODY],
  ['telemetry.istio.io/v1', 'telemetries', 'Telemetry', OF_NOBODY],
  ['extensions.istio.io/v1alpha1', 'wasmplugins', 'WasmPlugin', { ...OF_NOBODY, url: 'oci://x' }],
] as const

/** Rights of the installation of which no request has made use: of each rule, its verbs; of what is read, each kind. */
function unusedRights(requests: readonly AuditedRequest[]): readonly string[] {
  return GRANTS.flatMap(({ account, scope, permissions }) =>
    permissions.flatMap(({ group, resources, verbs, names }) => {
      const used = requests.filter(({ user, objectRef }) => {
        const { resource = '', subresource, apiGroup = '', name = '', namespace } = objectRef ?? {}
        return (
          user.username === `system:serviceaccount:weft-system:${account}` &&
          apiGroup === group &&
          resources.includes(subresource === undefined ? resource : `${resource}/${subresource}`) &&
          (names === undefined || names.includes(name)) &&
          (scope === 'cluster' || namespace === 'weft-system')
        )
      })
      const verbsOf = ({ verb, responseStatus }: AuditedRequest) =>
        // Server-side apply of what is not there yet is allowed to who may patch and create it. API servers that can't stream what is there are asked for a list.
        verb === 'patch' && responseStatus?.code === 201
          ? ['patch', 'create']
          : verb === 'watch'
            ? ['watch', 'list']
            : [verb]
      const did = new Set(used.flatMap(verbsOf))
      const read = new Set(used.flatMap(({ verb, objectRef }) => (verb === 'watch' ? (objectRef?.resource ?? []) : [])))
      const unread = verbs.includes('watch') ? resources.filter((resource) => !read.has(resource)) : []
      return [
        ...verbs.filter((verb) => !did.has(verb)).map((verb) => `${account}: ${verb} ${group} ${resources.join()}`),
        ...unread.map((resource) => `${account}: watch ${group} ${resource}`),
      ]
    }),
  )
}
