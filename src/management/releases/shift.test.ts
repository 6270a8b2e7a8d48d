import { describe, expect, test } from 'vitest'
import { snapshotOfYaml } from '../../mesh/snapshot-of-yaml.ts'
import { edited, type ReleaseObjects, type VersionService } from './routes.ts'
import { NoShift, parseShares } from './shares.ts'
import { planMirror, planNoAudience, planShift, type ShiftRequest } from './shift.ts'

const HOST = 'reviews.default.svc.cluster.local'

const SUBSETS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec: { host: reviews, subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }] }
`

const ROUTES = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - name: jason
      match: [{ headers: { end-user: { exact: jason } } }]
      route: [{ destination: { host: reviews, subset: v2 } }]
    - route:
        - { destination: { host: reviews, subset: v1, port: { number: 9080 } }, weight: 100, headers: { request: { set: { a: b } } } }
`

function objects(
  texts: readonly string[],
  versions: readonly string[] = [],
  versionServices: readonly VersionService[] = [],
): ReleaseObjects {
  const snapshot = snapshotOfYaml(texts.join('---\n'))
  return {
    virtualServices: [...snapshot.all('networking.istio.io/VirtualService').values()],
    httpRoutes: [...snapshot.all('gateway.networking.k8s.io/HTTPRoute').values()],
    destinationRules: [...snapshot.all('networking.istio.io/DestinationRule').values()],
    versions,
    versionServices,
  }
}

function plan(texts: readonly string[], request: Partial<ShiftRequest> = {}, versions: readonly string[] = []) {
  return planShift({ host: HOST, shares: parseShares(['v1=90', 'v2=10']), ...request }, objects(texts, versions))
}

test('the last rule for the host is changed, and what else it says stays', () => {
  const { edit, created, before } = plan([SUBSETS, ROUTES])
  expect(created).toEqual([])
  expect(before).toEqual(new Map([['v1', 100]]))
  expect([edit?.path, edit?.index]).toEqual([['spec', 'http'], 1])
  const port = { number: 9080 }
  const after = [
    { destination: { host: 'reviews', subset: 'v1', port }, weight: 90, headers: { request: { set: { a: 'b' } } } },
    { destination: { host: 'reviews', subset: 'v2', port }, weight: 10 },
  ]
  expect(edit?.after).toEqual({ route: after })
  expect(edit && edited(edit)).toMatchObject({ spec: { http: [{ name: 'jason' }, { route: after }] } })
})

test('a rule by its name', () => {
  expect(plan([SUBSETS, ROUTES], { route: 'jason' }).edit?.index).toBe(0)
  expect(() => plan([SUBSETS, ROUTES], { route: 'anna' })).toThrow(/no rule called "anna" leads to/)
})

test('a VirtualService of a gateway for the host is changed where the host has none of its own', () => {
  const gateway = ROUTES.replace('hosts: [reviews]', 'hosts: ["*"], gateways: [way-in]')
    .replace('name: reviews', 'name: way-in')
    .replace(
      /spec:[\s\S]*/,
      'spec: { hosts: ["*"], gateways: [way-in], http: [{ route: [{ destination: { host: reviews } }] }] }\n',
    )
  expect(plan([SUBSETS, gateway]).edit?.object.metadata.name).toBe('way-in')
  expect(plan([SUBSETS, gateway, ROUTES]).edit?.object.metadata.name).toBe('reviews')
})

test('where there is nothing, both objects are made, with subsets by version', () => {
  const { edit, created } = plan([], {}, ['v1', 'v2'])
  expect(edit).toBeUndefined()
  expect(created).toEqual([
    expect.objectContaining({
      kind: 'DestinationRule',
      spec: {
        host: HOST,
        subsets: [
          { name: 'v1', labels: { version: 'v1' } },
          { name: 'v2', labels: { version: 'v2' } },
        ],
      },
    }),
    expect.objectContaining({
      kind: 'VirtualService',
      metadata: { name: 'reviews', namespace: 'default' },
      spec: {
        hosts: [HOST],
        http: [
          {
            route: [
              { destination: { host: HOST, subset: 'v1' }, weight: 90 },
              { destination: { host: HOST, subset: 'v2' }, weight: 10 },
            ],
          },
        ],
      },
    }),
  ])
})

