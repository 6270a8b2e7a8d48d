import { create, toBinary } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NodeSchema } from '#envoy/config/core/v3/base'
import { DeltaDiscoveryRequestSchema } from '#envoy/service/discovery/v3/discovery'
import { CLUSTER_MS, type Cluster, noCluster, until, useCluster } from './cluster.ts'
import { echo, STRICT } from './echo-pods.ts'

const SYSTEM = 'weft-system'
const NO_FAILURE = { answered: expect.any(Number), failures: [] }

/** What a name server says of a name that it does not know, or would have to ask others for. */
const UNKNOWN = /^(ENOTFOUND|EAI_AGAIN)$/

/** Runs in a pod: opens a stream as a proxy does, and tells what comes of it. */
const CALL_AGENT = `
const [address, token, message] = process.argv.slice(1)
const session = require('http2').connect('https://' + address + ':15012', { rejectUnauthorized: false })
const stream = session.request({
  ':method': 'POST', ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  'content-type': 'application/grpc', te: 'trailers', ...(token === '' ? {} : { authorization: 'Bearer ' + token }),
})
const told = (headers) => { if (headers['grpc-status'] !== undefined) end({ code: Number(headers['grpc-status']), says: decodeURIComponent(headers['grpc-message'] ?? '') }) }
const end = (answer) => { console.log(JSON.stringify(answer)); process.exit(0) }
stream.on('response', told).on('trailers', told).on('data', () => end({ code: 0, says: 'was served' })).on('error', (e) => end({ code: -1, says: e.message }))
const body = Buffer.from(message, 'base64')
const frame = Buffer.alloc(5 + body.length)
frame.writeUInt32BE(body.length, 1)
body.copy(frame, 5)
stream.write(frame)
`

function firstRequest(pod: string, namespace: string): string {
  const node = create(NodeSchema, { id: `sidecar~10.0.0.1~${pod}.${namespace}~${namespace}.svc.cluster.local` })
  const typeUrl = 'type.googleapis.com/envoy.config.cluster.v3.Cluster'
  return Buffer.from(
    toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { node, typeUrl })),
  ).toString('base64')
}

