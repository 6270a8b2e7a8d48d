// What policies save requests from: applications that cut, hang, fail, vanish and come back. Counted.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../eventually.ts'
import { MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'
import { type Answer, ask, type TestPod, testPod } from '../translate/test-pods.ts'
import { UnsteadyPod } from './unsteady-pod.ts'

const PORT = 8000

const SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: stock }
spec: { selector: { app: stock }, ports: [{ name: http, port: ${PORT} }] }`

/** Where the pods are. The client is where `near` is. */
const PLACES = { near: 'r1.z1.s1', beside: 'r1.z2.s1', far: 'r2.z1.s1', farther: 'r3.z1.s1' } as const

let mesh: MeshOfEnvoys
let client: TestPod
const pods = new Map<string, UnsteadyPod>()

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', labels: { app: 'client', 'istio-locality': PLACES.near } })
  for (const [name, place] of Object.entries(PLACES)) {
    const labels = { app: 'stock', 'istio-locality': place }
    const pod = await testPod({ name, labels, proxy: false, serves: { stock: { http: PORT } } })
    pods.set(name, new UnsteadyPod(pod, PORT))
  }
  await Promise.all([...pods.values()].map((pod) => pod.listen()))
  mesh.apply(SERVICE, client.yaml, ...[...pods.values()].map(({ pod }) => pod.yaml))
  await mesh.startProxies()
})

afterAll(async () => {
  for (const pod of pods.values()) {
    pod.release()
    pod.stop()
  }
  await mesh?.stop()
  expect(mesh.nacks).toEqual([])
})

beforeEach(async () => {
  for (const pod of pods.values()) {
    pod.forget()
    if (!pod.isListening) await pod.listen()
  }
})

function pod(name: keyof typeof PLACES): UnsteadyPod {
  return pods.get(name) as UnsteadyPod
}

let revision = 0

/** Puts a policy in force, by a subset and thus a cluster of its own, and waits until requests go by it. */
async function policy(trafficPolicy: string, rule = ''): Promise<void> {
  revision++
  mesh.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: stock }
spec:
  host: stock
  subsets: [{ name: r${revision}, labels: { app: stock }, trafficPolicy: { ${trafficPolicy} } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: stock }
spec:
  hosts: [stock]
  http:
  - match: [{ uri: { exact: /mark-${revision} } }]
    directResponse: { status: 299 }
  - ${rule}
    route: [{ destination: { host: stock, subset: r${revision} } }]`)
  await eventually(`revision ${revision}`, async () => (await get(`/mark-${revision}`)).status === 299)
  // Until then some went by the last policy.
  for (const each of pods.values()) {
    each.requests = 0
    each.connections = 0
  }
}

const get = (path = '/', headers: Record<string, string> = {}) =>
  ask(client, `http://stock:${PORT}${path}`, { headers })

/** Many requests, some at a time. */
async function load(count: number, atATime = 1): Promise<Answer[]> {
  const answers: Answer[] = []
  let begun = 0
  const one = async () => {
    while (begun++ < count) answers.push(await get())
  }
  await Promise.all(Array.from({ length: atATime }, one))
  return answers
}