describe('for an audience', () => {
  const jason = { by: 'header', name: 'end-user', value: 'anna' } as const
  const beta = { by: 'cookie', name: 'beta', value: 'yes' } as const
  const toV2 = { shares: parseShares(['v2=100']) }

  test('a rule comes before the one that it takes requests from, and says all else that this one says', () => {
    const { edit } = plan([SUBSETS, ROUTES.replace('    - route:', '    - timeout: 3s\n      route:')], {
      ...toV2,
      audience: jason,
    })
    expect(edit).toMatchObject({ index: 1, before: undefined })
    const route = [{ destination: { host: 'reviews', subset: 'v2', port: { number: 9080 } }, weight: 100 }]
    expect(edit?.after).toEqual({
      name: 'end-user-anna',
      match: [{ headers: { 'end-user': { exact: 'anna' } } }],
      timeout: '3s',
      route,
    })
    expect(edit && edited(edit)).toMatchObject({ spec: { http: [{ name: 'jason' }, { route }, { timeout: '3s' }] } })
  })

  test('each way in is narrowed', () => {
    const texts = [
      SUBSETS,
      ROUTES.replace(
        '    - route:',
        '    - match: [{ uri: { prefix: /a } }, { headers: { x: { exact: z } } }]\n      route:',
      ),
    ]
    const cookie = { regex: '^(.*;\\s*)?beta=yes(;.*)?$' }
    expect(plan(texts, { ...toV2, audience: beta }).edit?.after).toMatchObject({
      match: [{ uri: { prefix: '/a' }, headers: { cookie } }, { headers: { x: { exact: 'z' }, cookie } }],
    })
  })

  test('the rule is found again, changed, and taken out', () => {
    const audience = { ...jason, value: 'jason' }
    const { edit } = plan([SUBSETS, ROUTES], { audience })
    expect(edit).toMatchObject({
      index: 0,
      before: { name: 'jason' },
      after: { name: 'jason', route: [{ weight: 90 }, { weight: 10 }] },
    })
    const none = planNoAudience({ host: HOST }, audience, objects([SUBSETS, ROUTES])).edit
    expect(none && edited(none).spec).toEqual({
      hosts: ['reviews'],
      http: [expect.not.objectContaining({ name: 'jason' })],
    })
    expect(() => planNoAudience({ host: HOST }, beta, objects([SUBSETS, ROUTES]))).toThrow(/no rule is for requests/)
  })

  test('without a rule for all there is none for some', () => {
    expect(() => plan([SUBSETS], { audience: beta })).toThrow(/no rule leads to/)
  })
})

describe('an HTTPRoute', () => {
  const SERVICES = ['reviews-v1', 'reviews-v2'].map((name) => ({ name, ports: [9080] }))
  const ROUTE = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: reviews }
spec:
  parentRefs: [{ group: '', kind: Service, name: reviews }]
  rules:
    - filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { remove: [x] } }]
      backendRefs: [{ name: reviews-v1, port: 9080 }, { name: reviews-v2, port: 9080, weight: 3 }]
