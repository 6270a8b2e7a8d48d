import { describe, expect, test } from 'vitest'
import { KINDS, type KindId } from './kinds.ts'
import { fieldText } from './message.ts'
import { parseYaml } from './parse.ts'
import { validate } from './validate.ts'

/** `field: problem; remedy [rule]` of all that is wrong with a spec. */
function wrong(kind: KindId, spec: unknown, rest: object = {}): string[] {
  return validate(KINDS[kind], {
    apiVersion: 'v1',
    kind: 'X',
    metadata: { name: 'a' },
    ...(spec ? { spec } : {}),
    ...rest,
  }).map(({ path, problem, remedy, rule }) => `${fieldText(path)}: ${problem}; ${remedy} [${rule}]`)
}

const VIRTUAL_SERVICE = 'networking.istio.io/VirtualService'
const route = [{ destination: { host: 'reviews' } }]

describe('fields that there are not', () => {
  test.each([
    [{ ruote: route }, 'spec.http[0].ruote: there is no such field; did you mean "route"?'],
    [{ route, Timeout: '1s' }, 'spec.http[0].Timeout: there is no such field; did you mean "timeout"?'],
    [
      { route, attempts: 3 },
      'spec.http[0].attempts: there is no such field; it belongs inside "retries": check the indentation',
    ],
    [
      { destination: {} },
      'spec.http[0].destination: there is no such field; it belongs inside an item of "mirrors" or an item of "route": check the indentation',
    ],
    [
      { route: [{ destination: { host: 'a', weight: 1 } }] },
      'spec.http[0].route[0].destination.weight: there is no such field; it belongs further out, in the item of "route": check the indentation',
    ],
    [
      { route: [{ destination: { host: 'a', exportTo: ['.'] } }] },
      'spec.http[0].route[0].destination.exportTo: there is no such field; it belongs further out, in "spec": check the indentation',
    ],
    [
      { route: [{ destination: { host: 'a', zzz: 1 } }] },
      'spec.http[0].route[0].destination.zzz: there is no such field; use one of host, port and subset',
    ],
    [{ route, constructor: 1 }, /^spec\.http\[0\]\.constructor: there is no such field; use one of corsPolicy, /],
  ])('%j', (http, expected) => {
    const found = wrong(VIRTUAL_SERVICE, { hosts: ['a'], http: [http] }).map((text) =>
      text.replace(' [unknown-field]', ''),
    )
    expect(found).toEqual([typeof expected === 'string' ? expected : expect.stringMatching(expected)])
  })

  test('at the top of the object, and in the wrong half of it', () => {
    expect(wrong('core/Service', {}, { labels: {} })).toEqual([
      'labels: there is no such field; it belongs inside "metadata": check the indentation [unknown-field]',
    ])
    expect(wrong('core/Service', { metadata: {} })).toEqual([
      'spec.metadata: there is no such field; it belongs further out, at the top of the object: check the indentation [unknown-field]',
    ])
  })

  test('a required field that is misspelled is not missing, too', () => {
    expect(wrong('core/Service', { ports: [{ prot: 80 }] })).toEqual([
      'spec.ports[0].prot: there is no such field; did you mean "port"? [unknown-field]',
    ])
    expect(wrong('core/Service', { ports: [{ name: 'http' }] })).toEqual([
      'spec.ports[0].port: is missing; add port [missing-field]',
    ])
  })

  test('any label, annotation and status is taken', () => {
    expect(wrong('core/Service', {}, { metadata: { name: 'a', labels: { x: 'y' } }, status: { x: 1 } })).toEqual([])
  })
})

