import { createHmac } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import snmp from 'net-snmp'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseYaml } from '../resources/parse.ts'
import { Snapshot } from '../store/snapshot.ts'
import type { Alert } from '../telemetry/questions/alerts.ts'
import { Ledger } from '../telemetry/store/ledger.ts'
import { againIn } from './delivering.ts'
import { Notifying } from './notifying.ts'
import { OUTBOX_SCHEMA } from './outbox.ts'
import { Undelivered } from './receiver.ts'
import { secretAt } from './secrets.ts'

const NOW = Date.UTC(2026, 4, 13, 12)
const HOUR = 3_600_000

interface Got {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
  readonly raw: string
}

/** What stands in for a receiver: it keeps what it is told. */
class StandIn {
  got: Got[] = []
  status = 200
  headers: Record<string, string> = {}
  answer: (got: Got) => string = () => '{}'
  #server: Server | undefined
  url = ''

  async open(): Promise<void> {
    this.#server = createServer(async (request, response) => {
      const raw = await text(request)
      const { method = '', url: path = '', headers } = request
      const got = { method, path, headers, raw, body: raw === '' ? undefined : JSON.parse(raw) }
      if (this.status < 300) this.got.push(got)
      response.writeHead(this.status, this.headers).end(this.status < 300 ? this.answer(got) : 'not now')
    })
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server?.close(() => resolve()))
  }
}

let folder: string
let standIn: StandIn
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-integrations-'))
  writeFileSync(join(folder, 'key'), 's3cret\n')
  standIn = new StandIn()
  await standIn.open()
})
afterEach(async () => {
  await standIn.close()
  rmSync(folder, { recursive: true })
})

function alert(key: string, more: Partial<Alert> = {}): Alert {
  return {
    key: `rule/shop/errors/${key}`,
    rule: { kind: 'AlertRule', namespace: 'shop', name: 'errors' },
    severity: 'critical',
    labels: { rule: 'errors', namespace: 'shop', severity: 'critical', service: `${key}.shop.svc.cluster.local` },
    summary: `12 % of requests to ${key}.shop failed`,
    runbook: 'https://wiki/errors',
    state: 'firing',
    since: NOW - 60_000,
    firedAt: NOW,
    resolvedAt: null,
    held: 60_000,
    lookedAt: NOW,
    noDataSince: null,
    ended: '',
    ...more,
  }
}

/** A mesh whose alerts are told, which can be started again. */
class Told {
  now = NOW
  open = new Map<string, Alert>()
  ended = new Map<string, Alert>()
  #objects: string
  #notifying: Notifying

  constructor(objects: string) {
    this.#objects = objects
    this.#notifying = this.#start()
  }

  get receivers() {
    return this.#notifying.receivers
  }

  #start(): Notifying {
    const file = join(folder, 'alerts.sqlite')
    return new Notifying({
      ledger: new Ledger({ file, schema: OUTBOX_SCHEMA, limitBytes: 1e8, onProblem: () => {} }),
      mesh: 'demo',
      snapshot: () => {
        const { resources, messages } = parseYaml(this.#objects, 'objects.yaml')
        expect(messages).toEqual([])
        return Snapshot.of(resources)
      },
      secretKeys: async (namespace, name, key) => (name === 'there' ? `${namespace} ${key}` : undefined),
      now: () => this.now,
      random: () => 0.5,
    })
  }

  objects(objects: string): void {
    this.#objects = objects
  }

  restart(): void {
    this.#notifying = this.#start()
  }

  fire(...alerts: readonly Alert[]): void {
    for (const each of alerts) this.open.set(each.key, each)
  }

  resolve(key: string): void {
    const before = this.open.get(`rule/shop/errors/${key}`)
    if (!before) throw new Error(`${key} does not fire`)
    this.open.delete(before.key)
    this.ended.set(before.key, { ...before, state: 'resolved', resolvedAt: this.now })
  }

  async pass(milliseconds = 0): Promise<void> {
    this.now += milliseconds
    this.#notifying.notify(this.open, (key) => this.ended.get(key))
    await this.#notifying.idle()
  }

  test(key: string): Promise<void> {
    return this.#notifying.test(key)
  }
}