/** How many of each. */
function tally(values: readonly (string | number | string[] | undefined)[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[String(value)] = (counts[String(value)] ?? 0) + 1
  return counts
}

const statuses = (answers: readonly Answer[]) => tally(answers.map(({ status }) => status))
const byPod = (answers: readonly Answer[]) => tally(answers.map(({ headers }) => headers['x-pod']))
const NO_RETRIES = 'retries: { attempts: 0 }'

describe('retries', () => {
  test('save every request from a pod that cuts connections', async () => {
    pod('near').mood = 'cutting'
    await policy('', NO_RETRIES)
    expect(statuses(await load(60, 4))['503']).toBeGreaterThan(0)
    await policy('', 'retries: { attempts: 3, retryOn: reset }')
    expect(statuses(await load(120, 4))).toEqual({ 200: 120 })
    expect(pod('near').requests).toBeGreaterThan(0)
  })

  test('save every request from a pod that hangs', async () => {
    await policy('', 'retries: { attempts: 5, perTryTimeout: 300ms, retryOn: gateway-error }')
    // Not before: by the last policy what asks for the new one would hang.
    pod('near').mood = 'holding'
    expect(statuses(await load(30, 10))).toEqual({ 200: 30 })
    expect(pod('near').requests).toBeGreaterThan(0)
  })

  test('save every request from a pod that is gone, also those by default', async () => {
    await policy('')
    await load(8)
    pod('near').stop()
    expect(statuses(await load(60, 4))).toEqual({ 200: 60 })
    await pod('near').listen()
  })

  test('go to another pod than before, unless they may go to the same', async () => {
    mesh.shows('VirtualService', 'http.retries.retryIgnorePreviousHosts')
    const always = (isAnother: boolean) =>
      policy(
        'loadBalancer: { consistentHash: { httpHeaderName: x-user }, localityLbSetting: { enabled: false } }',
        `retries: { attempts: 3, retryOn: reset, backoff: 1ms, retryIgnorePreviousHosts: ${isAnother} }`,
      )
    // By the hash each has a pod, which is asked again where it may be.
    const cut = async (): Promise<string> => {
      const name = String((await get('/', { 'x-user': 'somebody' })).headers['x-pod'])
      pod(name as keyof typeof PLACES).mood = 'cutting'
      return name
    }
    const asked = async () =>
      (await Promise.all(Array.from({ length: 8 }, () => get('/', { 'x-user': 'somebody' })))).map(
        ({ status }) => status,
      )
    await always(true)
    const own = await cut()
    expect(await asked()).toEqual(Array(8).fill(200))
    pod(own as keyof typeof PLACES).mood = 'well'
    await always(false)
    await cut()
    expect(await asked()).toEqual(Array(8).fill(503))
  })

  test('are few at a time where only few may be', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.connectionPool.http.maxRetries')
    for (const each of pods.values()) each.mood = { status: 503 }
    const asked = () => [...pods.values()].reduce((sum, { requests }) => sum + requests, 0)
    const once = "retries: { attempts: 1, retryOn: '503', backoff: 250ms }"
    await policy('', once)
    expect(statuses(await load(20, 20))).toEqual({ 503: 20 })
    expect(asked()).toBe(40)
    await policy('connectionPool: { http: { maxRetries: 1 } }', once)
    await eventually('some not to be tried again', async () => {
      const before = asked()
      expect(statuses(await load(20, 20))).toEqual({ 503: 20 })
      return asked() - before < 30
    })
  })

  test('stay within their budget', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.retryBudget.percent')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.retryBudget.minRetryConcurrency')
    for (const each of pods.values()) each.mood = { status: 503 }
    const asked = () => [...pods.values()].reduce((sum, { requests }) => sum + requests, 0)
    const thrice = "retries: { attempts: 3, retryOn: '503', backoff: 1ms }"
    await policy('retryBudget: { percent: 100, minRetryConcurrency: 100 }', thrice)
    expect(statuses(await load(10))).toEqual({ 503: 10 })
    expect(asked()).toBe(40)
    await policy('retryBudget: { percent: 0, minRetryConcurrency: 0 }', thrice)
    expect(statuses(await load(10))).toEqual({ 503: 10 })
    expect(asked()).toBe(10)
  })
})

