import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLUSTER_MS, type Cluster, type LoadReport, noCluster, until, useCluster } from './cluster.ts'
import { type Echoed, echo, gateway, STRICT } from './echo-pods.ts'

const SYSTEM = 'weft-system'
const NO_FAILURE = { answered: expect.any(Number), failures: [] }

/** Two of three pods are there at any time. */
const BUDGET = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: server }
spec: { maxUnavailable: 1, selector: { matchLabels: { app: server } } }
---
`

const CALL = `fetch(process.argv[1], { signal: AbortSignal.timeout(10_000) }).then((r) => console.log(r.status), (e) => console.log(String(e.cause?.code ?? e.name)))`

interface RunningPod {
  readonly metadata: { readonly name: string }
  readonly status: {
    readonly podIP: string
    readonly containerStatuses?: readonly { readonly containerID?: string; readonly ready: boolean }[]
  }
}

const containerOf = ({ status }: RunningPod) => status.containerStatuses?.[0]?.containerID

describe.skipIf(noCluster)('under load', () => {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await useCluster()
    await cluster.namespace('restarts')
    await cluster.apply('restarts', `${STRICT}${echo('client')}${echo('server', 2)}`)
    await cluster.namespace('restarts-outside', false)
    await cluster.apply('restarts-outside', echo('outsider'))
    await cluster.rolledOut('restarts')
    await cluster.rolledOut('restarts-outside')
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
    await cluster.kubectl('-n', SYSTEM, 'rollout', 'status', workload, '--timeout=180s')
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
  }, 300_000)

  test('a killed agent fails no request, and the next one goes on', async () => {
    const report = await whileCalling(async () => {
      await restarted('daemonset/weft-agent', 'app.kubernetes.io/name=weft-agent')
      await configured('after-agent')
    })
    expect(report).toEqual(NO_FAILURE)
  }, 300_000)

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
      await cluster.rolledOut('restarts')
    })
    expect(report).toEqual(NO_FAILURE)
    expect(await cluster.pods('restarts', 'app=server')).toHaveLength(3)
  }, 300_000)

  test('another intermediate of the certificate authority fails no request', async () => {
    const report = await whileCalling(async () => {
      // Said once every proxy has confirmed that it has the new one's certificate.
      expect(await cluster.weft('ca', 'rotate', '--kubeconfig', cluster.kubeconfig)).toMatch(/intermediate is .* now/)
    })
    expect(report).toEqual(NO_FAILURE)
  }, 300_000)

  test('a rolling update, and scaling up and down, fail no request', async () => {
    const report = await whileCalling(async () => {
      await cluster.kubectl('-n', 'restarts', 'rollout', 'restart', 'deploy/server')
      await cluster.rolledOut('restarts')
      await cluster.kubectl('-n', 'restarts', 'scale', 'deploy/server', '--replicas=1')
      await until('one pod', async () => (await cluster.pods('restarts', 'app=server')).length === 1)
    })
    expect(report).toEqual(NO_FAILURE)
  }, 300_000)

  test('a node that is drained takes no request with it', async ({ skip }) => {
    const { node } = await cluster.place('restarts', 'client')
    const [other] = (await cluster.nodes()).filter((each) => each !== node)
    if (other === undefined) return skip('the cluster has one node only')
    await cluster.apply('restarts', BUDGET)
    await cluster.kubectl('-n', 'restarts', 'scale', 'deploy/server', '--replicas=3')
    await cluster.rolledOut('restarts')
    try {
      const report = await whileCalling(async () => {
        // The cluster's only name server is not ours to lose.
        const selector = 'k8s-app!=kube-dns'
        const rest = ['--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout=180s']
        await cluster.kubectl('drain', other, `--pod-selector=${selector}`, ...rest)
        await cluster.rolledOut('restarts')
      })
      expect(report).toEqual(NO_FAILURE)
    } finally {
      await cluster.kubectl('uncordon', other)
    }
    await cluster.rolledOut(SYSTEM)
  }, 300_000)

  test('the pods of a node that starts anew come back by themselves, with their traffic redirected', async ({
    skip,
  }) => {
    const { node } = await cluster.place('restarts', 'client')
    const [other] = (await cluster.nodes()).filter((each) => each !== node)
    if (other === undefined) return skip('the cluster has one node only')
    const selector = `--field-selector=spec.nodeName=${other}`
    const pods = async () => {
      const list = await cluster.kubectl('-n', 'restarts', 'get', 'pods', '-l', 'app=server', selector, '-o', 'json')
      return (JSON.parse(list) as { readonly items: readonly RunningPod[] }).items
    }
    // After a node was drained there may be none.
    await cluster.kubectl('-n', 'restarts', 'rollout', 'restart', 'deploy/server')
    await cluster.rolledOut('restarts')
    const before = await until(`a pod on ${other}`, async () => {
      const found = await pods()
      return found.length > 0 && found
    })
    if (!(await cluster.endPodsOf(other))) return skip('the pods are no processes of this machine')
    const names = before.map(({ metadata }) => metadata.name)
    const ids = new Set(before.map(containerOf))
    const after = await until(
      `${names.join(', ')} to be back`,
      async () => {
        const now = (await pods()).filter(({ metadata }) => names.includes(metadata.name))
        const isBack = (pod: RunningPod) => !ids.has(containerOf(pod)) && pod.status.containerStatuses?.[0]?.ready
        return now.length === names.length && now.every(isBack) && now
      },
      180,
    )
    const answerer = `fetch('http://server/').then(async (r) => console.log((await r.json()).pod))`
    for (const { metadata, status } of after) {
      const { name } = metadata
      await until(`${name} to answer`, async () => (await cluster.node('restarts', 'client', answerer)).trim() === name)
      // Under STRICT, and with nothing redirected it would be answered.
      expect(await cluster.node('restarts-outside', 'outsider', CALL, `http://${status.podIP}:8080/`)).not.toMatch(
        /^200/,
      )
    }
    await configured('after-node')
    await cluster.rolledOut(SYSTEM)
  }, 400_000)

  test("a gateway's pods are replaced without a failed request, also of clients that keep their connections", async () => {
    await cluster.apply('restarts', gateway(2))
    await cluster.rolledOut('restarts')
    const answers = `fetch('http://ingress.restarts/').then((r) => console.log(r.status), () => {})`
    await until('the gateway to route', async () =>
      (await cluster.node('restarts-outside', 'outsider', answers)).startsWith('200'),
    )
    const load = cluster.load('restarts-outside', 'outsider', 'http://ingress.restarts/')
    await load.started
    const before = await cluster.pods('restarts', 'istio=ingress')
    await cluster.kubectl('-n', 'restarts', 'rollout', 'restart', 'deploy/ingress')
    await cluster.rolledOut('restarts')
    await until(
      'the pods from before to be gone',
      async () => {
        const names = await cluster.kubectl('-n', 'restarts', 'get', 'pods', '-o', 'name')
        return before.every((pod) => !names.includes(pod))
      },
      90,
    )
    expect(await load.stop()).toEqual(NO_FAILURE)
  }, 300_000)
})
