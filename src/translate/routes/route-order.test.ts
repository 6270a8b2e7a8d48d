import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Route } from '#envoy/config/route/v3/route_components'
import { type ApiRoute, serviceRoutes } from '../../mesh/routing/api-routes.ts'
import { apiRoutes } from './api-route.ts'
import { istioHeaderMutation } from './header-mutation.ts'
import { clusterAction } from './route-action.ts'
import { snapshotOfYaml } from './snapshot-of-yaml.ts'

const NO_HEADERS = istioHeaderMutation(undefined)

describe('weights', () => {
  test('are kept as they are, but for those of 0; a single target needs none', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { maxLength: 6 }), (weights) => {
        const targets = weights.map((weight, index) => ({ cluster: `c${index}`, weight, headers: NO_HEADERS }))
        const used = targets.filter(({ weight }) => weight > 0)
        const specifier = clusterAction(targets, NO_HEADERS)?.action.clusterSpecifier
        if (used.length === 0) expect(specifier).toBeUndefined()
        else if (used.length === 1) expect(specifier).toEqual({ case: 'cluster', value: used[0]?.cluster })
        else {
          const value = specifier?.case === 'weightedClusters' ? (specifier.value.clusters ?? []) : []
          expect(value.map(({ name, weight }) => ({ cluster: name, weight }))).toEqual(
            used.map(({ cluster, weight }) => ({ cluster, weight })),
          )
        }
      }),
    )
  })
})

/** A match of the kinds whose order Gateway API fixes. */
interface Match {
  readonly exact: boolean
  readonly path: string
  readonly method: boolean
  readonly headers: number
}

const match = fc.record({
  exact: fc.boolean(),
  path: fc.constantFrom('/', '/a', '/a/b', '/ab', '/a/b/c'),
  method: fc.boolean(),
  headers: fc.nat(2),
})
/** Rules of some routes, each with one match. */
const rules = fc.array(fc.array(match, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })
const request = fc.record({
  path: fc.constantFrom('/', '/a', '/a/', '/a/b', '/a/bc', '/ab', '/a/b/c'),
  method: fc.constantFrom('GET', 'POST'),
  headers: fc.nat(2),
})

describe('of the matches of HTTPRoutes', () => {
  test('the first that a request meets in our order is the one that Gateway API names', () => {
    fc.assert(
      fc.property(rules, request, (rules, request) => {
        const ordered = apiRoutes(routesOf(rules), { port: 80, tls: false })
        const chosen = ordered.find((route) => meets(route, request))
        expect(chosen?.name ?? '').toBe(expected(rules, request))
      }),
      { numRuns: 300 },
    )
  })

  test('the order does not depend on the order of the objects', () => {
    fc.assert(
      fc.property(rules, (rules) => {
        const routes = routesOf(rules)
        const names = (list: readonly ApiRoute[]) => apiRoutes(list, { port: 80, tls: false }).map(({ name }) => name)
        expect(names([...routes].reverse())).toEqual(names(routes))
      }),
      { numRuns: 50 },
    )
  })
})

/** One HTTPRoute for each list; rules are named by their place. */
function routesOf(rules: readonly (readonly Match[])[]): ApiRoute[] {
  const objects = rules.map((matches, route) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: `r${route}` },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'web' }],
      rules: matches.map(({ exact, path, method, headers }, rule) => ({
        name: `m${rule}`,
        matches: [
          {
            path: { type: exact ? 'Exact' : 'PathPrefix', value: path },
            ...(method ? { method: 'GET' } : {}),
            headers: Array.from({ length: headers }, (_, index) => ({ name: `h${index}`, value: 'x' })),
          },
        ],
      })),
    },
  }))
  const snapshot = snapshotOfYaml(...objects.map((object) => JSON.stringify(object)))
  return [...(serviceRoutes(snapshot).get('web.default.svc.cluster.local')?.values() ?? [])]
}

interface Request {
  readonly path: string
  readonly method: string
  readonly headers: number
}

/** Whether an Envoy route matches, by the semantics of the fields that are used here. */
function meets({ match }: Route, request: Request): boolean {
  const path = match?.pathSpecifier
  const fits =
    path?.case === 'path'
      ? request.path === path.value
      : path?.case === 'pathSeparatedPrefix'
        ? request.path === path.value || request.path.startsWith(`${path.value}/`)
        : path?.case === 'prefix' && request.path.startsWith(path.value)
  const headers = match?.headers ?? []
  return (
    fits &&
    headers.every(({ name }) =>
      name === ':method' ? request.method === 'GET' : Number(name.slice(1)) < request.headers,
    )
  )
}

/** The winner by the text of HTTPRouteMatch, worked out by comparing all that match. */
function expected(rules: readonly (readonly Match[])[], request: Request): string {
  const candidates = rules.flatMap((matches, route) =>
    matches.flatMap((match, rule) => {
      const { exact, path, method, headers } = match
      const prefix = path === '/' ? '/' : `${path}/`
      const fits = request.path === path || (!exact && request.path.startsWith(prefix))
      return fits && (!method || request.method === 'GET') && headers <= request.headers ? [{ match, route, rule }] : []
    }),
  )
  const key = ({ match, route, rule }: (typeof candidates)[number]) => [
    match.exact ? 0 : 1,
    match.exact ? 0 : -match.path.length,
    match.method ? 0 : 1,
    -match.headers,
    route,
    rule,
  ]
  const [winner] = candidates.sort((a, b) => {
    const [x, y] = [key(a), key(b)]
    const at = x.findIndex((value, index) => value !== y[index])
    return at < 0 ? 0 : (x[at] ?? 0) - (y[at] ?? 0)
  })
  return winner ? `default.r${winner.route}.m${winner.rule}` : ''
}
