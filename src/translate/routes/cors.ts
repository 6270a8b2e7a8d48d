import type { Any } from '@bufbuild/protobuf/wkt'
import { CorsPolicySchema } from '#envoy/extensions/filters/http/cors/v3/cors'
import type { StringMatcherSchema } from '#envoy/type/matcher/v3/string'
import { escapeRegex } from '../../resources/escape-regex.ts'
import type { HTTPRouteFilter } from '../../resources/gateway-api.ts'
import type { CorsPolicy } from '../../resources/istio.ts'
import { typedConfig } from '../typed-config.ts'
import { envoyDuration } from './duration.ts'
import { runtimeFraction } from './fraction.ts'
import type { Init } from './init.ts'
import { stringMatcher } from './string-match.ts'

/** `corsPolicy` of a VirtualService as the configuration of the CORS filter for one route. */
export function corsConfig(policy: CorsPolicy): Any {
  const origins = policy.allowOrigins ?? (policy.allowOrigin ?? []).map((exact) => ({ exact }))
  return typedConfig(CorsPolicySchema, {
    allowOriginStringMatch: origins.flatMap((origin) => stringMatcher(origin) ?? []),
    allowMethods: (policy.allowMethods ?? []).join(','),
    allowHeaders: (policy.allowHeaders ?? []).join(','),
    exposeHeaders: (policy.exposeHeaders ?? []).join(','),
    ...(policy.maxAge === undefined ? {} : { maxAge: String(envoyDuration(policy.maxAge)?.seconds ?? 0n) }),
    ...(policy.allowCredentials === undefined ? {} : { allowCredentials: policy.allowCredentials }),
    filterEnabled: runtimeFraction(100),
    // Preflights whose origin does not match go on to the application, unless told otherwise.
    forwardNotMatchingPreflights: policy.unmatchedPreflights !== 'IGNORE',
  })
}

/** The CORS filter of an HTTPRoute. An origin may be `*` or have a wildcard in its host (`https://*.example.com`). */
export function gatewayCorsConfig(policy: NonNullable<HTTPRouteFilter['cors']>): Any {
  return typedConfig(CorsPolicySchema, {
    allowOriginStringMatch: (policy.allowOrigins ?? []).map(originMatcher),
    allowMethods: (policy.allowMethods ?? []).join(','),
    allowHeaders: (policy.allowHeaders ?? []).join(','),
    exposeHeaders: (policy.exposeHeaders ?? []).join(','),
    // 5 seconds is the API's default.
    maxAge: String(policy.maxAge ?? 5),
    allowCredentials: policy.allowCredentials ?? false,
    filterEnabled: runtimeFraction(100),
    // Preflights are for the gateway to answer: without CORS headers, where the origin does not match.
    forwardNotMatchingPreflights: false,
  })
}

function originMatcher(origin: string): Init<typeof StringMatcherSchema> {
  return {
    matchPattern: origin.includes('*')
      ? { case: 'safeRegex', value: { regex: originPattern(origin) } }
      : { case: 'exact', value: origin },
  }
}

/** As a regular expression in which `*` stands for anything. */
function originPattern(origin: string): string {
  return origin.split('*').map(escapeRegex).join('.*')
}
