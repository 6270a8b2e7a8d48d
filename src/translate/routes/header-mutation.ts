import type { HeaderValueOptionSchema } from '#envoy/config/core/v3/base'
import { HeaderValueOption_HeaderAppendAction as AppendAction } from '#envoy/config/core/v3/base'
import type { HTTPHeaderFilter, HTTPRouteFilter } from '../../resources/gateway-api.ts'
import type { HeaderOperations, HttpHeaders } from '../../resources/istio.ts'
import type { Init } from './init.ts'

type HeaderOption = Init<typeof HeaderValueOptionSchema>

/** What Envoy's virtual hosts, routes and weighted clusters have in common, and the one header that they can't set. */
export interface HeaderMutation {
  readonly requestHeadersToAdd: HeaderOption[]
  readonly requestHeadersToRemove: string[]
  readonly responseHeadersToAdd: HeaderOption[]
  readonly responseHeadersToRemove: string[]
  /** What `:authority` is to become: a host rewrite of the route, not a header that is added. */
  readonly authority?: string
}

/**
 * `headers` of an HTTPRoute or of one of its destinations. Values are Envoy format strings as they are with Istio
 * (`%DOWNSTREAM_REMOTE_ADDRESS%`); a lone `%` stands for itself.
 */
export function istioHeaderMutation(headers: HttpHeaders | undefined): HeaderMutation {
  const request = headers?.request
  const response = headers?.response
  const authority = authorityOf(request?.set) ?? authorityOf(request?.add)
  return {
    requestHeadersToAdd: headersToAdd(request),
    requestHeadersToRemove: (request?.remove ?? []).filter(isMutable),
    responseHeadersToAdd: headersToAdd(response),
    responseHeadersToRemove: (response?.remove ?? []).filter(isMutable),
    ...(authority === undefined ? {} : { authority }),
  }
}

/** The RequestHeaderModifier and ResponseHeaderModifier among some filters. Values are literal. */
export function apiHeaderMutation(filters: readonly HTTPRouteFilter[]): HeaderMutation {
  const request = filters.flatMap(({ requestHeaderModifier }) => requestHeaderModifier ?? [])
  const response = filters.flatMap(({ responseHeaderModifier }) => responseHeaderModifier ?? [])
  const authority = request.flatMap(({ set = [] }) => set).find(({ name }) => isAuthority(name))?.value
  return {
    requestHeadersToAdd: request.flatMap(modifications),
    requestHeadersToRemove: request.flatMap(({ remove }) => remove ?? []).filter(isMutable),
    responseHeadersToAdd: response.flatMap(modifications),
    responseHeadersToRemove: response.flatMap(({ remove }) => remove ?? []).filter(isMutable),
    ...(authority === undefined ? {} : { authority }),
  }
}

function modifications({ set = [], add = [] }: HTTPHeaderFilter): HeaderOption[] {
  const options = (headers: typeof set, action: AppendAction) =>
    headers.filter(({ name }) => isMutable(name)).map(({ name, value }) => option(name, literal(value), action))
  return [
    ...options(set, AppendAction.OVERWRITE_IF_EXISTS_OR_ADD),
    ...options(add, AppendAction.APPEND_IF_EXISTS_OR_ADD),
  ]
}

/** The inner's first: an outer `set` wins over what an inner one did, as Envoy itself applies weighted clusters before their route. */
export function mergeHeaderMutations(inner: HeaderMutation, outer: HeaderMutation): HeaderMutation {
  const authority = outer.authority ?? inner.authority
  return {
    requestHeadersToAdd: [...inner.requestHeadersToAdd, ...outer.requestHeadersToAdd],
    requestHeadersToRemove: [...inner.requestHeadersToRemove, ...outer.requestHeadersToRemove],
    responseHeadersToAdd: [...inner.responseHeadersToAdd, ...outer.responseHeadersToAdd],
    responseHeadersToRemove: [...inner.responseHeadersToRemove, ...outer.responseHeadersToRemove],
    ...(authority === undefined ? {} : { authority }),
  }
}

/** The fields as Envoy has them. */
export function headerFields(mutation: HeaderMutation): Omit<HeaderMutation, 'authority'> {
  const { authority, ...fields } = mutation
  return fields
}

/** Text that Envoy's formatter gives back as it is. */
function literal(value: string): string {
  return value.replaceAll('%', '%%')
}

function headersToAdd(operations: HeaderOperations | undefined): HeaderOption[] {
  return [
    ...sorted(operations?.set).map(([name, value]) =>
      option(name, formatted(value), AppendAction.OVERWRITE_IF_EXISTS_OR_ADD),
    ),
    ...sorted(operations?.add).map(([name, value]) =>
      option(name, formatted(value), AppendAction.APPEND_IF_EXISTS_OR_ADD),
    ),
  ]
}

/** By name, so that the order in which a file has them, which means nothing, changes nothing. */
function sorted(headers: Readonly<Record<string, string>> | undefined): [string, string][] {
  return Object.entries(headers ?? {})
    .filter(([name]) => isMutable(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Leaves command operators and `%%` alone and doubles every other `%`, which Envoy would refuse. */
function formatted(value: string): string {
  return value.replaceAll(/%%|%[A-Z][A-Z0-9_]*(?:\([^)]*\))?(?::\d+)?%|%/g, (part) => (part === '%' ? '%%' : part))
}

function option(key: string, value: string, appendAction: AppendAction): HeaderOption {
  return { header: { key, value }, appendAction, keepEmptyValue: true }
}

function isAuthority(name: string): boolean {
  return name.toLowerCase() === ':authority' || name.toLowerCase() === 'host'
}

/** Pseudo headers and `host` are not for header mutation: Envoy refuses a route that tries. */
function isMutable(name: string): boolean {
  return !name.startsWith(':') && name.toLowerCase() !== 'host'
}

function authorityOf(headers: Readonly<Record<string, string>> | undefined): string | undefined {
  return Object.entries(headers ?? {}).findLast(([name]) => isAuthority(name))?.[1]
}
