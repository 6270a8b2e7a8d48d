/** What an OpenID provider says of itself (OpenID Connect Discovery 1.0, section 3): as far as gateways need it. */
export interface ProviderMetadata {
  readonly authorization: string
  readonly token: string
  readonly jwks: string
  readonly endSession?: string
  /** Whether it takes client_secret_basic, which it does where it does not say. */
  readonly basic: boolean
}

/** Whoever may write an OIDCPolicy may have a server ask there: so it does not ask for long, nor follow, nor read much, nor tell what it got. */
const PATIENCE_MS = 10_000
const MOST_BYTES = 256 * 1024

/** Reads ISSUER/.well-known/openid-configuration. @throws Error whose message ends a sentence about the issuer */
export async function readProviderMetadata(issuer: string, signal: AbortSignal): Promise<ProviderMetadata> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
  }).catch((error: Error) => {
    throw new Error(`cannot be reached: ${reasonOf(error)}`)
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`answers ${response.status} at /.well-known/openid-configuration`)
  }
  return metadataIn(await limitedText(response), issuer)
}

/** Reads the document. @throws Error whose message ends a sentence about the issuer */
export function metadataIn(text: string, issuer: string): ProviderMetadata {
  const document = parsed(text)
  if (document['issuer'] !== issuer) throw new Error('says that it is another issuer: write it as it says it of itself')
  const urlOf = (field: string): string | undefined => {
    const value = document[field]
    if (value === undefined) return undefined
    if (typeof value === 'string' && /^https?:$/.test(URL.parse(value)?.protocol ?? '')) return value
    throw new Error(`has no URL as ${field}`)
  }
  const wanted = (field: string): string => {
    const url = urlOf(field)
    if (url === undefined) throw new Error(`does not say what its ${field} is`)
    return url
  }
  const endSession = urlOf('end_session_endpoint')
  const methods = document['token_endpoint_auth_methods_supported']
  return {
    authorization: wanted('authorization_endpoint'),
    token: wanted('token_endpoint'),
    jwks: wanted('jwks_uri'),
    ...(endSession === undefined ? {} : { endSession }),
    basic: !Array.isArray(methods) || methods.includes('client_secret_basic'),
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {}
  if (typeof document === 'object' && document !== null) return document as Record<string, unknown>
  throw new Error('answers with something else than JSON at /.well-known/openid-configuration')
}

async function limitedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > MOST_BYTES) throw new Error('answers with too much at /.well-known/openid-configuration')
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function reasonOf(error: Error): string {
  const cause = error.cause as (Error & { code?: string }) | undefined
  return cause?.code ?? cause?.message ?? error.message
}