describe.skipIf(noCluster)('faults', () => {
  let cluster: Cluster
  const [namespace, outside] = ['faults', 'faults-outside']

  beforeAll(async () => {
    cluster = await useCluster()
    await cluster.namespace(namespace)
    await cluster.namespace(outside, false)
    await cluster.apply(namespace, `${STRICT}${echo('client')}${echo('server')}`)
    await cluster.apply(outside, echo('outsider'))
    await cluster.rolledOut(namespace)
    await cluster.rolledOut(outside)
  }, CLUSTER_MS)

  afterAll(() => cluster?.removeNamespaces())

  const logged = async (component: string) =>
    cluster.kubectl('-n', SYSTEM, 'logs', '-l', `app.kubernetes.io/name=${component}`, '--tail=-1', '--prefix')

  const call = async (from: string, url: string) => {
    const script = `fetch(process.argv[1], { signal: AbortSignal.timeout(10_000) }).then((r) => console.log(r.status), (e) => console.log(String(e.cause?.code ?? e.name)))`
    return (await cluster.node(namespace, from, script, url)).trim()
  }

  test('who is no proxy of the node gets nothing from its agent, and is told why', async () => {
    const outsider = await cluster.place(outside, 'outsider')
    const server = await cluster.place(namespace, 'server')
    const token = async (of: string, account: string, ...more: readonly string[]) =>
      (await cluster.kubectl('-n', of, 'create', 'token', account, ...more)).trim()
    const bound = (pod: string, uid: string) => [
      '--audience=weft',
      '--bound-object-kind=Pod',
      `--bound-object-name=${pod}`,
      `--bound-object-uid=${uid}`,
    ]
    const say = async (shown: string, claimed = firstRequest(outsider.pod, outside), at = outsider.nodeAddress) =>
      JSON.parse(await cluster.node(outside, 'outsider', CALL_AGENT, at, shown, claimed)) as object

    expect(await say('')).toEqual({ code: status.UNAUTHENTICATED, says: expect.stringContaining('show the token') })
    expect(await say('no.such.token')).toEqual({
      code: status.UNAUTHENTICATED,
      says: expect.stringContaining('the token proves nothing'),
    })
    expect(await say(await token(outside, 'outsider'))).toEqual({
      code: status.UNAUTHENTICATED,
      says: expect.stringContaining('the token proves nothing'),
    })
    expect(await say(await token(outside, 'outsider', '--audience=weft'))).toEqual({
      code: status.UNAUTHENTICATED,
      says: expect.stringContaining('is bound to no pod'),
    })
    const servers = await token(namespace, 'server', ...bound(server.pod, server.uid))
    expect(await say(servers, firstRequest(outsider.pod, outside), server.nodeAddress)).toEqual({
      code: status.PERMISSION_DENIED,
      says: expect.stringContaining(`the token is that of pod ${namespace}/${server.pod}, and the proxy says`),
    })
    expect(await say(servers, firstRequest(server.pod, namespace), server.nodeAddress)).toEqual({
      code: status.PERMISSION_DENIED,
      says: expect.stringContaining(`at ${server.address}, and the call comes from`),
    })
    const others = (await cluster.kubectl('get', 'nodes', '-o', 'jsonpath={.items[*].status.addresses[0].address}'))
      .split(' ')
      .filter((address) => address !== outsider.nodeAddress)
    const own = await token(outside, 'outsider', ...bound(outsider.pod, outsider.uid))
    for (const other of others)
      expect(await say(own, firstRequest(outsider.pod, outside), other)).toEqual({
        code: status.PERMISSION_DENIED,
        says: expect.stringContaining(`pod ${outside}/${outsider.pod} is on node ${outsider.node}`),
      })
    expect(await logged('weft-agent')).toContain(`refused a proxy at ${outsider.address} that says it is`)
    expect(await call('client', 'http://server/')).toBe('200')
  }, 300_000)

  test('a namespace deleted under traffic takes nothing else with it, and can come back', async () => {
    const made = async () => {
      await cluster.namespace('faults-gone')
      await cluster.apply('faults-gone', `${STRICT}${echo('victim')}`)
      await cluster.rolledOut('faults-gone')
      await until('victim to answer', async () => (await call('client', 'http://victim.faults-gone/')) === '200')
    }
    await made()
    const load = cluster.load(namespace, 'client', 'http://server/')
    const doomed = cluster.load(namespace, 'client', 'http://victim.faults-gone/')
    await Promise.all([load.started, doomed.started])
    await cluster.kubectl('delete', 'namespace', 'faults-gone', '--timeout=90s')
    await until('victim to be unknown', async () => UNKNOWN.test(await call('client', 'http://victim.faults-gone/')))
    expect((await doomed.stop()).failures.filter((failure) => /timeout|timed out/i.test(failure))).toEqual([])
    await made()
    expect(await load.stop()).toEqual(NO_FAILURE)
  }, 300_000)

  test('rights taken from server and agents stop nothing that runs, and what waits goes on when they are back', async () => {
    const bindings = ['clusterrolebinding/weft-server', 'clusterrolebinding/weft-agent']
    const kept = JSON.parse(await cluster.kubectl('get', ...bindings, '-o', 'json')) as {
      readonly items: { metadata: object }[]
    }
    for (const item of kept.items) {
      const { name, labels } = item.metadata as { readonly name: string; readonly labels: object }
      item.metadata = { name, labels }
    }
    const load = cluster.load(namespace, 'client', 'http://server/')
    await load.started
    try {
      await cluster.kubectl('delete', ...bindings)
      await cluster.kubectl('-n', namespace, 'scale', 'deploy/server', '--replicas=3')
      await until(
        'an agent to say that it may not ask',
        async () =>
          /refused a proxy at .*the API server cannot be asked who calls: .*forbidden/.test(await logged('weft-agent')),
        60,
      )
    } finally {
      await cluster.apply(SYSTEM, JSON.stringify(kept))
    }
    await cluster.rolledOut(namespace)
    // The server has seen the new pods, and told the client of them.
    const [pod = ''] = (await cluster.pods(namespace, 'app=server')).slice(-1)
    const answerer = `fetch('http://server/').then(async (r) => console.log((await r.json()).pod))`
    await until(
      `the new pod ${pod} to answer`,
      async () => (await cluster.node(namespace, 'client', answerer)).trim() === pod,
      60,
    )
    expect(await load.stop()).toEqual(NO_FAILURE)
  }, 300_000)

  test('an API server that stops answering stops nothing that runs', async ({ skip }) => {
    const apiServer = cluster.apiServerProcess()
    if (apiServer === undefined) return skip('the API server is no process of this machine')
    await cluster.kubectl('-n', namespace, 'delete', 'peerauthentication', 'default')
    const { address } = await cluster.place(namespace, 'client')
    // From here and not by kubectl, which needs the API server.
    const calls = async (times: number) => {
      const answer = await fetch(`http://${address}:8080/call?times=${times}&url=http://server/`)
      const { answers } = (await answer.json()) as { readonly answers: readonly { readonly status?: number }[] }
      return answers.map((each) => each.status)
    }
    await until('the client to be reached in plain text', async () => (await calls(1))[0] === 200)
    process.kill(apiServer, 'SIGSTOP')
    try {
      for (let round = 0; round < 10; round++) expect(new Set(await calls(100))).toEqual(new Set([200]))
    } finally {
      process.kill(apiServer, 'SIGCONT')
    }
    await cluster.apply(namespace, STRICT)
    await until(
      'STRICT to be in force',
      () =>
        calls(1).then(
          () => false,
          () => true,
        ),
      60,
    )
  }, 300_000)
})
