import { resolveHost, serviceHost, serviceOfHost } from '../../resources/host.ts'
import { isKind, type Resource } from '../../resources/resource.ts'
import type { RouteRuleView, RouteTarget } from './answers.ts'

/** The rules of a route object in the order in which they are tried; none for kinds that have no rules. */
export function drawRules(object: Resource, host: string): readonly RouteRuleView[] {
  const namespace = object.metadata.namespace ?? ''
  if (isKind(object, 'networking.istio.io/VirtualService')) {
    const { http = [], tls = [], tcp = [] } = (object.spec ?? {}) as VirtualServiceRules
    return [...http, ...tls, ...tcp].map((rule) => istioRule(rule, namespace, host))
  }
  const { rules = [] } = (object.spec ?? {}) as { readonly rules?: readonly ApiRule[] }
  return rules.map((rule) => apiRule(rule, namespace))
}

/** Only what is drawn: all kinds of rules have some of it. */
interface IstioRule {
  readonly name?: string
  readonly match?: readonly Readonly<Record<string, unknown>>[]
  readonly route?: readonly { readonly destination?: IstioDestination; readonly weight?: number }[]
  readonly redirect?: { readonly uri?: string; readonly authority?: string }
  readonly directResponse?: { readonly status?: number }
  readonly delegate?: { readonly name?: string; readonly namespace?: string }
  readonly timeout?: string
  readonly retries?: { readonly attempts?: number }
  readonly fault?: { readonly delay?: Fault; readonly abort?: Fault & { readonly httpStatus?: number } }
  readonly mirror?: IstioDestination
  readonly rewrite?: { readonly uri?: string; readonly authority?: string }
  readonly headers?: object
  readonly corsPolicy?: object
}

interface Fault {
  readonly fixedDelay?: string
  readonly percentage?: { readonly value?: number }
}

interface IstioDestination {
  readonly host?: string
  readonly subset?: string
  readonly port?: { readonly number?: number }
}

interface VirtualServiceRules {
  readonly http?: readonly IstioRule[]
  readonly tls?: readonly IstioRule[]
  readonly tcp?: readonly IstioRule[]
}

function istioRule(rule: IstioRule, namespace: string, about: string): RouteRuleView {
  const { name, match = [], route = [], redirect, directResponse, delegate } = rule
  const total = route.reduce((sum, { weight = 0 }) => sum + weight, 0)
  const targets = route.map(({ destination, weight = 0 }): RouteTarget => {
    const share = total > 0 ? percent(weight, total) : percent(1, route.length)
    return { ...istioTarget(destination, namespace, about), share }
  })
  const instead = redirect
    ? `redirect to ${redirect.authority ?? ''}${redirect.uri ?? ''}`
    : directResponse
      ? `answered with ${directResponse.status ?? 200}`
      : delegate
        ? `as VirtualService ${delegate.namespace ?? namespace}/${delegate.name ?? ''} says`
        : undefined
  return {
    ...(name === undefined ? {} : { name }),
    matches: match.map(istioMatch).filter((text) => text !== ''),
    targets: targets.length > 0 || instead === undefined ? targets : [{ text: instead, share: 100 }],
    effects: istioEffects(rule),
  }
}

function istioTarget({ host = '', subset }: IstioDestination = {}, namespace: string, about: string) {
  const full = resolveHost(host, namespace)
  const name = full === about ? (serviceOfHost(full)?.name ?? full) : shortHost(full, namespace)
  return { text: subset ? `${name} ${subset}` : name, ...(subset ? { version: subset } : {}) }
}

function shortHost(host: string, namespace: string): string {
  const service = serviceOfHost(host)
  if (!service) return host
  return service.namespace === namespace ? service.name : `${service.name}.${service.namespace}`
}

/** The conditions of one match, all of which must hold. */
function istioMatch(match: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(match).flatMap(([field, value]): string[] => {
    if (field === 'name' || field === 'ignoreUriCase') return []
    if (field === 'uri') return [`path ${stringMatch(value)}`]
    if (field === 'headers' || field === 'queryParams')
      return Object.entries(value as object).map(
        ([name, one]) => `${field === 'headers' ? 'header' : 'query'} ${name} ${stringMatch(one)}`,
      )
    if (field === 'withoutHeaders')
      return Object.entries(value as object).map(([name, one]) => `not header ${name} ${stringMatch(one)}`)
    if (field === 'sniHosts') return [`server name ${(value as readonly string[]).join(' or ')}`]
    if (field === 'sourceLabels')
      return Object.entries(value as object).map(([name, one]) => `from pods with ${name}=${one}`)
    if (typeof value === 'string' || typeof value === 'number') return [`${WORDS[field] ?? field} ${value}`]
    if (Array.isArray(value)) return [`${WORDS[field] ?? field} ${value.join(', ')}`]
    return [`${WORDS[field] ?? field} ${stringMatch(value)}`]
  })
  return parts.join(' and ')
}

