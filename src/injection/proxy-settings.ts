import { type CaptureOptions, captureOptions } from '../agent/capture/rules.ts'
import { INTERCEPTION_MODE } from '../mesh/interception-mode.ts'
import type { ProxyConfigs } from '../mesh/proxy-configs.ts'
import type { PodTemplate } from '../resources/core.ts'
import { readProxyConfig } from './proxy-config.ts'
import { annotationPath, type Report } from './report.ts'
import type { Container, InjectionSettings, PodSpec, Resources, Texts } from './settings.ts'

type Volume = NonNullable<PodSpec['volumes']>[number]
type VolumeMount = NonNullable<Container['volumeMounts']>[number]

/** What a pod's proxy is like: what its annotations ask for, and for the rest what the installation has for everyone. */
export interface ProxySettings {
  readonly image: string
  readonly resources: Resources
  /** Variables besides its own. */
  readonly environment: Texts
  readonly concurrency: number
  readonly logLevel: string
  readonly componentLogLevel?: string
  readonly drainSeconds: number
  readonly terminationDrainSeconds?: number
  readonly readiness: {
    readonly initialDelaySeconds?: number
    readonly periodSeconds: number
    readonly failureThreshold: number
  }
  readonly volumes: readonly Volume[]
  readonly volumeMounts: readonly VolumeMount[]
  readonly capture: CaptureOptions
  readonly rewriteProbes: boolean
}

/** Istio's default where neither a limit nor `concurrency` says otherwise. */
const THREADS = 2

/** Annotations with these beginnings are meant for injection. */
const FOR_INJECTION = /^((traffic\.|readiness\.status\.|status\.)?sidecar|proxy|inject)\.istio\.io\//

const OF_INJECTION = 'sidecar.istio.io/'
const READINESS = 'readiness.status.sidecar.istio.io/'

/** Every annotation of Istio's that is read, here or elsewhere. */
const READ = new Set([
  ...['inject', 'status', 'proxyImage', 'proxyImageType', 'proxyCPU', 'proxyCPULimit', 'proxyMemory'].map(ofInjection),
  ...['proxyMemoryLimit', 'logLevel', 'componentLogLevel', 'userVolume', 'userVolumeMount'].map(ofInjection),
  ...['rewriteAppHTTPProbers', 'interceptionMode'].map(ofInjection),
  ...['includeInboundPorts', 'excludeInboundPorts', 'includeOutboundPorts', 'excludeOutboundPorts'].map(ofTraffic),
  ...['includeOutboundIPRanges', 'excludeOutboundIPRanges'].map(ofTraffic),
  ...['initialDelaySeconds', 'periodSeconds', 'failureThreshold'].map((name) => READINESS + name),
  'proxy.istio.io/config',
  'inject.istio.io/templates',
])

function ofInjection(name: string): string {
  return OF_INJECTION + name
}

function ofTraffic(name: string): string {
  return `traffic.sidecar.istio.io/${name}`
}

/** Reads a pod's annotations. What is wrong in them is reported, and then the installation's settings are given. */
export function proxySettings(
  pod: PodTemplate,
  settings: InjectionSettings,
  report: Report,
  { ofPod, ofAll }: ProxyConfigs = { ofAll: {} },
): ProxySettings {
  const annotations = pod.metadata?.annotations ?? {}
  tellIgnored(annotations, report)
  const config = readProxyConfig(annotations['proxy.istio.io/config'], report)
  const resources = resourcesOf(annotations, settings, report)
  const componentLogLevel = annotations['sidecar.istio.io/componentLogLevel']
  const initialDelaySeconds = wholeNumber(annotations, `${READINESS}initialDelaySeconds`, report)
  return {
    image: imageOf(
      annotations,
      ofPod?.image?.imageType ?? config.imageType ?? ofAll.image?.imageType,
      settings,
      report,
    ),
    resources,
    environment: { ...ofAll.environmentVariables, ...ofPod?.environmentVariables },
    // 0 is Istio's "as many as there are CPUs".
    concurrency:
      ofPod?.concurrency || config.concurrency || ofAll.concurrency || cores(resources.limits?.['cpu']) || THREADS,
    logLevel: logLevelOf(annotations, report) ?? settings.logLevel,
    ...(componentLogLevel ? { componentLogLevel } : {}),
    drainSeconds: config.drainSeconds ?? 45,
    ...(config.terminationDrainSeconds === undefined
      ? {}
      : { terminationDrainSeconds: config.terminationDrainSeconds }),
    readiness: {
      ...(initialDelaySeconds === undefined ? {} : { initialDelaySeconds }),
      periodSeconds: wholeNumber(annotations, `${READINESS}periodSeconds`, report) ?? 15,
      failureThreshold: wholeNumber(annotations, `${READINESS}failureThreshold`, report) ?? 4,
    },
    volumes: named<Volume>(annotations, 'sidecar.istio.io/userVolume', report),
    volumeMounts: named<VolumeMount>(annotations, 'sidecar.istio.io/userVolumeMount', report),
    capture: captureOf(annotations, report),
    rewriteProbes: annotations['sidecar.istio.io/rewriteAppHTTPProbers'] !== 'false',
  }
}