function receiver(spec: string, name = 'r', namespace = 'istio-system'): string {
  return `apiVersion: observability.weft.dev/v1alpha1\nkind: AlertReceiver\nmetadata: { name: ${name}, namespace: ${namespace} }\nspec: ${spec}\n---\n`
}

const webhook = (more = '') => receiver(`{ webhook: { url: "${standIn.url}/hook" }, groupWait: 0s${more} }`)
/** Services of the alerts in messages of a webhook, with their states. */
const hooked = () =>
  standIn.got.map(({ body }) =>
    (body as { alerts: { status: string; labels: { service: string } }[] }).alerts
      .map(({ status, labels }) => `${labels.service.split('.')[0]} ${status}`)
      .sort()
      .join(', '),
  )

describe('who is told what, and when', () => {
  test('once, and when it ends', async () => {
    const told = new Told(webhook())
    told.fire(alert('cart'))
    for (let i = 0; i < 5; i++) await told.pass(15_000)
    expect(hooked()).toEqual(['cart firing'])
    told.resolve('cart')
    for (let i = 0; i < 5; i++) await told.pass(15_000)
    expect(hooked()).toEqual(['cart firing', 'cart resolved'])
    told.fire(alert('cart', { firedAt: told.now }))
    await told.pass()
    expect(hooked()).toHaveLength(3)
  })

  test('others of a group are waited for, and told together', async () => {
    const told = new Told(receiver(`{ webhook: { url: "${standIn.url}" }, groupWait: 30s, groupBy: [namespace] }`))
    told.fire(alert('cart'))
    await told.pass()
    const bank = alert('till')
    told.fire(alert('stock'), { ...bank, labels: { ...bank.labels, namespace: 'bank' } })
    await told.pass(20_000)
    expect(hooked()).toEqual([])
    await told.pass(10_000)
    expect(hooked()).toEqual(['cart firing, stock firing'])
    await told.pass(20_000)
    expect(hooked()).toEqual(['cart firing, stock firing', 'till firing'])
  })

  test('a receiver that is down for an hour is told all the same, over restarts', async () => {
    const told = new Told(webhook())
    standIn.status = 503
    told.fire(alert('cart'), alert('stock'))
    const tries: number[] = []
    for (let at = 0; at < HOUR; at += 15_000) {
      await told.pass(15_000)
      tries.push(told.receivers[0]?.nextTry ?? 0)
      if (at % 600_000 === 0) told.restart()
    }
    expect(told.receivers).toMatchObject([
      { waiting: 2, problem: expect.stringContaining('answers 503: not now'), lastTold: null },
    ])
    // Longer and longer, five minutes at most.
    expect(new Set(tries).size).toBeLessThan(30)
    told.resolve('cart')
    standIn.status = 200
    told.restart()
    for (let i = 0; i < 21; i++) await told.pass(15_000)
    expect(hooked()).toEqual(['cart resolved, stock firing'])
    expect(told.receivers).toMatchObject([{ waiting: 0, problem: '', nextTry: null }])
  })

  test('whoever opens incidents is told of one that is over before anybody could be told', async () => {
    const told = new Told(
      receiver(
        `{ pagerDuty: { routingKey: { file: "${join(folder, 'key')}" }, url: "${standIn.url}/v2/enqueue" }, groupWait: 0s }`,
      ),
    )
    standIn.status = 500
    told.fire(alert('cart'))
    await told.pass()
    told.resolve('cart')
    standIn.status = 202
    await told.pass(HOUR)
    expect(standIn.got.map(({ body }) => (body as { event_action: string }).event_action)).toEqual([
      'trigger',
      'resolve',
    ])
  })

  test('a secret that is no URL is told of, but not shown', async () => {
    const told = new Told(
      receiver(`{ xMatters: { triggerUrl: { secret: { name: there, key: url } } }, groupWait: 0s }`),
    )
    told.fire(alert('cart'))
    await told.pass()
    // The secret of this test is no URL.
    expect(told.receivers[0]?.problem).toBe('what is given as its URL is none')
  })

  test('a silence keeps it quiet, until it is over', async () => {
    const silence =
      'apiVersion: observability.weft.dev/v1alpha1\nkind: Silence\nmetadata: { name: s, namespace: shop }\nspec: { match: { rules: [errors] }, until: "2026-05-13T12:10:00Z", reason: we know }\n'
    const told = new Told(webhook() + silence)
    told.fire(alert('cart'))
    await told.pass(5 * 60_000)
    expect(hooked()).toEqual([])
    await told.pass(5 * 60_000)
    expect(hooked()).toEqual(['cart firing'])
  })

  test('only what it asks for, of its own namespace, and again after a time', async () => {
    const of = (spec: string, name: string, namespace: string) =>
      receiver(`{ webhook: { url: "${standIn.url}/${name}" }, groupWait: 0s${spec} }`, name, namespace)
    const told = new Told(
      of(', match: { severities: [critical] }', 'critical', 'istio-system') +
        of(', match: { labels: { team: shop } }', 'labelled', 'istio-system') +
        of(', repeatAfter: 4h, sendResolved: false', 'again', 'istio-system'),
    )
    const warning = alert('stock', { severity: 'warning' })
    told.fire(alert('cart'), { ...warning, labels: { ...warning.labels, team: 'shop' } })
    await told.pass()
    const paths = () =>
      standIn.got.map(({ path, body }) => `${path} ${(body as { alerts: unknown[] }).alerts.length}`).sort()
    expect(paths()).toEqual(['/again 2', '/critical 1', '/labelled 1'])
    await told.pass(4 * HOUR)
    expect(paths()).toEqual(['/again 2', '/again 2', '/critical 1', '/labelled 1'])
    told.resolve('cart')
    await told.pass()
    expect(paths().filter((path) => path.startsWith('/again'))).toHaveLength(2)
  })

  test('what an author of a namespace may not: read the server, and have it call itself', async () => {
    const told = new Told(
      receiver(`{ webhook: { url: "${standIn.url}" }, groupWait: 0s }`, 'loopback', 'shop') +
        receiver(`{ slack: { webhookUrl: { env: PATH } }, groupWait: 0s }`, 'peeping', 'shop'),
    )
    told.fire(alert('cart'))
    await told.pass()
    expect(told.receivers.map(({ problem }) => problem)).toEqual([
      expect.stringContaining('is an address of the server itself'),
      'only receivers of the root namespace may take secrets from the server',
    ])
    expect(standIn.got).toEqual([])
  })

  test('longer and longer, not all at once, five minutes at most', () => {
    expect([0, 1, 4, 8, 9, 1000].map((failures) => againIn(failures, 1))).toEqual([
      1000, 2000, 16_000, 256_000, 300_000, 300_000,
    ])
    expect(againIn(4, 0)).toBe(8000)
  })
})