const WORDS: Readonly<Record<string, string>> = {
  port: 'port',
  gateways: 'through',
  sourceNamespace: 'from namespace',
  destinationSubnets: 'to',
}

/** `StringMatch` of Istio. */
function stringMatch(value: unknown): string {
  const { exact, prefix, regex } = (value ?? {}) as Readonly<Record<'exact' | 'prefix' | 'regex', string | undefined>>
  if (exact !== undefined) return `= ${exact}`
  if (prefix !== undefined) return `${prefix}*`
  if (regex !== undefined) return `~ ${regex}`
  return 'is there'
}

function istioEffects({ timeout, retries, fault, mirror, rewrite, headers, corsPolicy }: IstioRule): string[] {
  return [
    ...(timeout ? [`timeout ${timeout}`] : []),
    ...(retries ? [`${retries.attempts ?? 2} retries`] : []),
    ...(fault?.delay ? [`delays ${fault.delay.percentage?.value ?? 100} % by ${fault.delay.fixedDelay}`] : []),
    ...(fault?.abort
      ? [`fails ${fault.abort.percentage?.value ?? 100} % with ${fault.abort.httpStatus ?? 'gRPC'}`]
      : []),
    ...(mirror ? [`copies to ${[mirror.host, mirror.subset].filter(Boolean).join(' ')}`] : []),
    ...(rewrite ? [`rewrites to ${[rewrite.authority, rewrite.uri].filter(Boolean).join('')}`] : []),
    ...(headers ? ['changes headers'] : []),
    ...(corsPolicy ? ['CORS'] : []),
  ]
}

/** A rule of a route of the Gateway API, of any kind. */
interface ApiRule {
  readonly name?: string
  readonly matches?: readonly {
    readonly path?: { readonly type?: string; readonly value?: string }
    readonly method?: string | { readonly service?: string; readonly method?: string }
    readonly headers?: readonly ApiMatch[]
    readonly queryParams?: readonly ApiMatch[]
  }[]
  readonly filters?: readonly { readonly type?: string }[]
  readonly backendRefs?: readonly {
    readonly kind?: string
    readonly name: string
    readonly namespace?: string
    readonly weight?: number
  }[]
  readonly timeouts?: { readonly request?: string }
  readonly retry?: { readonly attempts?: number }
}

interface ApiMatch {
  readonly type?: string
  readonly name: string
  readonly value?: string
}

function apiRule(rule: ApiRule, namespace: string): RouteRuleView {
  const { name, matches = [], filters = [], backendRefs = [], timeouts, retry } = rule
  const total = backendRefs.reduce((sum, { weight = 1 }) => sum + weight, 0)
  const targets = backendRefs.map((ref): RouteTarget => {
    const host = serviceHost(ref.name, ref.namespace ?? namespace)
    return { text: shortHost(host, namespace), share: percent(ref.weight ?? 1, total), version: ref.name }
  })
  const redirects = filters.some(({ type }) => type === 'RequestRedirect')
  return {
    ...(name === undefined ? {} : { name }),
    matches: matches.map(apiMatchText).filter((text) => text !== ''),
    targets: targets.length === 0 && redirects ? [{ text: 'redirect', share: 100 }] : targets,
    effects: [
      ...(timeouts?.request ? [`timeout ${timeouts.request}`] : []),
      ...(retry?.attempts === undefined ? [] : [`${retry.attempts} retries`]),
      ...filters.flatMap(({ type }) => (type ? [FILTERS[type] ?? type] : [])),
    ],
  }
}

const FILTERS: Readonly<Record<string, string>> = {
  RequestHeaderModifier: 'changes request headers',
  ResponseHeaderModifier: 'changes response headers',
  RequestMirror: 'copies requests',
  RequestRedirect: 'redirects',
  URLRewrite: 'rewrites',
  CORS: 'CORS',
}

function apiMatchText({
  path,
  method,
  headers = [],
  queryParams = [],
}: NonNullable<ApiRule['matches']>[number]): string {
  const pathText = path && !(path.value === '/' && path.type !== 'Exact') ? [`path ${apiValue(path)}`] : []
  const methodText =
    typeof method === 'string'
      ? [`method ${method}`]
      : method
        ? [`call ${method.service ?? '*'}/${method.method ?? '*'}`]
        : []
  return [
    ...pathText,
    ...methodText,
    ...headers.map((one) => `header ${one.name} ${apiValue({ type: 'Exact', ...one })}`),
    ...queryParams.map((one) => `query ${one.name} ${apiValue({ type: 'Exact', ...one })}`),
  ].join(' and ')
}

function apiValue({ type = 'PathPrefix', value = '' }: { readonly type?: string; readonly value?: string }): string {
  if (type === 'Exact') return `= ${value}`
  return type === 'RegularExpression' ? `~ ${value}` : `${value}*`
}

function percent(part: number, whole: number): number {
  return whole > 0 ? Math.round((part / whole) * 1000) / 10 : 0
}