function tellIgnored(annotations: Texts, report: Report): void {
  for (const annotation of Object.keys(annotations)) {
    if (!FOR_INJECTION.test(annotation) || READ.has(annotation)) continue
    const [problem, remedy] = ['does nothing here', 'leave it out']
    report({
      rule: 'injection-annotation-ignored',
      severity: 'warning',
      path: annotationPath(annotation),
      problem,
      remedy,
    })
  }
}

function captureOf(annotations: Texts, report: Report): CaptureOptions {
  const mode = annotations[INTERCEPTION_MODE]?.trim()
  if (mode !== undefined && mode !== 'REDIRECT' && mode !== 'TPROXY')
    report({ ...wrong(INTERCEPTION_MODE, `there is no mode "${mode}"`), remedy: 'write REDIRECT or TPROXY' })
  try {
    return captureOptions(annotations)
  } catch (error) {
    const [, annotation = '', problem = ''] = /^annotation (\S+): (.*)$/.exec((error as Error).message) ?? []
    if (annotation === '') throw error
    report({ ...wrong(annotation, problem), remedy: 'write a list such as "8080,9090", or leave it out' })
    return captureOptions({})
  }
}

/** Where one of these annotations is there, the installation's own resources do not count at all: as with Istio. */
function resourcesOf(annotations: Texts, settings: InjectionSettings, report: Report): Resources {
  const read = (name: string) => {
    const annotation = ofInjection(name)
    const text = annotations[annotation]
    if (text === undefined || /^(\d+\.?\d*|\.\d+)(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/.test(text)) return text
    report({ ...wrong(annotation, `"${text}" is no quantity`), remedy: 'write one such as "100m" or "128Mi"' })
    return undefined
  }
  const requests = amounts(read('proxyCPU'), read('proxyMemory'))
  const limits = amounts(read('proxyCPULimit'), read('proxyMemoryLimit'))
  if (!requests && !limits) return settings.resources
  return { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) }
}

function amounts(cpu: string | undefined, memory: string | undefined) {
  if (cpu === undefined && memory === undefined) return undefined
  return { ...(cpu === undefined ? {} : { cpu }), ...(memory === undefined ? {} : { memory }) }
}

function cores(cpu: string | number | undefined): number | undefined {
  const [, amount, milli] = /^([\d.]+)(m?)$/.exec(String(cpu ?? '')) ?? []
  return amount === undefined ? undefined : Math.max(1, Math.ceil(Number(amount) / (milli ? 1000 : 1)))
}

/** Envoy's own images tell their kind at the beginning of the tag: `envoy:distroless-v1.40.0`. */
function imageOf(
  annotations: Texts,
  fromConfig: string | undefined,
  settings: InjectionSettings,
  report: Report,
): string {
  const image = annotations['sidecar.istio.io/proxyImage']
  if (image) return image
  const type = annotations['sidecar.istio.io/proxyImageType'] ?? fromConfig ?? 'default'
  if (type === 'default') return settings.image
  if (type === 'distroless' || type === 'debug') return settings.image.replace(/:(?=v\d)/, `:${type}-`)
  const annotation = annotations['sidecar.istio.io/proxyImageType']
    ? 'sidecar.istio.io/proxyImageType'
    : 'proxy.istio.io/config'
  const remedy = 'write default, distroless or debug'
  report({ ...wrong(annotation, `there is no image of type "${type}"`), remedy })
  return settings.image
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'warn', 'error', 'critical', 'off']

function logLevelOf(annotations: Texts, report: Report): string | undefined {
  const annotation = 'sidecar.istio.io/logLevel'
  const level = annotations[annotation]
  if (level === undefined || LOG_LEVELS.includes(level)) return level
  report({ ...wrong(annotation, `there is no level "${level}"`), remedy: `write one of ${LOG_LEVELS.join(', ')}` })
  return undefined
}

function wholeNumber(annotations: Texts, annotation: string, report: Report): number | undefined {
  const text = annotations[annotation]
  if (text === undefined) return undefined
  if (/^\d{1,6}$/.test(text)) return Number(text)
  report({ ...wrong(annotation, `"${text}" is no whole number`), remedy: 'write a number of seconds or times' })
  return undefined
}

/** JSON, as Istio has it: a map of names to what bears them; a list of what has a name is taken, too. */
function named<T>(annotations: Texts, annotation: string, report: Report): T[] {
  const text = annotations[annotation]
  if (text === undefined) return []
  try {
    const value: unknown = JSON.parse(text)
    if (Array.isArray(value) && value.every((each) => typeof each?.name === 'string')) return value as T[]
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return Object.entries(value).map(([name, rest]) => ({ name, ...rest }) as T)
  } catch {
    // Told below.
  }
  report({ ...wrong(annotation, 'is not JSON of the form {"NAME": {...}}'), remedy: 'write a map of names' })
  return []
}

function wrong(annotation: string, problem: string) {
  return { rule: 'bad-injection-annotation', severity: 'error', path: annotationPath(annotation), problem } as const
}
