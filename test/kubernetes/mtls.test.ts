import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLUSTER_MS, type Cluster, noCluster, until, useCluster } from './cluster.ts'
import { type Echoed, echo, STRICT } from './echo-pods.ts'

describe.skipIf(noCluster)('pods of a namespace with STRICT', () => {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await useCluster()
    await cluster.namespace('mtls')
    await cluster.kubectl('label', 'namespace', 'mtls', 'pod-security.kubernetes.io/enforce=restricted')
    await cluster.namespace('mtls-outside', false)
    await cluster.apply('mtls', `${STRICT}${echo('client')}${echo('server')}`)
    await cluster.apply('mtls-outside', echo('outsider'))
    await cluster.rolledOut('mtls')
    await cluster.rolledOut('mtls-outside')
  }, CLUSTER_MS)

  afterAll(() => cluster?.removeNamespaces())

  const ask = async (namespace: string, from: string, url: string) => {
    const script = `fetch(${JSON.stringify(url)}).then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.text() })), (e) => console.log(JSON.stringify({ problem: String(e.cause?.message ?? e) })))`
    return JSON.parse(await cluster.node(namespace, from, script)) as {
      status?: number
      body?: string
      problem?: string
    }
  }

  test('know each other by their service accounts', async () => {
    const { status, body = '{}' } = await ask('mtls', 'client', 'http://server/')
    expect(status).toBe(200)
    const { headers } = JSON.parse(body) as Echoed
    expect(headers['x-forwarded-client-cert']).toContain('URI=spiffe://cluster.local/ns/mtls/sa/client')
    expect(headers['x-forwarded-client-cert']).toContain('By=spiffe://cluster.local/ns/mtls/sa/server')
  })

  test('are reached by their address too, and not without a certificate', async () => {
    const [pod = ''] = await cluster.pods('mtls', 'app=server')
    const ip = await cluster.kubectl('-n', 'mtls', 'get', 'pod', pod, '-o', 'jsonpath={.status.podIP}')
    expect(await ask('mtls-outside', 'outsider', `http://${ip}:8080/`)).toEqual({ problem: expect.any(String) })
    expect(await ask('mtls-outside', 'outsider', 'http://server.mtls/')).toEqual({ problem: expect.any(String) })
    // Without STRICT the same call gets an answer.
    await cluster.kubectl('-n', 'mtls', 'delete', 'peerauthentication', 'default')
    await until(
      'PERMISSIVE to be in force',
      async () => (await ask('mtls-outside', 'outsider', `http://${ip}:8080/`)).status === 200,
    )
    await cluster.apply('mtls', STRICT)
    await until(
      'STRICT to be in force',
      async () => (await ask('mtls-outside', 'outsider', `http://${ip}:8080/`)).problem,
    )
  })

  test('have who was refused a request in the list for auditors, with nothing set up for it', async () => {
    await cluster.apply('mtls', NOT_ADMIN)
    await until(
      'the policy to refuse',
      async () => (await ask('mtls', 'client', 'http://server/admin?x')).status === 403,
    )
    const here = ['--kubeconfig', cluster.kubeconfig]
    const refusal = {
      outcome: 'refused',
      who: 'mtls/client',
      about: 'GET server/admin at mtls/server port 8080',
      reason: 'rbac_access_denied_matched_policy[ns[mtls]-policy[not-admin]-rule[0]]',
    }
    await until('the refusal to be listed', async () => {
      const listed = await cluster.weft('audit', 'list', ...here, '--action', 'traffic.request', '-o', 'json')
      return (JSON.parse(listed) as readonly Record<string, unknown>[]).find((record) =>
        Object.entries(refusal).every(([field, value]) => record[field] === value),
      )
    })
  })

  test('hold nothing but stock Envoy beside the application, where Pod Security enforces restricted', async () => {
    const [pod = ''] = await cluster.pods('mtls', 'app=server')
    const { spec } = JSON.parse(await cluster.kubectl('-n', 'mtls', 'get', 'pod', pod, '-o', 'json')) as {
      readonly spec: {
        readonly initContainers: readonly { readonly image: string; readonly command?: readonly string[] }[]
      }
    }
    expect(spec.initContainers.map(({ image, command }) => ({ image, command }))).toEqual([
      { image: 'docker.io/envoyproxy/envoy:v1.40.0', command: ['envoy'] },
    ])
  })
})

const NOT_ADMIN = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: not-admin }
spec: { selector: { matchLabels: { app: server } }, action: DENY, rules: [{ to: [{ operation: { paths: [/admin] } }] }] }
`