describe('values of another type', () => {
  test.each([
    [{ timeout: 5 }, 'timeout: is the number 5, must be a string; put it in quotes: "5"'],
    [{ timeout: null }, 'timeout: is empty (null), must be a string; give it a value or leave the field out'],
    [{ timeout: ['5s'] }, 'timeout: is a list, must be a string; write a single value'],
    [
      { retries: { attempts: '3' } },
      'retries.attempts: is the string "3", must be an integer; write it without quotes: 3',
    ],
    [{ retries: { attempts: 1.5 } }, 'retries.attempts: is the number 1.5, must be an integer; write a whole number'],
    [{ retries: [{ attempts: 1 }] }, 'retries: is a list, must be a map; write it as a map, without "- "'],
    [{ retries: 3 }, 'retries: is the number 3, must be a map; write it as a map, of lines "key: value"'],
    [{ match: { uri: {} } }, 'match: is a map, must be a list; write it as a list, with "- " before each item'],
    [{ route: 'a' }, 'route: is the string "a", must be a list; put it into a list, after "- "'],
    [
      { corsPolicy: { allowCredentials: 'true' } },
      'corsPolicy.allowCredentials: is the string "true", must be true or false; write it without quotes: true',
    ],
    [
      { corsPolicy: { allowCredentials: 'sure' } },
      'corsPolicy.allowCredentials: is the string "sure", must be true or false; write true or false',
    ],
    [
      { mirrorPercentage: { value: '50' } },
      'mirrorPercentage.value: is the string "50", must be a number; write it without quotes: 50',
    ],
  ])('%j', (http, expected) => {
    expect(wrong(VIRTUAL_SERVICE, { http: [http] })).toEqual([`spec.http[0].${expected} [wrong-type]`])
  })

  test('an integer or a string may be either', () => {
    expect(
      wrong('core/Service', {
        ports: [
          { port: 80, targetPort: 'http' },
          { port: 81, targetPort: 8081 },
        ],
      }),
    ).toEqual([])
    expect(wrong('core/Service', { ports: [{ port: 80, targetPort: true }] })).toEqual([
      'spec.ports[0].targetPort: is the boolean true, must be an integer or a string; put it in quotes: "true" [wrong-type]',
    ])
  })

  test('a quantity may be a number', () => {
    const containers = [{ name: 'a', resources: { limits: { cpu: 1, memory: '1Gi' } } }]
    expect(wrong('core/Pod', { containers })).toEqual([])
  })

  test('what YAML took for something else is quoted as it was written', () => {
    const yaml = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a}
spec:
  host: a
  subsets:
  - name: v1
    labels: {version: 1.10, canary: yes}
`
    expect(parseYaml(yaml, 'a.yaml').messages.map(({ remedy }) => remedy)).toEqual([
      'put it in quotes: "1.10"',
      'put it in quotes: "yes"',
    ])
  })
})

describe('values that are not allowed', () => {
  test('one of some', () => {
    const mode = (mode: string) => wrong('security.istio.io/PeerAuthentication', { mtls: { mode } })
    expect(mode('STRICT')).toEqual([])
    expect(mode('STRCT')).toEqual([
      'spec.mtls.mode: is the string "STRCT", which is not allowed; did you mean "STRICT"? It can be UNSET, DISABLE, PERMISSIVE or STRICT [not-allowed-value]',
    ])
    expect(mode('ON')).toEqual([
      'spec.mtls.mode: is the string "ON", which is not allowed; use one of UNSET, DISABLE, PERMISSIVE and STRICT [not-allowed-value]',
    ])
  })

  test('what API servers check in code', () => {
    expect(wrong('core/Service', { type: 'Loadbalancer', ports: [{ port: 0, protocol: 'HTTP' }] })).toEqual([
      'spec.ports[0].port: is the number 0, must be at least 1; use a number from 1 to 65535 [out-of-range]',
      'spec.ports[0].protocol: is the string "HTTP", which is not allowed; use one of TCP, UDP and SCTP [not-allowed-value]',
      'spec.type: is the string "Loadbalancer", which is not allowed; did you mean "LoadBalancer"? It can be ClusterIP, NodePort, LoadBalancer or ExternalName [not-allowed-value]',
    ])
  })

  test('what Istio checks in code or in CEL', () => {
    const http = {
      route,
      timeout: 'soon',
      retries: { attempts: -1, perTryTimeout: '0s' },
      redirect: { redirectCode: 305 },
    }
    const fault = { abort: { httpStatus: 99, percentage: { value: 101 } } }
    expect(wrong(VIRTUAL_SERVICE, { hosts: ['a'], http: [{ ...http, fault }] }).sort()).toEqual([
      'spec.http[0].fault.abort.httpStatus: is the number 99, must be at least 200; use a number from 200 to 599 [out-of-range]',
      'spec.http[0].fault.abort.percentage.value: is the number 101, must be at most 100; use a number from 0 to 100 [out-of-range]',
      'spec.http[0].redirect.redirectCode: is the number 305, which is not allowed; use one of 301, 302, 303, 307 and 308 [not-allowed-value]',
      'spec.http[0].retries.attempts: is the number -1, must be at least 0; use a number in that range [out-of-range]',
      expect.stringMatching(
        /^spec.http\[0\].retries.perTryTimeout: is the string "0s", must be a duration of 1ms to 100 /,
      ),
      'spec.http[0].timeout: is the string "soon", must be a duration of 1ms to 100 years; write it with its unit, like "5s", "100ms" or "1h30m"; leave the field out for none [wrong-format]',
    ])
    const tcp = { maxConnections: -1, idleTimeout: '0s', connectTimeout: '999999999h' }
    expect(
      wrong('networking.istio.io/DestinationRule', { host: 'a', trafficPolicy: { connectionPool: { tcp } } }),
    ).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^spec\.trafficPolicy\.connectionPool\.tcp\.maxConnections: is the number -1/),
        expect.stringMatching(/^spec\.trafficPolicy\.connectionPool\.tcp\.connectTimeout: is the string "999999999h"/),
      ]),
    )
    const server = { port: { number: 443, name: 'a', protocol: 'HTTPS' }, hosts: ['a'] }
    const tls = { mode: 'SIMPLE', credentialName: 'a', credentialNames: ['a', 'b'] }
    expect(wrong('networking.istio.io/Gateway', { servers: [{ ...server, tls }] })).toEqual([
      'spec.servers[0].tls: sets credentialName and credentialNames, of which only one can be set; keep one of credentialName and credentialNames [exclusive-fields]',
    ])
    expect(wrong('security.istio.io/PeerAuthentication', { selector: { matchLabels: { app: 'a*' } } })).toEqual([
      'spec.selector.matchLabels.app: is the string "a*", must be without "*"; write what is meant in full: there are no wildcards here [wrong-format]',
    ])
  })

  test('fields that exclude each other, or of which one is needed', () => {
    const uri = (uri: object) => wrong(VIRTUAL_SERVICE, { http: [{ match: [{ uri }] }] })
    expect(uri({ exact: '/a' })).toEqual([])
    expect(uri({})).toEqual([])
    expect(uri({ exact: '/a', prefix: '/b' })).toEqual([
      'spec.http[0].match[0].uri: sets exact and prefix, of which only one can be set; keep one of exact and prefix [exclusive-fields]',
    ])
    const consistentHash = { useSourceIp: true, httpHeaderName: 'x', ringHash: {}, maglev: {} }
    const rule = { host: 'a', trafficPolicy: { loadBalancer: { consistentHash } } }
    expect(wrong('networking.istio.io/DestinationRule', rule)).toEqual([
      expect.stringContaining('sets httpHeaderName and useSourceIp, of which only one can be set'),
      expect.stringContaining('sets ringHash and maglev, of which only one can be set'),
    ])
  })

  test('forms of text', () => {
    const rules = [{ timeouts: { request: '10sec' }, backendRefs: [{ name: 'a', port: 70_000 }] }]
    expect(wrong('gateway.networking.k8s.io/HTTPRoute', { hostnames: ['A.com:80'], rules })).toEqual([
      'spec.hostnames[0]: is the string "A.com:80", must be a host name in lower case, maybe with "*." before it; write it like "shop.example.com" or "*.example.com", with no scheme, port or path [wrong-format]',
      'spec.rules[0].backendRefs[0].port: is the number 70000, must be at most 65535; use a number from 1 to 65535 [out-of-range]',
      'spec.rules[0].timeouts.request: is the string "10sec", must be a duration of whole numbers with units h, m, s or ms; write it like "10s", "500ms" or "1h30m" [wrong-format]',
    ])
  })

  test('items that are the same', () => {
    const listener = (name: string) => ({ name, port: 80, protocol: 'HTTP' })
    const gateway = { gatewayClassName: 'weft', listeners: ['a', 'b', 'a'].map(listener) }
    expect(wrong('gateway.networking.k8s.io/Gateway', gateway)).toEqual([
      'spec.listeners[2]: has the same name as another item, item 0 (counted from 0); give it another name, or keep one of them [duplicate-item]',
    ])
    const rules = [{ retry: { codes: [500, 503, 503] } }]
    expect(wrong('gateway.networking.k8s.io/HTTPRoute', { rules })).toEqual([
      'spec.rules[0].retry.codes[2]: is in the list already, item 1 (counted from 0); keep one of them [duplicate-item]',
    ])
    // Kubernetes lets the last one win.
    const env = [{ name: 'A' }, { name: 'A' }]
    expect(wrong('core/Pod', { containers: [{ name: 'a', env }] })).toEqual([])
  })

  test('too few and too many', () => {
    expect(wrong('gateway.networking.k8s.io/Gateway', { gatewayClassName: 'weft', listeners: [] })).toEqual([
      'spec.listeners: has 0 items, must have at least 1; give it one, or leave the field out if it can be [too-short]',
    ])
    const hostnames = Array.from({ length: 17 }, (_, i) => `a${i}.com`)
    expect(wrong('gateway.networking.k8s.io/HTTPRoute', { hostnames })).toEqual([
      'spec.hostnames: has 17 items, must have at most 16; shorten it, or split the object [too-long]',
    ])
  })
})

describe('secrets', () => {
  test('are never shown', () => {
    const secret = (fields: object) => wrong('core/Secret', undefined, fields)
    expect(secret({ data: { key: 'hunter two!' } })).toEqual([
      'data.key: is a string, must be base64; encode it with "base64 -w0", or use stringData where there is one [wrong-format]',
    ])
    expect(secret({ stringData: { pin: 1234 } })).toEqual([
      'stringData.pin: is a number, must be a string; put it in quotes: "..." [wrong-type]',
    ])
  })

  test('base64 may be broken into lines', () => {
    expect(wrong('core/Secret', undefined, { data: { key: 'aGVs\nbG8=\n' } })).toEqual([])
  })
})

test('every kind has a schema that takes its smallest object', () => {
  const broken = Object.values(KINDS).filter((kind) => {
    const found = validate(kind, { apiVersion: 'v1', kind: kind.kind, metadata: { name: 'a' } })
    return found.some(({ rule }) => rule !== 'missing-field')
  })
  expect(broken).toEqual([])
})
