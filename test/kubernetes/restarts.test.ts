import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLUSTER_MS, type Cluster, type LoadReport, noCluster, until, useCluster } from './cluster.ts'
import { type Echoed, echo, STRICT } from './echo-pods.ts'

const SYSTEM = 'weft-system'
const NO_FAILURE = { answered: expect.any(Number), failures: [] }

describe.skipIf(noCluster)('under load', () => {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await useCluster()
    await cluster.namespace('restarts')
    await cluster.apply('restarts', `${STRICT}${echo('client')}${echo('server', 2)}`)
    await cluster.rolledOut('restarts')
  }, CLUSTER_MS)

  afterAll(() => cluster?.removeNamespaces())

  const whileCalling = async (act: () => Promise<void>): Promise<LoadReport> => {
    const load = cluster.load('restarts', 'client', 'http://server/')
    await load.started
    await act()
    return load.stop()
  }

  const restarted = async (workload: string, label: string) => {
    const before = await cluster.pods(SYSTEM, label)
    await cluster.kubectl('-n', SYSTEM, 'delete', 'pod', '-l', label, '--grace-period=0', '--force')
    await until(`another pod of ${workload}`, async () => {
      const now = await cluster.pods(SYSTEM, label)
      return now.length > 0 && now.every((pod) => !before.includes(pod))
    })
    await cluster.kubectl('-n', SYSTEM, 'rollout', 'status', workload, '--timeout=60s')
  }

  /** A header that the server's route adds: shows that configuration still reaches the client. */
  const configured = async (value: string) => {
    await cluster.apply(
      'restarts',
      `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: server }
spec:
  hosts: [server]
  http: [{ headers: { request: { set: { x-configured: ${value} } } }, route: [{ destination: { host: server } }] }]
`,
    )
    await until(`the route that says ${value}`, async () => {
      const body = await cluster.node(
        'restarts',
        'client',
        `fetch('http://server/').then(async (r) => console.log(await r.text()))`,
      )
      return (JSON.parse(body) as Echoed).headers['x-configured'] === value
    })
  }

  test('a killed server fails no request, and the next one goes on', async () => {
    const report = await whileCalling(async () => {
      await restarted('deploy/weft-server', 'app.kubernetes.io/name=weft-server')
      await configured('after-server')
    })
    expect(report).toEqual(NO_FAILURE)
  }, 120_000)

  test('a killed agent fails no request, and the next one goes on', async () => {
    const report = await whileCalling(async () => {
      await restarted('daemonset/weft-agent', 'app.kubernetes.io/name=weft-agent')
      await configured('after-agent')
    })
    expect(report).toEqual(NO_FAILURE)
  }, 120_000)

  test('pods that start while server and agent are away wait for them', async () => {
    const report = await whileCalling(async () => {
      await cluster.kubectl(
        '-n',
        SYSTEM,
        'delete',
        'pod',
        '-l',
        'app.kubernetes.io/part-of=weft',
        '--grace-period=0',
        '--force',
      )
      await cluster.kubectl('-n', 'restarts', 'scale', 'deploy/server', '--replicas=3')
      await cluster.rolledOut('restarts', 90)
    })
    expect(report).toEqual(NO_FAILURE)
    expect(await cluster.pods('restarts', 'app=server')).toHaveLength(3)
  }, 150_000)

  test('a rolling update, and scaling up and down, fail no request', async () => {
    const report = await whileCalling(async () => {
      await cluster.kubectl('-n', 'restarts', 'rollout', 'restart', 'deploy/server')
      await cluster.rolledOut('restarts', 90)
      await cluster.kubectl('-n', 'restarts', 'scale', 'deploy/server', '--replicas=1')
      await until('one pod', async () => (await cluster.pods('restarts', 'app=server')).length === 1)
    })
    expect(report).toEqual(NO_FAILURE)
  }, 150_000)
})
