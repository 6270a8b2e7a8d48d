import {
  type RedirectActionSchema,
  RedirectAction_RedirectResponseCode as ResponseCode,
} from '#envoy/config/route/v3/route_components'
import type { HttpRedirect } from '../../resources/istio.ts'
import type { Init } from './init.ts'

type RedirectInit = Init<typeof RedirectActionSchema>

const CODES: Readonly<Record<number, ResponseCode>> = {
  301: ResponseCode.MOVED_PERMANENTLY,
  302: ResponseCode.FOUND,
  303: ResponseCode.SEE_OTHER,
  307: ResponseCode.TEMPORARY_REDIRECT,
  308: ResponseCode.PERMANENT_REDIRECT,
}

/** `status` as Envoy calls it; one that is no redirect becomes `otherwise`. */
export function redirectCode(status: number | undefined, otherwise: 301 | 302): ResponseCode {
  return CODES[status ?? otherwise] ?? (CODES[otherwise] as ResponseCode)
}

/** `redirect` of a VirtualService. `request` is the port on which the redirected request came, and whether it was over TLS. */
export function istioRedirect(
  redirect: HttpRedirect,
  request: { readonly port: number; readonly tls: boolean },
): RedirectInit {
  const { authority, uri, prefixRewrite, scheme, port, derivePort } = redirect
  const explicitPort = port ?? (derivePort === 'FROM_REQUEST_PORT' ? request.port : undefined)
  return {
    ...(authority === undefined ? {} : { hostRedirect: authority }),
    ...(scheme === undefined ? {} : { schemeRewriteSpecifier: { case: 'schemeRedirect', value: scheme } }),
    portRedirect: portRedirect(explicitPort, scheme ?? (request.tls ? 'https' : 'http')),
    ...(uri !== undefined
      ? { pathRewriteSpecifier: { case: 'pathRedirect', value: uri } }
      : prefixRewrite !== undefined
        ? { pathRewriteSpecifier: { case: 'prefixRewrite', value: prefixRewrite } }
        : {}),
    responseCode: redirectCode(redirect.redirectCode, 301),
  }
}

/** Envoy's port_redirect: 0 leaves the port out where it is the scheme's own. */
function portRedirect(port: number | undefined, scheme: string): number {
  if (port === undefined || (port === 80 && scheme === 'http') || (port === 443 && scheme === 'https')) return 0
  return port
}
