import { HeaderValueOption_HeaderAppendAction } from '#envoy/config/core/v3/base'
import { LuaSchema } from '#envoy/extensions/filters/http/lua/v3/lua'
import { HeaderMutationSchema } from '#envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation'
import { SCOPE_FALLBACK_FILTER } from './routes/idle-filters.ts'
import { ANY_HOST } from './routes/outbound-routes.ts'
import { SCOPE_HEADER } from './routes/scope-header.ts'
import { typedConfig } from './typed-config.ts'

/** Runs before routing: the scope is the request's host, whatever a client wrote into the header. */
export const SCOPE_FROM_AUTHORITY = {
  name: 'weft.scope_from_authority',
  typedConfig: typedConfig(HeaderMutationSchema, {
    mutations: [
      {
        action: {
          case: 'append',
          value: {
            header: { key: SCOPE_HEADER, value: '%REQ(:AUTHORITY)%' },
            appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
          },
        },
      },
    ],
  }),
}

// Scope keys are compared exactly, but host names have no case. A route without a name would count as none: all of ours have one. A route that is
// cleared is looked up again only when something asks for it, as metadata() does.
const SCRIPT = `local function unrouted(handle)
  return handle:streamInfo():routeName() == ""
end
local function look_up(handle, scope)
  handle:headers():replace("${SCOPE_HEADER}", scope)
  handle:clearRouteCache()
  handle:metadata()
end
function envoy_on_request(handle)
  if not unrouted(handle) then return end
  local host = handle:headers():get(":authority") or ""
  if host ~= host:lower() then look_up(handle, host:lower()) end
  if unrouted(handle) then look_up(handle, "${ANY_HOST}") end
end
`

/** Sends requests whose host has no scope to the one for any host. Must be the first filter. Others go past it: their routes say so. */
export const SCOPE_FALLBACK = {
  name: SCOPE_FALLBACK_FILTER,
  typedConfig: typedConfig(LuaSchema, {
    defaultSourceCode: { specifier: { case: 'inlineString', value: SCRIPT } },
  }),
}
