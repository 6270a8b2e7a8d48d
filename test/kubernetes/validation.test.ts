import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { analyze } from '../../src/analysis/analyze.ts'
import { openCa } from '../../src/identity/ca.ts'
import type { Clock } from '../../src/identity/clock.ts'
import { openServingCertificate } from '../../src/identity/serving-certificate.ts'
import { type Message, messageText } from '../../src/resources/message.ts'
import { readObject } from '../../src/resources/read-object.ts'
import type { Resource } from '../../src/resources/resource.ts'
import { validationWebhook } from '../../src/server/validation-webhook.ts'
import { serveWebhooks } from '../../src/server/webhook-port.ts'
import { ApiServer } from '../../src/sources/kubernetes/api-server.ts'
import { KubernetesSource } from '../../src/sources/kubernetes/kubernetes-source.ts'
import { Store } from '../../src/store/store.ts'
import { freePort } from '../free-port.ts'
import { ApiServerLab, noLab } from './api-server-lab.ts'

if (noLab) console.warn(`skipping the tests of the validation webhook: ${noLab}`)

const NAMESPACE = '/apis/networking.istio.io/v1/namespaces/default'
const ROUTES = `${NAMESPACE}/virtualservices`
const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'

/** A real API server that asks a real webhook, as it is served in a cluster. */
describe.skipIf(noLab)('the validation webhook', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-validation-'))
  const logged: string[] = []
  const log = (severity: string, text: string) => logged.push(`${severity}: ${text}`)
  let lab: ApiServerLab
  let store: Store
  let close: () => Promise<void> = async () => {}
  /** It has to fail. */
  let broken = false

  beforeAll(async () => {
    lab = await ApiServerLab.start()
    await lab.installDefinitions()
    await lab.must('POST', '/api/v1/namespaces/default/services', service('reviews'))
    store = new Store()
    const server = new ApiServer({ kubeconfig: lab.kubeconfig('admin') })
    const source = new KubernetesSource({ server, store, log })
    source.start()
    await store.synced()
    const ca = await openCa(folder, { log })
    const serving = await openServingCertificate(ca, { log })
    const port = await freePort()
    const shown = new Proxy(store, {
      get(target, name) {
        if (broken && name === 'snapshot') throw new Error('out of order')
        const value = Reflect.get(target, name, target) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const webhooks = await serveWebhooks({ host: '127.0.0.1', port }, ca, serving, (app) =>
      validationWebhook(app, { store: shown, log }),
    )
    await lab.must('POST', CONFIGURATIONS, configuration(`https://127.0.0.1:${port}/validate`, ca.trustBundlePem))
    close = async () => {
      serving.close()
      await webhooks.close()
      source.close()
    }
    // The API server asks only after it has read of the webhook.
    while ((await lab.request('POST', `${ROUTES}?dryRun=All`, weights('probe', 0))).status !== 422) await after(50)
  })
  afterAll(async () => {
    await close()
    await lab?.close()
    rmSync(folder, { recursive: true })
  })

  const create = (object: { readonly kind: string; readonly [field: string]: unknown }, query = '') =>
    lab.request('POST', `${pathOf(object)}${query}`, object)
  const messageOf = (body: unknown) => (body as { message: string }).message

  test('refuses what analysis finds wrong, in its words', async () => {
    const { status, body } = await create(virtualService('lost', 'revews'))
    expect(status).toBe(422)
    const said = messageOf(body)
    expect(said).toContain('admission webhook "validator.weft.dev" denied the request: VirtualService default/lost: ')
    const { resource } = readObject(virtualService('lost', 'revews'), undefined, {})
    const [message] = analyze(store.snapshot.with([{ put: resource as Resource }])).filter(
      ({ object }) => object === 'VirtualService default/lost',
    )
    expect(messageText(message as Message)).toContain('[route-to-missing-host]')
    expect(said).toContain(messageText(message as Message).replace('error: ', ''))
  })

  test('lets good ones in, and says what is odd about them as warnings', async () => {
    expect(await create(virtualService('good', 'reviews'))).toMatchObject({ status: 201, warnings: [] })
    const odd = virtualService('odd', 'reviews', 'elsewhere.example.org')
    odd.spec.http.push(odd.spec.http[0] as Rule)
    const { status, warnings } = await create(odd)
    expect(status).toBe(201)
    expect(warnings.join('\n')).toContain('[unreachable-rule]')
  })

  test('waits a moment for what was made just before', async () => {
    // One after the other, as kubectl does: the second is asked about before anybody has told of the first.
    const name = 'just-made'
    await lab.must('POST', '/api/v1/namespaces/default/services', service(name))
    expect((await create(virtualService(name, name, name))).status).toBe(201)
  })

  test('refuses new problems only, and never a deletion', async () => {
    await lab.must('POST', '/api/v1/namespaces/default/services', service('brief'))
    expect((await create(virtualService('brief', 'brief', 'brief'))).status).toBe(201)
    await lab.must('DELETE', '/api/v1/namespaces/default/services/brief')
    await expect.poll(() => store.snapshot.get('core/Service', 'default/brief')).toBeUndefined()
    const path = `${ROUTES}/brief`
    const merge = 'application/merge-patch+json'
    // It was wrong before: what is said of it is a warning now.
    const labelled = await lab.request('PATCH', path, { metadata: { labels: { edited: 'yes' } } }, merge)
    expect(labelled.status).toBe(200)
    expect(labelled.warnings.join()).toContain('[route-to-missing-host]')
    const other = await lab.request('PATCH', path, virtualService('brief', 'another', 'brief'), merge)
    expect(other.status).toBe(422)
    expect((await lab.request('DELETE', path)).status).toBe(200)
  })

  test('warns of what a change would break elsewhere', async () => {
    const rule = (subsets: readonly string[]) => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name: 'parts' },
      spec: { host: 'parts', subsets: subsets.map((name) => ({ name, labels: { version: name } })) },
    })
    await lab.must('POST', '/api/v1/namespaces/default/services', service('parts'))
    expect((await create(rule(['v1', 'v2']))).status).toBe(201)
    const route = virtualService('parts', 'parts', 'parts')
    const destination = { host: 'parts', subset: 'v2' }
    expect((await create({ ...route, spec: { ...route.spec, http: [{ route: [{ destination }] }] } })).status).toBe(201)
    await expect.poll(() => store.snapshot.get('networking.istio.io/VirtualService', 'default/parts')).toBeDefined()
    const path = `${NAMESPACE}/destinationrules/parts`
    const merge = 'application/merge-patch+json'
    const { status, warnings } = await lab.request('PATCH', path, rule(['v1']), merge)
    expect(status).toBe(200)
    expect(warnings.join()).toContain('with this DestinationRule, VirtualService default/parts: spec.http[0].route[0]')
    // It is known by now.
    await expect
      .poll(async () => {
        const again = await lab.request('PATCH', path, { metadata: { annotations: { at: String(Date.now()) } } }, merge)
        return again.warnings.join()
      })
      .not.toContain('VirtualService')
  })

  test('warns of references that are not there when something is only tried', async () => {
    const { status, warnings } = await create(virtualService('tried', 'not-yet', 'not-yet'), '?dryRun=All')
    expect(status).toBe(201)
    expect(warnings.join()).toContain('[route-to-missing-host]')
    expect((await create(weights('tried', 0), '?dryRun=All')).status).toBe(422)
  })

  test('leaves it to conditions to say what is wrong with objects of the Gateway API', async () => {
    const route = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'lost' },
      spec: { parentRefs: [{ name: 'nowhere' }], rules: [{ backendRefs: [{ name: 'nothing', port: 80 }] }] },
    }
    const { status, warnings } = await lab.request(
      'POST',
      '/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes',
      route,
    )
    expect(status).toBe(201)
    expect(warnings.join()).toContain('[missing-parent]')
    expect(warnings.join()).toContain('[missing-backend]')
  })

  test('with a certificate that has expired stands in the way in words, and goes on when it is renewed', async () => {
    const clock = new TurnedClock()
    const ca = await openCa(join(folder, 'expiring'), { log, clock })
    const serving = await openServingCertificate(ca, { log, clock })
    const port = await freePort()
    const webhooks = await serveWebhooks({ host: '127.0.0.1', port }, ca, serving, (app) =>
      validationWebhook(app, { store, log }),
    )
    const given = configuration(`https://127.0.0.1:${port}/validate`, ca.trustBundlePem)
    // As the webhook for injection has it.
    const [webhook] = given.webhooks
    const strict = {
      metadata: { name: 'expiring' },
      webhooks: [{ ...webhook, name: 'expiring.weft.dev', failurePolicy: 'Fail' }],
    }
    try {
      await lab.must('POST', CONFIGURATIONS, strict)
      const ask = () => create(virtualService('expiring', 'reviews', 'expiring.example.com'), '?dryRun=All')
      await expect.poll(async () => (await ask()).status, { timeout: 30_000 }).toBe(500)
      expect(messageOf((await ask()).body)).toMatch(/"expiring.weft.dev".*certificate has expired/)
      clock.turn(0)
      await expect.poll(async () => (await ask()).status, { timeout: 30_000 }).toBe(201)
    } finally {
      await lab.must('DELETE', `${CONFIGURATIONS}/expiring`)
      serving.close()
      await webhooks.close()
    }
  }, 120_000)

  test('refuses nothing when it fails, or is away', async () => {
    broken = true
    const { status, warnings } = await create(weights('unchecked', 0))
    broken = false
    expect(status).toBe(201)
    expect(warnings).toEqual(['Weft could not check this object: see the log of weft-server'])
    expect(logged.join('\n')).toContain('error: could not check an object: Error: out of order')
    await close()
    expect((await create(weights('away', 0))).status).toBe(201)
  })
})

