import { parse } from 'yaml'
import { parseDuration } from '../resources/duration.ts'
import { annotationPath, type Report } from './report.ts'

/** What the annotation `proxy.istio.io/config` (Istio's ProxyConfig as YAML) can set of a stock Envoy. */
export interface ProxyConfig {
  /** Of Envoy's worker threads. */
  readonly concurrency?: number
  /** How long connections of a listener that changed may go on. */
  readonly drainSeconds?: number
  /** How long the proxy lives on at least once its pod is told to end. */
  readonly terminationDrainSeconds?: number
  readonly imageType?: string
}

const PATH = annotationPath('proxy.istio.io/config')

/** Of `proxyMetadata`: what src/mesh/dns-capture.ts reads. */
const METADATA = new Set(['ISTIO_META_DNS_CAPTURE'])

/** Reads the annotation's text; reports what is wrong with it, and which of its fields do nothing here. */
export function readProxyConfig(text: string | undefined, report: Report): ProxyConfig {
  if (!text?.trim()) return {}
  const wrong = (problem: string, remedy: string) =>
    report({ rule: 'bad-injection-annotation', severity: 'error', path: PATH, problem, remedy })
  const ignored = (problem: string) =>
    report({ rule: 'injection-annotation-ignored', severity: 'warning', path: PATH, problem, remedy: 'leave it out' })
  const config = yaml(text)
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    wrong('is no map in YAML', 'write fields of ProxyConfig, such as "concurrency: 2"')
    return {}
  }
  const read: { -readonly [Field in keyof ProxyConfig]: ProxyConfig[Field] } = {}
  const seconds = (field: string, value: unknown) => {
    const duration = parseDuration(String(value))
    if (duration.ok) return Math.ceil(duration.milliseconds / 1000)
    wrong(`${field}: ${duration.problem}`, `write for example "${field}: 30s"`)
    return undefined
  }
  for (const [field, value] of Object.entries(config) as [string, unknown][]) {
    if (field === 'concurrency') {
      if (Number.isInteger(value) && Number(value) >= 0) {
        // 0 is Istio's "as many as there are CPUs".
        if (value !== 0) read.concurrency = Number(value)
      } else wrong(`concurrency: ${JSON.stringify(value)} is no number of threads`, 'write a whole number')
    } else if (field === 'drainDuration') {
      const drain = seconds(field, value)
      if (drain !== undefined) read.drainSeconds = drain
    } else if (field === 'terminationDrainDuration') {
      const drain = seconds(field, value)
      if (drain !== undefined) read.terminationDrainSeconds = drain
    } else if (field === 'image' && typeof (value as { imageType?: unknown } | null)?.imageType === 'string') {
      read.imageType = (value as { imageType: string }).imageType
    } else if (field === 'proxyMetadata') {
      const names = typeof value === 'object' && value !== null ? Object.keys(value) : []
      for (const name of names) if (!METADATA.has(name)) ignored(`proxyMetadata.${name} does nothing here`)
    } else if (field !== 'holdApplicationUntilProxyStarts') {
      ignored(`${field} does nothing here`)
    } else if (value === false) {
      ignored(`${field}: applications always start after their proxies`)
    }
  }
  return read
}

function yaml(text: string): unknown {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}
