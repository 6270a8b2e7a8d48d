import { describe, expect, test } from 'vitest'
import { snapshotOfYaml } from '../../mesh/snapshot-of-yaml.ts'
import { edited, NoShift, parseShares, planShift, type ShiftRequest } from './shift.ts'

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

function plan(texts: readonly string[], request: Partial<ShiftRequest> = {}, versions: readonly string[] = []) {
  const snapshot = snapshotOfYaml(texts.join('---\n'))
  return planShift(
    { host: HOST, shares: parseShares(['v1=90', 'v2=10']), ...request },
    {
      virtualServices: [...snapshot.all('networking.istio.io/VirtualService').values()],
      destinationRules: [...snapshot.all('networking.istio.io/DestinationRule').values()],
      versions,
    },
  )
}

test('the last rule for the host is changed, and what else it says stays', () => {
  const { edit, created, before } = plan([SUBSETS, ROUTES])
  expect(created).toEqual([])
  expect(before).toEqual(new Map([['v1', 100]]))
  expect(edit?.path).toEqual(['spec', 'http', 1, 'route'])
  const port = { number: 9080 }
  const after = [
    { destination: { host: 'reviews', subset: 'v1', port }, weight: 90, headers: { request: { set: { a: 'b' } } } },
    { destination: { host: 'reviews', subset: 'v2', port }, weight: 10 },
  ]
  expect(edit?.after).toEqual(after)
  expect(edit && edited(edit)).toMatchObject({ spec: { http: [{ name: 'jason' }, { route: after }] } })
})

test('a rule by its name', () => {
  expect(plan([SUBSETS, ROUTES], { route: 'jason' }).edit?.path).toEqual(['spec', 'http', 0, 'route'])
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

describe('is refused', () => {
  test.each([
    ['a sum that is not 100', ['v1=90', 'v2=20'], 'the shares add up to 110', 'let them add up to 100'],
    ['no number', ['v1=half', 'v2=10'], '"v1=half" is no share', 'write SUBSET=PERCENT, such as v2=10'],
    ['a subset twice', ['v1=50', 'v1=50'], 'subset v1 is named twice', 'name each once'],
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
      /several VirtualServices/,
    )
  })
})