describe('a connection pool', () => {
  test.each([
    ['trafficPolicy', 'connectionPool: { http: { http2MaxRequests: 2 } }', 2],
    [
      'its port',
      'portLevelSettings: [{ port: { number: 8000 }, connectionPool: { http: { http2MaxRequests: 3 } } }]',
      3,
    ],
  ])('lets as many requests through as %s says, and refuses the others at once', async (_, limit, allowed) => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.connectionPool.http.http2MaxRequests', 'subsets.trafficPolicy')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.portLevelSettings.port.number')
    await policy(limit, NO_RETRIES)
    for (const each of pods.values()) each.mood = 'holding'
    const held = () => [...pods.values()].reduce((sum, { holding }) => sum + holding, 0)
    const all = load(12, 12)
    await eventually('all that may pass', () => held() === allowed)
    // Of those that are refused nobody waits: they are answered while the others are held.
    const refused = await Promise.all(Array.from({ length: 3 }, () => get()))
    expect(statuses(refused)).toEqual({ 503: 3 })
    expect(refused[0]?.headers['x-envoy-overloaded']).toBe('true')
    for (const each of pods.values()) {
      each.mood = 'well'
      each.release()
    }
    const counts = statuses(await all)
    expect((counts['200'] ?? 0) + (counts['503'] ?? 0)).toBe(12)
    expect(counts['200']).toBeGreaterThanOrEqual(allowed)
  })

  test('lets few wait for a connection', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.connectionPool.tcp.maxConnections')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.connectionPool.http.http1MaxPendingRequests')
    await policy('connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } }', NO_RETRIES)
    for (const each of pods.values()) each.mood = 'holding'
    const answers: Answer[] = []
    const all = Array.from({ length: 20 }, () => get().then((answer) => answers.push(answer)))
    // A pod without a connection gets one whatever the limit, and one request may wait.
    await eventually('most to be refused', () => answers.length >= 20 - pods.size - 1)
    expect(statuses(answers)).toEqual({ 503: answers.length })
    expect([...pods.values()].every(({ holding }) => holding <= 1)).toBe(true)
    for (const each of pods.values()) {
      each.mood = 'well'
      each.release()
    }
    await Promise.all(all)
    expect(statuses(answers)['200']).toBeGreaterThan(0)
  })

  test('sends as many requests over a connection as it may', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.connectionPool.http.maxRequestsPerConnection')
    await policy('connectionPool: { http: { maxRequestsPerConnection: 1 } }')
    const made = () => [...pods.values()].reduce((sum, { connections }) => sum + connections, 0)
    await load(12)
    expect(made()).toBe(12)
    await policy('')
    await load(12)
    expect(made()).toBeLessThanOrEqual(pods.size)
  })

  test.each(['http: { idleTimeout: 300ms }', 'tcp: { maxConnectionDuration: 300ms }'])(
    'ends connections by %s',
    async (limit) => {
      mesh.shows('DestinationRule', 'subsets.trafficPolicy.connectionPool.http.idleTimeout')
      mesh.shows('DestinationRule', 'subsets.trafficPolicy.connectionPool.tcp.maxConnectionDuration')
      for (const each of pods.values()) {
        each.stop()
        await each.listen()
      }
      await policy(`connectionPool: { ${limit} }`)
      await load(4)
      const open = () => [...pods.values()].reduce((sum, { openConnections }) => sum + openConnections, 0)
      await eventually('their end', () => open() === 0)
    },
  )
})

/** Whoever is nearer makes no difference. */
const ANYWHERE = 'loadBalancer: { localityLbSetting: { enabled: false } }'

