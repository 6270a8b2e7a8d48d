import type { HeaderValueOptionSchema } from '#envoy/config/core/v3/base'
import { HeaderValueOption_HeaderAppendAction as AppendAction } from '#envoy/config/core/v3/base'
import type { HTTPHeaderFilter } from '../../resources/gateway-api.ts'
import type { HeaderOperations, HttpHeaders } from '../../resources/istio.ts'
import type { Init } from './init.ts'

/** What Envoy's virtual hosts, routes and weighted clusters have in common, and the one header that they can't set. */
export interface HeaderMutation {
  readonly requestHeadersToAdd: Init<typeof HeaderValueOptionSchema>[]
  readonly requestHeadersToRemove: string[]
  readonly responseHeadersToAdd: Init<typeof HeaderValueOptionSchema>[]
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

/** Gateway API's RequestHeaderModifier and ResponseHeaderModifier. Values are literal. */
export function gatewayHeaderMutation(
  request: readonly HTTPHeaderFilter[],
  response: readonly HTTPHeaderFilter[],
): HeaderMutation {
  const toAdd = (filters: readonly HTTPHeaderFilter[]) =>
    filters.flatMap((filter) => [
      ...named(filter.set).map(([name, value]) =>
        option(name, literal(value), AppendAction.OVERWRITE_IF_EXISTS_OR_ADD),
      ),
      ...named(filter.add).map(([name, value]) => option(name, literal(value), AppendAction.APPEND_IF_EXISTS_OR_ADD)),
    ])
  const host = request.flatMap((filter) => named(filter.set)).find(([name]) => isAuthority(name))
  return {
    requestHeadersToAdd: toAdd(request.map(withoutImmutable)),
    requestHeadersToRemove: request.flatMap((filter) => filter.remove ?? []).filter(isMutable),
    responseHeadersToAdd: toAdd(response.map(withoutImmutable)),
    responseHeadersToRemove: response.flatMap((filter) => filter.remove ?? []).filter(isMutable),
    ...(host === undefined ? {} : { authority: host[1] }),
  }
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

function headersToAdd(operations: HeaderOperations | undefined): Init<typeof HeaderValueOptionSchema>[] {
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

function option(key: string, value: string, appendAction: AppendAction): Init<typeof HeaderValueOptionSchema> {
  return { header: { key, value }, appendAction, keepEmptyValue: true }
}

function named(list: readonly { readonly name: string; readonly value: string }[] | undefined): [string, string][] {
  return (list ?? []).map(({ name, value }) => [name, value])
}

function withoutImmutable(filter: HTTPHeaderFilter): HTTPHeaderFilter {
  const keep = ({ name }: { readonly name: string }) => isMutable(name)
  return { ...filter, set: filter.set?.filter(keep) ?? [], add: filter.add?.filter(keep) ?? [] }
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
