/** Where telemetry is sent besides. */
export interface Receiver {
  /** Without `/v1/traces` and the like. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** OpenTelemetry's own variable: secrets belong in the environment, not among arguments. */
export const HEADERS_VARIABLE = 'OTEL_EXPORTER_OTLP_HEADERS'

/**
 * A receiver of OTLP/HTTP.
 * @param headers as OpenTelemetry's variable has them: `api-key=KEY,tenant=shop`, values percent-encoded
 * @throws Error saying what is wrong; it tells no value of a header
 */
export function receiverAt(url: string, headers = ''): Receiver {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !/^https?:$/.test(parsed.protocol))
    throw new Error(`${url} is no URL of a receiver of OTLP/HTTP; write one such as http://collector:4318`)
  if (parsed.username !== '' || parsed.password !== '')
    throw new Error(`the URL of a receiver holds no password; give it by the variable ${HEADERS_VARIABLE}`)
  return { url, headers: Object.fromEntries(headers.split(',').flatMap(header)) }
}

function header(pair: string, place: number): [string, string][] {
  if (pair.trim() === '') return []
  const [, name = '', value = ''] = /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? []
  if (name === '') throw new Error(`header ${place + 1} of ${HEADERS_VARIABLE} is not NAME=VALUE`)
  try {
    return [[name.toLowerCase(), decodeURIComponent(value)]]
  } catch {
    throw new Error(`the value of ${name} in ${HEADERS_VARIABLE} is not percent-encoded rightly`)
  }
}