describe('outlier detection', () => {
  const detection = (errors: string) =>
    `${ANYWHERE}, outlierDetection: { ${errors}, interval: 200ms, baseEjectionTime: 4s, maxEjectionPercent: 100 }`

  /** Whether requests leave a pod out that they went to. */
  const isLeftOut = async (name: keyof typeof PLACES) => {
    const before = pod(name).requests
    await load(24, 4)
    return pod(name).requests === before
  }

  test.each([
    ['consecutive5xxErrors: 2', { status: 500 }],
    ['consecutive5xxErrors: 0, consecutiveGatewayErrors: 2', { status: 503 }],
  ] as const)('by %s leaves out a pod that fails, and takes it back', async (errors, mood) => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.outlierDetection.consecutive5xxErrors')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.outlierDetection.consecutiveGatewayErrors')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.outlierDetection.interval')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.outlierDetection.baseEjectionTime')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.outlierDetection.maxEjectionPercent')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.localityLbSetting.enabled')
    await policy(detection(errors), "retries: { attempts: 3, retryOn: '5xx', backoff: 1ms }")
    pod('far').mood = mood
    const answers: Answer[] = []
    await eventually('it to be left out', async () => {
      answers.push(...(await load(8, 2)))
      return pod('far').requests > 0 && (await isLeftOut('far'))
    })
    expect(statuses(answers)).toEqual({ 200: answers.length })
    pod('far').mood = 'well'
    const before = pod('far').requests
    await eventually(
      'it to be taken back',
      async () => {
        await load(4)
        return pod('far').requests > before
      },
      30_000,
    )
  })

  test('that counts gateway errors only lets other failures be', async () => {
    await policy(detection('consecutive5xxErrors: 0, consecutiveGatewayErrors: 2'), NO_RETRIES)
    pod('far').mood = { status: 500 }
    await load(40, 4)
    expect(await isLeftOut('far')).toBe(false)
  })

  test('counts the statuses that it names', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes')
    await policy(detection('consecutive5xxErrors: 2, outlierDetectionHttpErrorCodes: [429]'), NO_RETRIES)
    pod('far').mood = { status: 429 }
    await eventually('it to be left out', async () => {
      await load(8, 2)
      return pod('far').requests > 0 && (await isLeftOut('far'))
    })
  })

  test('leaves out nobody where too few would be left', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.outlierDetection.minHealthPercent')
    // One of four is too many.
    await policy(detection('consecutive5xxErrors: 2, minHealthPercent: 80'), NO_RETRIES)
    pod('far').mood = { status: 500 }
    const ejected = `r${revision}|stock.default.svc.cluster.local::${pod('far').pod.appAddress}:${PORT}::health_flags::/failed_outlier_check`
    await eventually('it to be called although it is known to fail', async () => {
      await load(8, 2)
      const isKnown = (await mesh.admin('client', '/clusters')).includes(ejected)
      return isKnown && !(await isLeftOut('far')) && (await mesh.admin('client', '/clusters')).includes(ejected)
    })
  })

  test('leaves out a pod that nobody can connect to, where those failures are counted apart', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.outlierDetection.splitExternalLocalOriginErrors')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures')
    const errors = 'consecutive5xxErrors: 0, splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2'
    await policy(detection(errors))
    pod('far').stop()
    expect(statuses(await load(60, 4))).toEqual({ 200: 60 })
    const failed = async () => {
      const text = await mesh.admin('client', '/clusters')
      return text.includes(
        `r${revision}|stock.default.svc.cluster.local::${pod('far').pod.appAddress}:${PORT}::health_flags::/failed_outlier_check`,
      )
    }
    await eventually('it to be left out', async () => {
      await load(8)
      return failed()
    })
    await pod('far').listen()
  })
})

