import { parse } from 'yaml'

/** Ours, on pods: `"true"` has the pod's proxy answer its questions for addresses. */
const DNS_CAPTURE = 'weft.dev/dns-capture'
/** Istio's, on pods: a ProxyConfig in YAML, whose `proxyMetadata` asks for the same. */
const PROXY_CONFIG = 'proxy.istio.io/config'

/** Whether a pod's annotations ask for its proxy to answer questions for addresses of names. */
export function asksForDnsCapture(annotations: Readonly<Record<string, string>>): boolean {
  const own = annotations[DNS_CAPTURE]
  if (own !== undefined) return own.toLowerCase() === 'true'
  const config = annotations[PROXY_CONFIG]
  if (config === undefined) return false
  try {
    const written = parse(config) as { proxyMetadata?: Readonly<Record<string, unknown>> } | null
    return String(written?.proxyMetadata?.['ISTIO_META_DNS_CAPTURE']).toLowerCase() === 'true'
  } catch {
    return false
  }
}