/** Two hours slow, so that what lives for an hour has ended. */
class TurnedClock implements Clock {
  #shiftMs = -7_200_000
  #tasks: (() => void)[] = []

  now(): number {
    return Date.now() + this.#shiftMs
  }

  schedule(_: number, task: () => void): () => void {
    this.#tasks.push(task)
    return () => {}
  }

  /** What was to be done later is done now. */
  turn(shiftMs: number): void {
    this.#shiftMs = shiftMs
    for (const task of this.#tasks.splice(0)) task()
  }
}

interface Rule {
  readonly route: readonly { readonly destination: { readonly host: string }; readonly weight?: number }[]
}

function pathOf({ kind }: { readonly kind: string }): string {
  return `${NAMESPACE}/${kind.toLowerCase()}s`
}

function virtualService(name: string, host: string, of = 'reviews') {
  const http: Rule[] = [{ route: [{ destination: { host } }] }]
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name },
    spec: { hosts: [of], http },
  }
}

/** One of which all weights together are nothing. */
function weights(name: string, weight: number) {
  const destination = { host: 'reviews' }
  const http: Rule[] = [
    {
      route: [
        { destination, weight },
        { destination, weight },
      ],
    },
  ]
  return { ...virtualService(name, 'reviews'), spec: { hosts: [`${name}.example.org`], http } }
}

function service(name: string) {
  return { metadata: { name }, spec: { selector: { app: name }, ports: [{ name: 'http', port: 9080 }] } }
}

/** As it is installed, but that it is reached by its address. */
function configuration(url: string, roots: string) {
  const apiGroups = ['networking.istio.io', 'security.istio.io', 'gateway.networking.k8s.io']
  const webhook = {
    name: 'validator.weft.dev',
    clientConfig: { url, caBundle: Buffer.from(roots).toString('base64') },
    rules: [{ apiGroups, apiVersions: ['*'], operations: ['CREATE', 'UPDATE'], resources: ['*'], scope: '*' }],
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    failurePolicy: 'Ignore',
    timeoutSeconds: 10,
  }
  return { metadata: { name: 'weft-validator' }, webhooks: [webhook] }
}