describe('localities', () => {
  const FAILOVER =
    'outlierDetection: { consecutive5xxErrors: 1, interval: 200ms, baseEjectionTime: 1s, maxEjectionPercent: 100 }'

  /** That a place is left takes an instant to get about in a proxy: until then a request may fail there, and is to be tried at another. */
  const ELSEWHERE = 'retries: { attempts: 6, retryRemoteLocalities: true }'

  /** Waits until all requests go to one pod, none failing meanwhile. */
  const allAt = (name: keyof typeof PLACES) =>
    eventually(
      `all requests at ${name}`,
      async () => {
        const answers = await load(20, 2)
        expect(statuses(answers)).toEqual({ 200: 20 })
        return byPod(answers)[name] === 20
      },
      30_000,
    )

  test('the nearest are called; when they fail the next nearest; and again the nearest when they are back', async () => {
    mesh.shows('VirtualService', 'http.retries.retryRemoteLocalities')
    await policy(FAILOVER, ELSEWHERE)
    await allAt('near')
    pod('near').stop()
    await allAt('beside')
    pod('beside').stop()
    await eventually('requests in other regions', async () => {
      const answers = await load(20, 2)
      expect(statuses(answers)).toEqual({ 200: 20 })
      return !('near' in byPod(answers)) && !('beside' in byPod(answers))
    })
    await pod('beside').listen()
    await allAt('beside')
    await pod('near').listen()
    await allAt('near')
  })

  test('the region to fail over to can be said', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.localityLbSetting.failover.from')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.localityLbSetting.failover.to')
    await policy(`${FAILOVER}, loadBalancer: { localityLbSetting: { failover: [{ from: r1, to: r3 }] } }`, ELSEWHERE)
    await allAt('near')
    pod('near').stop()
    pod('beside').stop()
    await allAt('farther')
    await pod('near').listen()
    await pod('beside').listen()
    await allAt('near')
  })

  test('nearness can be that of labels', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.localityLbSetting.failoverPriority')
    const labels = '[topology.kubernetes.io/region, topology.kubernetes.io/zone]'
    await policy(`${FAILOVER}, loadBalancer: { localityLbSetting: { failoverPriority: ${labels} } }`, ELSEWHERE)
    await allAt('near')
    pod('near').stop()
    await allAt('beside')
    await pod('near').listen()
    await allAt('near')
  })

  test('zones of a region share what is too much for one, and other regions are for when both fail', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.zoneAwareLbSetting.enabled')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.zoneAwareLbSetting.failover.from')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.zoneAwareLbSetting.failover.to')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.zoneAwareLbSetting.failoverPriority')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.zoneAwareLbSetting.minClusterSize')
    const rest = 'minClusterSize: 2, failover: [{ from: r1, to: r3 }], failoverPriority: [topology.istio.io/network]'
    await policy(`${FAILOVER}, loadBalancer: { zoneAwareLbSetting: { enabled: true, ${rest} } }`, ELSEWHERE)
    const counts = byPod(await load(200, 4))
    // All clients are in one zone, with half of the region's endpoints: 100 are expected.
    expect(Object.keys(counts).sort()).toEqual(['beside', 'near'])
    expect(counts['near']).toBeGreaterThan(60)
    expect(counts['near']).toBeLessThan(140)
    pod('near').stop()
    await allAt('beside')
    pod('beside').stop()
    await allAt('farther')
    await pod('near').listen()
    await pod('beside').listen()
    await policy('loadBalancer: { zoneAwareLbSetting: { enabled: false } }')
    await eventually('all to be called', async () => Object.keys(byPod(await load(40, 4))).length === 4)
    // As all of the mesh may be balanced, unless a rule says otherwise.
    mesh.shows('MeshConfig', 'zoneAwareLbSetting', 'localityLbSetting', 'defaultTrafficPolicy')
    const ofMesh = (settings: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: ${JSON.stringify(settings)} }`
    mesh.apply(ofMesh('zoneAwareLbSetting: { minClusterSize: 2 }'))
    await policy(FAILOVER)
    await eventually('the two of the region', async () => {
      const answers = byPod(await load(40, 4))
      return 'near' in answers && 'beside' in answers && !('far' in answers) && !('farther' in answers)
    })
    mesh.apply(ofMesh('localityLbSetting: { distribute: [{ from: r1/z1/*, to: { "r2/*": 100 } }] }'))
    await eventually('the one where the mesh sends all', async () => byPod(await load(20, 2))['far'] === 20)
    mesh.apply(ofMesh('defaultTrafficPolicy: { connectionPool: { http: { http2MaxRequests: 1 } } }'))
    await policy('', NO_RETRIES)
    pod('near').mood = 'holding'
    await eventually('what is too much for the mesh to be refused', async () => {
      const asked = Array.from({ length: 4 }, () => get())
      const first = await Promise.race(asked)
      pod('near').release()
      await Promise.all(asked)
      return first.status === 503
    })
    mesh.remove(ofMesh(''))
  })

  test.each(['endpoints', 'machines'])('are those that %s of ServiceEntries say', async (of) => {
    mesh.shows('ServiceEntry', 'endpoints.locality')
    mesh.shows('WorkloadEntry', 'locality')
    const endpoint = (name: keyof typeof PLACES, place: string) =>
      `address: ${pod(name).pod.appAddress}, locality: ${place}, labels: { app: ${of} }`
    // Not where the pods are.
    const all = [endpoint('near', 'r2/z1'), endpoint('far', 'r1/z1/s1')]
    const members = of === 'endpoints' ? `endpoints: [${all.map((each) => `{ ${each} }`).join()}]` : ''
    mesh.apply(
      `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${of} }
