/** What is asked of proxies: the whole estate, all pods together. */
export interface Load {
  /** Requests a second between services: each counts once, however many proxies it passes. */
  readonly requestsPerSecond: number
  /** Of all services that a proxy is told of. */
  readonly services: number
  /** That get a proxy. */
  readonly pods: number
  /** Whether proxies speak HTTP/2 with each other (`h2UpgradePolicy: UPGRADE`). */
  readonly http2: boolean
  /** Whether each request is logged at both ends. */
  readonly accessLog: boolean
}

/** What proxies take for it. */
export interface ProxyCost {
  /** Of all proxies, cores. */
  readonly cores: number
  /** Of all proxies, GiB. */
  readonly memoryGiB: number
  /** Of one pod's proxy: what to request, with room for twice the mean rate. */
  readonly each: { readonly cpuMillicores: number; readonly memoryMiB: number }
  /** What two proxies add to a request at least, in ms: their own work. Waiting comes on top, and depends on how busy they are. */
  readonly addedMs: number
  /** Lines of access logs a second. */
  readonly logLinesPerSecond: number
  /** CPU of the control plane, cores: at one change a second. */
  readonly controlPlaneCores: number
}

/**
 * CPU of both proxies of a request, in µs: docs/performance.md, "What a pair of sidecars costs", with an authorization policy and Istio's metrics, on two cores
 * of an AMD EPYC.
 */
const PAIR_US = 211
const PAIR_HTTP2_US = 157
const ACCESS_LOG_US = 11
/** Memory of a proxy in MiB: with no service, and for each: docs/performance.md, "What a proxy holds". */
const MEMORY_MIB = 70
const MEMORY_EACH_SERVICE_MIB = 0.13
/** CPU of the server for one change of an endpoint to 500 proxies, in ms: docs/performance.md, "Beside istiod". */
const CHANGE_MS_EACH_PROXY = 69.5 / 500
/** What a quiet proxy still needs. */
const LEAST_MILLICORES = 10

export function proxyCost({ requestsPerSecond, services, pods, http2, accessLog }: Load): ProxyCost {
  const microseconds = (http2 ? PAIR_HTTP2_US : PAIR_US) + (accessLog ? ACCESS_LOG_US : 0)
  const cores = (requestsPerSecond * microseconds) / 1e6
  const memoryMiB = MEMORY_MIB + services * MEMORY_EACH_SERVICE_MIB
  const mean = pods === 0 ? 0 : (cores * 1000) / pods
  return {
    cores: rounded(cores, 2),
    memoryGiB: rounded((memoryMiB * pods) / 1024, 1),
    each: { cpuMillicores: Math.max(LEAST_MILLICORES, Math.ceil(mean * 2)), memoryMiB: Math.ceil(memoryMiB) },
    addedMs: rounded(microseconds / 1000, 2),
    logLinesPerSecond: accessLog ? Math.round(requestsPerSecond * 2) : 0,
    controlPlaneCores: rounded((CHANGE_MS_EACH_PROXY * pods) / 1000, 2),
  }
}

function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits
}
