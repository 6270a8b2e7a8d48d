import Fastify from 'fastify'
import { expect, it } from 'vitest'
import { admit, type ReviewAnswer } from './admission.ts'
import { DEFAULT_SETTINGS } from './settings.ts'
import { injectionWebhook } from './webhook.ts'

const lookups = { namespaceLabels: () => ({ 'istio-injection': 'enabled' }) }

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    generateName: 'web-6d4cf56db6-',
    labels: { 'pod-template-hash': '6d4cf56db6' } as Record<string, string>,
    annotations: {} as Record<string, string>,
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-6d4cf56db6', uid: 'r', controller: true },
    ],
  },
  spec: {
    containers: [{ name: 'web', image: 'example.com/web:1', livenessProbe: { httpGet: { path: '/a/b~c', port: 80 } } }],
  },
}

const review = (object: unknown, operation = 'CREATE') => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: { uid: 'u-1', operation, namespace: 'shop', object },
})

type Fields = Record<string | number, unknown>

/** Applies a JSON patch as RFC 6902 says. */
function patched(object: unknown, { response }: ReviewAnswer): unknown {
  const result = structuredClone(object) as Fields
  const operations = response.patch ? JSON.parse(Buffer.from(response.patch, 'base64').toString()) : []
  for (const { op, path, value } of operations) {
    const parts = path.split('/').slice(1)
    const names = parts.map((part: string) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = names.pop()
    const parent = names.reduce((inner: Fields, name: string) => inner[name] as Fields, result)
    expect(op === 'add' || last in parent, `${op} ${path}`).toBe(true)
    if (op === 'remove') delete parent[last]
    else parent[last] = value
  }
  return result
}

it('answers with a patch that gives the pod its proxy, and is called after its Deployment', async () => {
  const answer = await admit(review(pod), DEFAULT_SETTINGS, lookups)
  expect(answer).toMatchObject({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: 'u-1', allowed: true, patchType: 'JSONPatch' },
  })
  expect(patched(pod, answer)).toMatchObject({
    kind: 'Pod',
    metadata: { labels: { 'security.istio.io/tlsMode': 'istio', 'service.istio.io/canonical-name': 'web' } },
    spec: {
      initContainers: [{ name: 'weft-proxy', restartPolicy: 'Always' }],
      containers: [{ livenessProbe: { httpGet: { path: '/app-health/web/livez', port: 15020 } } }],
    },
  })
})

it('is as if other webhooks had come first, when it is asked again after them', async () => {
  const once = patched(pod, await admit(review(pod), DEFAULT_SETTINGS, lookups)) as typeof pod
  const added = { name: 'log', image: 'example.com/log:1', readinessProbe: { tcpSocket: { port: 514 } } }
  // API servers fill in what is not set.
  const [web] = once.spec.containers
  const defaulted = {
    ...web,
    livenessProbe: { httpGet: { ...web?.livenessProbe.httpGet, scheme: 'HTTP' }, timeoutSeconds: 1 },
  }
  const later = { ...once, spec: { ...once.spec, containers: [defaulted, added] } }
  const asked = await admit(review(later), DEFAULT_SETTINGS, lookups)
  const [withProbe] = pod.spec.containers
  const written = { ...withProbe, livenessProbe: { ...withProbe?.livenessProbe, timeoutSeconds: 1 } }
  const both = { ...pod, spec: { containers: [written, added] } }
  const atOnce = await admit(review(both), DEFAULT_SETTINGS, lookups)
  expect(patched(later, asked)).toEqual(patched(both, atOnce))
  expect(patched(later, asked)).toMatchObject({
    spec: { containers: [{}, { readinessProbe: { httpGet: { path: '/app-health/log/readyz' } } }] },
  })
})

it('has nothing to say about a pod that has all it needs', async () => {
  const once = patched(pod, await admit(review(pod), DEFAULT_SETTINGS, lookups))
  const again = await admit(review(once), DEFAULT_SETTINGS, lookups)
  expect(again.response).toEqual({ uid: 'u-1', allowed: true })
})

it.each([
  ['an update', review(pod, 'UPDATE')],
  ['another kind', review({ ...pod, apiVersion: 'apps/v1', kind: 'Deployment' })],
  ['a pod of another shape', review({ ...pod, spec: { containers: 'none' } })],
  ['no object', review(undefined)],
  ['a pod that does without', review({ ...pod, metadata: { labels: { 'sidecar.istio.io/inject': 'false' } } })],
])('lets %s through as it is', async (_, given) => {
  expect(await admit(given, DEFAULT_SETTINGS, lookups)).toEqual({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: 'u-1', allowed: true },
  })
})

it('refuses in words, with warnings', async () => {
  const annotations = { 'sidecar.istio.io/proxyCPU': 'lots', 'sidecar.istio.io/agentLogLevel': 'debug' }
  const { response } = await admit(review({ ...pod, metadata: { annotations } }), DEFAULT_SETTINGS, lookups)
  expect(response).toEqual({
    uid: 'u-1',
    allowed: false,
    status: {
      code: 400,
      reason: 'BadRequest',
      message:
        'weft: metadata.annotations["sidecar.istio.io/proxyCPU"]: "lots" is no quantity; write one such as "100m" or "128Mi"',
    },
    warnings: ['metadata.annotations["sidecar.istio.io/agentLogLevel"]: does nothing here; leave it out'],
  })
})

it('leaves it to the failure policy what becomes of pods when it fails itself', async () => {
  const lines: string[] = []
  const app = Fastify()
  const broken = {
    namespaceLabels: () => {
      throw new Error('the API server is away')
    },
  }
  injectionWebhook(app, {
    settings: () => DEFAULT_SETTINGS,
    lookups: broken,
    log: (level, text) => lines.push(`${level} ${text.split('\n')[0]}`),
  })
  const post = (payload: object) => app.inject({ method: 'POST', url: '/inject', payload })
  expect((await post(review(pod))).statusCode).toBe(500)
  expect(lines).toEqual(['error could not look at a pod: Error: the API server is away'])
  expect((await post({ kind: 'Pod' })).json()).toEqual({
    error: 'this is no AdmissionReview of admission.k8s.io/v1 with a request',
  })
  await app.close()
})