spec:
  hosts: [${of}.example.com]
  resolution: STATIC
  ports: [{ number: ${PORT}, name: http, protocol: HTTP }]
  ${members || `workloadSelector: { labels: { app: ${of} } }`}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${of} }
spec: { host: ${of}.example.com, trafficPolicy: { ${FAILOVER} } }`,
      ...(members
        ? []
        : all.map(
            (each, i) => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${of}-${i} }
spec: { ${each} }`,
          )),
    )
    const answers = () =>
      Promise.all(Array.from({ length: 20 }, () => ask(client, `http://${of}.example.com:${PORT}/`)))
    await eventually('the nearer to be called', async () => byPod(await answers())['far'] === 20)
  })

  test('each can be given its share', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.localityLbSetting.distribute.from')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.localityLbSetting.distribute.to.*')
    const shares = '{ from: r1/z1/*, to: { "r1/z1/*": 75, "r2/*": 25 } }'
    await policy(`loadBalancer: { localityLbSetting: { distribute: [${shares}] } }`)
    const counts = byPod(await load(200, 4))
    expect(Object.keys(counts).sort()).toEqual(['far', 'near'])
    // 50 are expected.
    expect(counts['far']).toBeGreaterThan(20)
    expect(counts['far']).toBeLessThan(90)
  })
})