describe('secrets', () => {
  const from = { namespace: 'shop', trusted: true, keys: async () => undefined }

  test('from files, the environment and Secrets; what is not there is told by where it should be', async () => {
    expect(await secretAt({ file: join(folder, 'key') }, from)).toBe('s3cret')
    expect(await secretAt({ secret: { name: 'a', key: 'b' } }, { ...from, keys: async () => 'value\n' })).toBe('value')
    await expect(secretAt({ secret: { name: 'a', key: 'b' } }, from)).rejects.toThrow(
      'there is no key b of Secret shop/a',
    )
    await expect(secretAt({ env: 'WEFT_NO_SUCH' }, from)).rejects.toThrow('environment variable WEFT_NO_SUCH')
    await expect(secretAt({ file: join(folder, 'none') }, from)).rejects.toThrow('cannot be read by the server: ENOENT')
    await expect(secretAt({ file: '/etc/passwd' }, { ...from, trusted: false })).rejects.toThrow(Undelivered)
  })

  test('are in no message about a receiver', async () => {
    writeFileSync(join(folder, 'url'), `${standIn.url}/services/T0/B0/s3cret`)
    const told = new Told(receiver(`{ slack: { webhookUrl: { file: "${join(folder, 'url')}" } }, groupWait: 0s }`))
    standIn.status = 404
    told.fire(alert('cart'))
    await told.pass()
    await standIn.close()
    await told.pass(HOUR)
    expect(JSON.stringify(told.receivers)).toContain('does not answer')
    expect(JSON.stringify(told.receivers)).not.toContain('s3cret')
    await standIn.open()
  })
})