`
  const withServices = objects([ROUTE], ['v1', 'v2'], SERVICES)

  test('has versions by the name of their Service, or by what it adds', () => {
    for (const shares of [parseShares(['v1=90', 'v2=10']), parseShares(['reviews-v1=90', 'reviews-v2=10'])]) {
      const { edit, before, created, targets } = planShift({ host: HOST, shares }, withServices)
      expect([...(before ?? [])]).toEqual([
        ['reviews-v1', 25],
        ['reviews-v2', 75],
      ])
      expect(created).toEqual([])
      expect(edit).toMatchObject({ path: ['spec', 'rules'], index: 0 })
      expect(edit?.after).toMatchObject({
        filters: [{ type: 'RequestHeaderModifier' }],
        backendRefs: [
          { name: 'reviews-v1', port: 9080, weight: 90 },
          { name: 'reviews-v2', port: 9080, weight: 10 },
        ],
      })
      expect([...targets.values()].at(-1)).toEqual({ host: 'reviews-v2.default.svc.cluster.local', subset: '' })
    }
    expect(() => planShift({ host: HOST, shares: parseShares(['v3=100']) }, withServices)).toThrow(
      /no Service "v3" has only pods of reviews: there are reviews-v1, reviews-v2/,
    )
  })

  test('is made where every version is a Service', () => {
    const shares = parseShares(['reviews-v1=90', 'reviews-v2=10'])
    expect(planShift({ host: HOST, shares }, objects([], ['v1', 'v2'], SERVICES)).created).toEqual([
      {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'HTTPRoute',
        metadata: { name: 'reviews', namespace: 'default' },
        spec: {
          parentRefs: [{ group: '', kind: 'Service', name: 'reviews' }],
          rules: [
            {
              backendRefs: [
                { name: 'reviews-v1', port: 9080, weight: 90 },
                { name: 'reviews-v2', port: 9080, weight: 10 },
              ],
            },
          ],
        },
      },
    ])
  })

  test('has rules for an audience, and mirrors', () => {
    const audience = { by: 'header', name: 'end-user', value: 'anna' } as const
    const { edit } = planShift({ host: HOST, shares: parseShares(['v2=100']), audience }, withServices)
    expect(edit).toMatchObject({
      before: undefined,
      after: { name: 'end-user-anna', matches: [{ headers: [{ name: 'end-user', value: 'anna' }] }] },
    })
    const changed = { ...withServices, httpRoutes: [edit && edited(edit)] as ReleaseObjects['httpRoutes'] }
    expect(planNoAudience({ host: HOST }, audience, changed).edit).toMatchObject({ index: 0, after: undefined })
    const mirror = planMirror({ host: HOST }, { version: 'v2', percent: 5 }, withServices).edit?.after
    expect(mirror).toMatchObject({
      filters: [
        { type: 'RequestHeaderModifier' },
        { type: 'RequestMirror', requestMirror: { backendRef: { name: 'reviews-v2', port: 9080 }, percent: 5 } },
      ],
    })
  })
})

test('a mirror is put in, changed and taken out, and stands once', () => {
  const old = ROUTES.replace(
    '    - route:',
    '    - mirror: { host: reviews, subset: v1 }\n      mirrorPercentage: { value: 3 }\n      route:',
  )
  const destination = { host: 'reviews', subset: 'v2', port: { number: 9080 } }
  const on = planMirror({ host: HOST }, { version: 'v2', percent: 5 }, objects([SUBSETS, old])).edit?.after
  expect(on).toEqual({ route: expect.anything(), mirrors: [{ destination, percentage: { value: 5 } }] })
  expect(planMirror({ host: HOST }, undefined, objects([SUBSETS, old])).edit?.after).toEqual({
    route: expect.anything(),
  })
})

describe('is refused', () => {
  test.each([
    ['a sum that is not 100', ['v1=90', 'v2=20'], 'the shares add up to 110', 'let them add up to 100'],
    ['no number', ['v1=half', 'v2=10'], '"v1=half" is no share', 'write VERSION=PERCENT, such as v2=10'],
    ['a version twice', ['v1=50', 'v1=50'], 'v1 is named twice', 'name each once'],
  ])('%s', (_, words, message, remedy) => {
    expect(() => parseShares(words)).toThrow(expect.objectContaining({ message, remedy }))
  })

  test('a subset that nobody defines', () => {
    const shares = parseShares(['v1=90', 'v22=10'])
    expect(() => plan([SUBSETS, ROUTES], { shares })).toThrow(
      expect.objectContaining({
        message: `there is no subset "v22" of ${HOST}: DestinationRule default/reviews defines v1, v2`,
        remedy: 'write v2 if that was meant',
      }),
    )
    expect(() => plan([], { shares }, ['v1', 'v2'])).toThrow(/pods of \S+ have as label "version" v1, v2/)
  })

  test('a host that is no Service', () => {
    const request = { host: 'api.example.com', shares: new Map([['a', 100]]) }
    expect(() =>
      plan(
        [SUBSETS.replace('host: reviews, subsets: [{ name: v1', 'host: api.example.com, subsets: [{ name: a')],
        request,
      ),
    ).toThrow(NoShift)
  })

  test('several VirtualServices for one host', () => {
    expect(() => plan([SUBSETS, ROUTES, ROUTES.replace('name: reviews', 'name: other')])).toThrow(
      /several objects route/,
    )
  })
})