describe('balancing', () => {
  test('in turns gives each pod the same', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.simple')
    await policy('loadBalancer: { simple: ROUND_ROBIN }')
    expect(byPod(await load(40))).toEqual({ near: 10, beside: 10, far: 10, farther: 10 })
  })

  test('gives a pod that is new less at first', async () => {
    mesh.shows('DestinationRule', 'trafficPolicy.loadBalancer.warmup.duration')
    mesh.shows('DestinationRule', 'trafficPolicy.loadBalancer.warmupDurationSecs')
    const pods = [pod('near').pod, pod('far').pod].map(({ appAddress }) => appAddress)
    const members = (count: number) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: growing }
spec:
  hosts: [growing.example.com]
  resolution: STATIC
  ports: [{ number: ${PORT}, name: http, protocol: HTTP }]
  endpoints: [${pods.slice(0, count).map((address) => `{ address: ${address} }`)}]
---`
    const rule = (warmup: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: growing }
spec: { host: growing.example.com, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN, ${warmup} } } }`
    const ofBoth = async () => {
      const answers: Answer[] = []
      for (let i = 0; i < 30; i++) answers.push(await ask(client, `http://growing.example.com:${PORT}/`))
      return byPod(answers)
    }
    for (const warmup of ['warmup: { duration: 2s }', 'warmupDurationSecs: 2s']) {
      mesh.apply(members(2), rule(warmup))
      await eventually('both to be as warm', async () => {
        const { near = 0, far = 0 } = await ofBoth()
        return Math.abs(near - far) <= 2
      })
      await eventually('the new one to get less', async () => {
        mesh.apply(members(1))
        await eventually('one to be alone', async () => (await ofBoth())['near'] === 30)
        mesh.apply(members(2))
        await eventually('the other to be there', async () => 'far' in (await ofBoth()))
        // A third is expected in its first second; in turns that are equal it is always a half.
        const { far = 0 } = await ofBoth()
        return far <= 12
      })
    }
    mesh.shows('DestinationRule', 'trafficPolicy.loadBalancer.warmup.aggression')
    mesh.shows('DestinationRule', 'trafficPolicy.loadBalancer.warmup.minimumPercent')
    mesh.apply(rule('warmup: { duration: 2s, aggression: 1.75, minimumPercent: 35 }'))
    // How much less, and for how long, is for Envoy to do: it counts what it was told.
    await eventually('Envoy to know how', async () => {
      const dump = JSON.parse(await mesh.admin('client', '/config_dump?resource=dynamic_active_clusters'))
      const { cluster } = dump.configs.find(({ cluster }: { cluster: { name: string } }) =>
        cluster.name.endsWith('||growing.example.com'),
      )
      return /"default_value":1.75\b.*"value":35\b/.test(JSON.stringify(cluster.round_robin_lb_config))
    })
  })

  test('at random reaches all', async () => {
    await policy('loadBalancer: { simple: RANDOM }')
    expect(Object.keys(byPod(await load(100))).sort()).toEqual(['beside', 'far', 'farther', 'near'])
  })

  test('by least requests spares a pod that is busy', async () => {
    await policy('loadBalancer: { simple: LEAST_REQUEST }', 'timeout: 20s')
    pod('far').mood = 'holding'
    const all: Promise<Answer>[] = []
    for (let i = 0; i < 60; i++) {
      const { holding } = pod('far')
      let isAnswered = false
      all.push(get())
      all.at(-1)?.finally(() => {
        isAnswered = true
      })
      await eventually('it to be answered or held', () => isAnswered || pod('far').holding > holding)
    }
    // One in four would be 15. Both of two random choices are it one time in sixteen, and then it is the busier one.
    expect(pod('far').requests).toBeLessThan(12)
    pod('far').release()
    expect(statuses(await Promise.all(all))).toEqual({ 200: 60 })
  })

  const user = (name: string) => ({ 'x-user': name, cookie: `user=${name}` })

  test.each([
    'httpHeaderName: x-user',
    'httpCookie: { name: user, ttl: 0s }',
    'httpQueryParameterName: user',
    'httpHeaderName: x-user, maglev: { tableSize: 251 }',
    'httpHeaderName: x-user, ringHash: { minimumRingSize: 512 }',
    'httpHeaderName: x-user, minimumRingSize: 2048',
  ])('by a hash of %s keeps each user with one pod', async (hash) => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.httpHeaderName')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.httpCookie.name')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.httpQueryParameterName')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.ringHash.minimumRingSize')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.minimumRingSize')
    await policy(`loadBalancer: { consistentHash: { ${hash} } }`)
    const chosen = new Set<unknown>()
    for (let i = 0; i < 16; i++) {
      const name = `user-${i}`
      const answers = await Promise.all(Array.from({ length: 4 }, () => get(`/?user=${name}`, user(name))))
      const own = Object.keys(byPod(answers))
      expect(own).toHaveLength(1)
      chosen.add(own[0])
    }
    expect(chosen.size).toBeGreaterThan(1)
  })

  test('by a cookie gives one to who has none, and goes by it', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.httpCookie.ttl')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.httpCookie.path')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes.name')
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes.value')
    const attributes = 'attributes: [{ name: SameSite, value: Strict }, { name: Secure }]'
    await policy(
      `loadBalancer: { consistentHash: { httpCookie: { name: place, path: /shop, ttl: 60s, ${attributes} } } }`,
    )
    const first = await get()
    const [cookie = ''] = first.headers['set-cookie'] ?? []
    expect(cookie).toMatch(/^place="?\w+"?; Max-Age=60; Path=\/shop; SameSite=Strict; Secure; HttpOnly/i)
    const again = await Promise.all(Array.from({ length: 8 }, () => get('/', { cookie: cookie.split(';')[0] ?? '' })))
    expect(Object.keys(byPod(again))).toEqual([first.headers['x-pod']])
  })

  test('by the address of the caller is always the same for one', async () => {
    mesh.shows('DestinationRule', 'subsets.trafficPolicy.loadBalancer.consistentHash.useSourceIp')
    await policy('loadBalancer: { consistentHash: { useSourceIp: true } }')
    expect(Object.keys(byPod(await load(24, 2)))).toHaveLength(1)
  })
})
