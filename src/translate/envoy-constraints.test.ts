import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import { RouteSchema } from '#envoy/config/route/v3/route_components'
import { HTTPFaultSchema } from '#envoy/extensions/filters/http/fault/v3/fault'
import { constraintProblem } from './envoy-constraints.ts'
import { typedConfig } from './typed-config.ts'

const match: MessageInitShape<typeof RouteSchema>['match'] = { pathSpecifier: { case: 'prefix', value: '/' } }
const action: MessageInitShape<typeof RouteSchema>['action'] = { case: 'directResponse', value: { status: 200 } }

const problemOf = (route: MessageInitShape<typeof RouteSchema>) =>
  constraintProblem(RouteSchema, create(RouteSchema, route))
const matching = (pathSpecifier: NonNullable<typeof match>['pathSpecifier']) =>
  ({ match: { pathSpecifier }, action }) as const
const setting = (key: string, value: string) => ({ match, action, requestHeadersToAdd: [{ header: { key, value } }] })
const retrying = (seconds: bigint) => ({
  match,
  action: {
    case: 'route',
    value: {
      clusterSpecifier: { case: 'cluster', value: 'c' },
      retryPolicy: { retryBackOff: { baseInterval: { seconds } } },
    },
  } as const,
})
const failing = (httpStatus: number) => {
  const fault = typedConfig(HTTPFaultSchema, { abort: { errorType: { case: 'httpStatus', value: httpStatus } } })
  return { match, action, typedPerFilterConfig: { 'envoy.filters.http.fault': fault } }
}

describe('what Envoy would take', () => {
  test.each([
    ['a plain route', { match, action }],
    ['a path in whole elements', matching({ case: 'pathSeparatedPrefix', value: '/a' })],
    ['a regular expression', matching({ case: 'safeRegex', value: { regex: '/[a-z]+' } })],
    ['a header', setting('x-a', 'text\twith a tab, and ünicode')],
    ['a back-off', retrying(1n)],
    ['a fault', failing(503)],
  ] as const)('has no problem: %s', (_, route) => {
    expect(problemOf(route)).toBeUndefined()
  })
})

describe('what Envoy would refuse', () => {
  test.each([
    ['Route.match is not set', { action }],
    ['Route.action is not set', { match }],
    ['RouteMatch.path_specifier is not set', { match: {}, action }],
    ['"/(" is not a regular expression', matching({ case: 'safeRegex', value: { regex: '/(' } })],
    ['RouteMatch.path_separated_prefix', matching({ case: 'pathSeparatedPrefix', value: '/a/' })],
    [
      'DirectResponseAction.status is 99, less than',
      { match, action: { case: 'directResponse', value: { status: 99 } } },
    ],
    ['HeaderValue.value', setting('x-a', 'two\nlines')],
    ['HeaderValue.key is empty', setting('', 'a')],
    ['RetryBackOff.base_interval is not more than 0 ms', retrying(0n)],
    ['FaultAbort.http_status', failing(99)],
  ] as const)('is told: %s', (problem, route) => {
    expect(problemOf(route)).toContain(problem)
  })
})
