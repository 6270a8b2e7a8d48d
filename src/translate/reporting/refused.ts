import { type AccessLogFilterSchema, ComparisonFilter_Op } from '#envoy/config/accesslog/v3/accesslog'
import { type Logged, ofExpression } from '../access-log.ts'
import type { Init } from '../routes/init.ts'

type Filter = Init<typeof AccessLogFilterSchema>

/**
 * What of requests and connections was refused by the proxy itself: by an external authorizer (flag UAEX), a policy or the filter of tokens. The latter two set no flag, so Envoy's word
 * on why it answered or closed is asked, of requests only where there was an error at all: what goes well costs two comparisons.
 */
export const REFUSED: Readonly<Record<Logged, Filter>> = {
  requests: either([
    { filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['UAEX'] } } },
    {
      filterSpecifier: {
        case: 'andFilter',
        value: {
          filters: [
            status(ComparisonFilter_Op.GE, 400, 'error'),
            ofExpression(
              "response.code_details.startsWith('rbac_access_denied') || response.code_details.startsWith('jwt_authn_access_denied')",
            ),
          ],
        },
      },
    },
  ]),
  connections: ofExpression(
    "connection.termination_details.startsWith('rbac_access_denied') || connection.termination_details.startsWith('ext_authz_')",
  ),
}

/** @param key of a runtime value by which Envoy would have another number */
export function status(op: ComparisonFilter_Op, defaultValue: number, key: string): Filter {
  const value = { comparison: { op, value: { defaultValue, runtimeKey: `weft.access_log_${key}` } } }
  return { filterSpecifier: { case: 'statusCodeFilter', value } }
}

export function either(filters: Filter[]): Filter {
  return { filterSpecifier: { case: 'orFilter', value: { filters } } }
}
