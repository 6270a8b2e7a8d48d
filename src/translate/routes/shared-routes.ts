import { create } from '@bufbuild/protobuf'
import { type Route, RouteMatchSchema, RouteSchema } from '#envoy/config/route/v3/route_components'
import type { RegexMatchAndSubstitute } from '#envoy/type/matcher/v3/regex'
import { constraintProblem } from '../envoy-constraints.ts'
import { originOf, withOrigin } from './route-origin.ts'

/** Longest text that a route may answer with by itself, in bytes; Envoy's own limit is 4096. Istio's is the same. */
export const LONGEST_DIRECT_RESPONSE = 1024 * 1024

/**
 * Routes for a route configuration that many objects share, where one that Envoy refuses would keep it from taking any change of any of them.
 * A route whose match it would refuse is left out; one that it would refuse for what it does answers 500. (A route configuration of one
 * host is better refused as a whole: the proxy then keeps the last good one.)
 */
export function acceptableRoutes(routes: readonly Route[]): Route[] {
  return routes.flatMap((route) => {
    if (!constraintProblem(RouteSchema, route) && !actionProblem(route)) return [route]
    const { name, match } = route
    if (!match || constraintProblem(RouteMatchSchema, match)) return []
    const refused = create(RouteSchema, { name, match, action: { case: 'directResponse', value: { status: 500 } } })
    return [withOrigin(refused, originOf(route))]
  })
}

/** What Envoy refuses an action for by its code rather than by the constraints of its API. */
function actionProblem({ action }: Route): string | undefined {
  if (action.case === 'route') return substitutionProblem(action.value.regexRewrite)
  if (action.case === 'directResponse') {
    const body = action.value.body?.specifier
    const bytes = body?.case === 'inlineString' || body?.case === 'inlineBytes' ? Buffer.byteLength(body.value) : 0
    return bytes > LONGEST_DIRECT_RESPONSE ? 'the answer is too long' : undefined
  }
  return undefined
}

/** RE2's substitutions refer to groups by a digit; a backslash before anything but a digit or another is none. */
function substitutionProblem(rewrite: RegexMatchAndSubstitute | undefined): string | undefined {
  if (!rewrite) return undefined
  const groups = (rewrite.pattern?.regex ?? '').match(/(?<!\\)\((?!\?(?!P?<))/g)?.length ?? 0
  for (const [, reference = ''] of rewrite.substitution.matchAll(/\\(.?)/g)) {
    if (reference !== '\\' && !/^\d$/.test(reference)) return `"\\${reference}" in the substitution means nothing`
    if (Number(reference) > groups) return `there is no group ${reference} in the pattern`
  }
  return undefined
}