describe('what each kind is told', () => {
  const tell = async (spec: string, ...alerts: readonly Alert[]) => {
    const told = new Told(receiver(`{ ${spec}, groupWait: 0s }`))
    told.fire(...alerts)
    await told.pass()
    expect(told.receivers[0]?.problem).toBe('')
    for (const { labels } of alerts) told.resolve(labels['service']?.split('.')[0] ?? '')
    await told.pass(60_000)
    return standIn.got
  }
  const key = () => `{ file: "${join(folder, 'key')}" }`

  test('a webhook: as Alertmanager does, and signed', async () => {
    const [first, second] = await tell(
      `webhook: { url: "${standIn.url}/hook", signWith: ${key()}, bearerToken: ${key()} }`,
      alert('cart'),
    )
    expect(first?.body).toMatchObject({
      version: '4',
      status: 'firing',
      receiver: 'istio-system/r',
      commonLabels: { alertname: 'errors', mesh: 'demo', namespace: 'shop' },
      alerts: [
        {
          status: 'firing',
          annotations: { summary: '12 % of requests to cart.shop failed', runbook_url: 'https://wiki/errors' },
          startsAt: '2026-05-13T12:00:00.000Z',
          endsAt: '0001-01-01T00:00:00Z',
        },
      ],
    })
    expect(first?.headers['authorization']).toBe('Bearer s3cret')
    const [, seconds = '', mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(first?.headers['weft-signature'])) ?? []
    expect(createHmac('sha256', 's3cret').update(`${seconds}.${first?.raw}`).digest('hex')).toBe(mac)
    expect(second?.body).toMatchObject({ status: 'resolved', alerts: [{ endsAt: '2026-05-13T12:00:00.000Z' }] })
    expect(second?.headers['weft-delivery']).not.toBe(first?.headers['weft-delivery'])
  })

  test('PagerDuty: an event with a key for each', async () => {
    standIn.status = 202
    const got = await tell(`pagerDuty: { routingKey: ${key()}, url: "${standIn.url}/v2/enqueue" }`, alert('cart'))
    expect(got.map(({ body }) => body)).toMatchObject([
      {
        routing_key: 's3cret',
        event_action: 'trigger',
        dedup_key: 'demo/rule/shop/errors/cart',
        payload: {
          severity: 'critical',
          source: 'cart.shop.svc.cluster.local',
          summary: expect.stringContaining('12 %'),
        },
      },
      { event_action: 'resolve', dedup_key: 'demo/rule/shop/errors/cart' },
    ])
  })

  test('Slack: one message, in which nothing of others is a mention', async () => {
    writeFileSync(join(folder, 'url'), `${standIn.url}/services/T0/B0/x`)
    const [first] = await tell(
      `slack: { webhookUrl: { file: "${join(folder, 'url')}" }, channel: "#mesh" }`,
      alert('cart', { summary: '<!channel> & more' }),
      alert('stock'),
    )
    expect(first?.path).toBe('/services/T0/B0/x')
    expect(first?.body).toMatchObject({ channel: '#mesh', text: '2 alerts of mesh demo' })
    expect(first?.raw).toContain('FIRING: &lt;!channel&gt; &amp; more')
    expect(first?.raw).not.toContain('<!channel>')
  })

  test('ServiceNow: events, which one of severity 0 clears', async () => {
    const got = await tell(`serviceNow: { instance: "${standIn.url}", user: weft, password: ${key()} }`, alert('cart'))
    expect(got.map(({ path }) => path)).toEqual(['/api/global/em/jsonv2', '/api/global/em/jsonv2'])
    expect(got.map(({ body }) => (body as { records: unknown[] }).records[0])).toMatchObject([
      {
        source: 'Weft',
        severity: '1',
        message_key: 'demo/rule/shop/errors/cart',
        resolution_state: 'New',
        time_of_event: '2026-05-13 12:00:00',
      },
      { severity: '0', message_key: 'demo/rule/shop/errors/cart', resolution_state: 'Closing' },
    ])
    expect(got[0]?.headers['authorization']).toBe(`Basic ${Buffer.from('weft:s3cret').toString('base64')}`)
  })

  test('ServiceNow: an incident, which is found again', async () => {
    let isThere = false
    standIn.answer = ({ method }) => {
      const result = isThere ? [{ sys_id: 'abc' }] : []
      if (method === 'POST') isThere = true
      return JSON.stringify({ result })
    }
    const got = await tell(
      `serviceNow: { instance: "${standIn.url}", table: incident, user: weft, password: ${key()}, assignmentGroup: mesh }`,
      alert('cart'),
    )
    expect(got.map(({ method, path }) => `${method} ${path.split('?')[0]}`)).toEqual([
      'GET /api/now/table/incident',
      'POST /api/now/table/incident',
      'GET /api/now/table/incident',
      'PATCH /api/now/table/incident/abc',
    ])
    expect(got[1]?.body).toMatchObject({
      correlation_id: 'demo/rule/shop/errors/cart',
      urgency: '1',
      assignment_group: 'mesh',
    })
    expect(got[3]?.body).toMatchObject({ state: '6' })
  })

  test('xMatters: the properties of a flow', async () => {
    writeFileSync(join(folder, 'url'), `${standIn.url}/api/integration/1/functions/x/triggers?apiKey=k`)
    const got = await tell(
      `xMatters: { triggerUrl: { file: "${join(folder, 'url')}" }, recipients: [on-call] }`,
      alert('cart'),
    )
    expect(got.map(({ body }) => body)).toMatchObject([
      {
        properties: { key: 'demo/rule/shop/errors/cart', status: 'firing' },
        priority: 'HIGH',
        recipients: [{ id: 'on-call' }],
      },
      { properties: { status: 'resolved', ended_at: '2026-05-13T12:00:00.000Z' } },
    ])
  })

  test.each(['2c', '3'])('SNMP of version %s: an inform, which is confirmed', async (version) => {
    const told: string[][] = []
    const socket = createSocket('udp4')
    const bind = socket.bind.bind(socket)
    // A port that is free, whatever the library takes for one.
    socket.bind = () => bind(0, '127.0.0.1')
    const listening = once(socket, 'listening')
    const traps = snmp.createReceiver(
      { disableAuthorization: true, dgramModule: { createSocket: () => socket } } as never,
      (error: Error | null, notification: { pdu: { varbinds: { value: unknown }[] } }) => {
        if (!error) told.push(notification.pdu.varbinds.map(({ value }) => String(value)))
      },
    )
    await listening
    const { port } = socket.address()
    const user = { name: 'weft', level: snmp.SecurityLevel.authPriv, authProtocol: snmp.AuthProtocols.sha256 }
    const keys = { authKey: 'longenough', privProtocol: snmp.PrivProtocols.aes, privKey: 'longenough' }
    traps.getAuthorizer().addUser({ ...user, ...keys })
    writeFileSync(join(folder, 'long'), 'longenough')
    const long = `{ file: "${join(folder, 'long')}" }`
    const v3 = version === '3' ? `, user: weft, authKey: ${long}, privKey: ${long}` : ''
    try {
      await tell(`snmp: { address: 127.0.0.1, port: ${port}, version: "${version}"${v3} }`, alert('cart'))
    } finally {
      traps.close()
    }
    expect(told.map((values) => values.slice(1, 5))).toEqual([
      ['1.3.6.1.4.1.8072.9999.9999.7.0.1', 'rule/shop/errors/cart', 'critical', '12 % of requests to cart.shop failed'],
      ['1.3.6.1.4.1.8072.9999.9999.7.0.2', 'rule/shop/errors/cart', 'critical', '12 % of requests to cart.shop failed'],
    ])
  })

  test('a test, to see that the way is open', async () => {
    const told = new Told(webhook())
    await told.test('istio-system/r')
    expect(standIn.got.map(({ body }) => (body as { status: string }).status)).toEqual(['firing', 'resolved'])
    await expect(told.test('istio-system/none')).rejects.toThrow('there is no AlertReceiver')
    standIn.status = 401
    await expect(told.test('istio-system/r')).rejects.toThrow('answers 401')
  })
})
