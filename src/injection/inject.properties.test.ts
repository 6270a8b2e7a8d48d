import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { PodTemplate } from '../resources/core.ts'
import { inject } from './inject.ts'
import { difference, jsonPatch, type Operation } from './json-patch.ts'
import { DEFAULT_SETTINGS, type InjectionSettings } from './settings.ts'

const port = fc.constantFrom<string | number>(80, 8080, 9000, 'http', 'none', '8080')
const path = fc.constantFrom('/', '', 'ready', '/a?b=c', '/a#b', '/$(POD_IP)/$$', '/app-health/a/livez')
const handler = fc.oneof(
  fc
    .record(
      {
        path,
        port,
        scheme: fc.constantFrom('HTTP', 'HTTPS'),
        host: fc.constantFrom('', 'elsewhere'),
        httpHeaders: fc.constant([{ name: 'Host', value: 'a' }]),
      },
      { requiredKeys: ['port'] },
    )
    .map((httpGet) => ({ httpGet })),
  port.map((each) => ({ tcpSocket: { port: each } })),
  fc
    .record({ port: fc.constantFrom(80, 9000), service: fc.constantFrom('', 'a.B') }, { requiredKeys: ['port'] })
    .map((grpc) => ({ grpc })),
  fc.constantFrom({ exec: { command: ['true'] } }, { sleep: { seconds: 5 } }),
  fc.constant({ httpGet: { path: '/app-health/a/livez', port: 15020 } }),
)
const probe = fc
  .tuple(handler, fc.record({ timeoutSeconds: fc.integer({ min: 1, max: 9 }) }, { requiredKeys: [] }))
  .map(([asks, more]) => ({ ...asks, ...more }))
const container = (name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      image: fc.constantFrom('web', 'auto'),
      ports: fc.constantFrom([{ name: 'http', containerPort: 8080 }], [{ containerPort: 8080 }]),
      livenessProbe: probe,
      readinessProbe: probe,
      startupProbe: probe,
      lifecycle: fc.record({ postStart: handler, preStop: handler }, { requiredKeys: [] }),
      restartPolicy: fc.constant('Always'),
    },
    { requiredKeys: ['name', 'image'] },
  )
const annotations = fc.record(
  {
    'traffic.sidecar.istio.io/excludeInboundPorts': fc.constantFrom('8080', '80, 9000'),
    'sidecar.istio.io/userVolume': fc.constant('{"certs":{"emptyDir":{}}}'),
    'proxy.istio.io/config': fc.constant('concurrency: 1'),
    'weft.dev/original': fc.constantFrom(
      '',
      '{}',
      'null',
      '{"probes":{"/app-health/a/livez":{"tcpSocket":{"port":1}}}}',
    ),
  },
  { requiredKeys: [] },
)
const pods: fc.Arbitrary<PodTemplate> = fc.record(
  {
    metadata: fc.record({ annotations, labels: fc.constant({ app: 'web' }) }, { requiredKeys: [] }),
    spec: fc.record(
      {
        containers: fc.tuple(container('a'), container('b')),
        initContainers: fc.oneof(fc.tuple(container('c')), fc.tuple(container('istio-proxy'))),
        volumes: fc.constant([{ name: 'data', emptyDir: {} }]),
      },
      { requiredKeys: ['containers'] },
    ),
  },
  { requiredKeys: ['spec'] },
) as fc.Arbitrary<PodTemplate>

const settings = fc.constantFrom<InjectionSettings>(DEFAULT_SETTINGS, {
  ...DEFAULT_SETTINGS,
  capture: 'init-container',
})

const injected = (pod: PodTemplate, with_: InjectionSettings) =>
  inject({ pod, namespace: { name: 'shop' }, workload: 'web', object: 'Pod shop/web' }, with_)

it('gives the same again of what it gave', () => {
  fc.assert(
    fc.property(pods, settings, (pod, given) => {
      const once = injected(pod, given)
      if (once.outcome === 'injected') expect(injected(once.pod, given)).toEqual(once)
    }),
  )
})

it('can be asked with other settings later, as if it had been so with these from the beginning', () => {
  fc.assert(
    fc.property(pods, settings, settings, (pod, first, second) => {
      const once = injected(pod, first)
      if (once.outcome === 'injected') expect(injected(once.pod, second)).toEqual(injected(pod, second))
    }),
  )
})

it('is made of its pod by the patch', () => {
  fc.assert(
    fc.property(pods, settings, (pod, given) => {
      const injection = injected(pod, given)
      if (injection.outcome !== 'injected') return
      const operations = difference(pod, injection.pod)
      expect(applied(pod, operations)).toEqual(JSON.parse(JSON.stringify(injection.pod)))
      for (const { path } of jsonPatch(operations)) expect(path).toMatch(/^\/(metadata|spec)/)
    }),
  )
})

it('leaves each probe and hook one way to ask, as an API server wants it', () => {
  fc.assert(
    fc.property(pods, settings, (pod, given) => {
      const injection = injected(pod, given)
      if (injection.outcome !== 'injected') return
      for (const { livenessProbe, readinessProbe, startupProbe, lifecycle } of injection.pod.spec?.containers ?? []) {
        for (const asks of [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop]) {
          const ways = Object.keys(asks ?? {}).filter((way) => WAYS.has(way))
          expect(ways).toHaveLength(asks ? 1 : 0)
        }
      }
    }),
  )
})

const WAYS: ReadonlySet<string> = new Set(['exec', 'grpc', 'httpGet', 'sleep', 'tcpSocket'])

type Fields = Record<string | number, unknown>

function applied(pod: PodTemplate, operations: readonly Operation[]): unknown {
  const result = JSON.parse(JSON.stringify(pod)) as Fields
  for (const operation of operations) {
    const last = operation.path.at(-1) ?? ''
    const parent = operation.path.slice(0, -1).reduce((inner, part) => inner[part] as Fields, result)
    if (operation.op === 'remove') delete parent[last]
    else parent[last] = operation.value
  }
  return JSON.parse(JSON.stringify(result))
}
