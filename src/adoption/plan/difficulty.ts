import type { Application } from '../../resources/adoption.ts'
import { parseDuration } from '../../resources/duration.ts'
import { HURTS, productNamed } from '../inventory/products.ts'

/** What makes an application hard to bring in, in points with their reasons. */
export interface Difficulty {
  readonly points: number
  readonly reasons: readonly string[]
  readonly band: Band
}

export type Band = 'simple' | 'ordinary' | 'careful'

export type Criticality = 'low' | 'medium' | 'high' | 'critical'

const CRITICALITY: Readonly<Record<Criticality, number>> = { low: 0, medium: 1, high: 4, critical: 6 }

/** Of whom nobody has said it, the worst is not assumed, but the care is. */
export function criticalityOf({ spec }: Application): Criticality {
  return spec?.criticality ?? 'high'
}

/** A p99 below this leaves little room for two proxies, in ms. */
const TIGHT_MS = 10

export function difficultyOf(application: Application): Difficulty {
  const { spec } = application
  const reasons: [points: number, reason: string][] = []
  const criticality = criticalityOf(application)
  reasons.push([
    CRITICALITY[criticality],
    spec?.criticality === undefined
      ? 'nobody has said how critical it is, so it counts as high'
      : `its criticality is ${criticality}`,
  ])
  const { compliance = [], platform, latency } = spec?.requirements ?? {}
  if (compliance.length > 0) reasons.push([2, `it is held to ${compliance.join(', ')}`])
  if (platform === 'VirtualMachine' || platform === 'Both') reasons.push([2, 'it runs on virtual machines'])
  const p99 = latency?.p99 === undefined ? undefined : parseDuration(latency.p99)
  if (p99?.ok && p99.milliseconds <= TIGHT_MS) reasons.push([2, `its callers can stand ${latency?.p99} at most`])
  if ((spec?.workloads ?? []).some(({ kind }) => kind === 'StatefulSet')) reasons.push([1, 'it has a StatefulSet'])
  reasons.push(...protocolReasons(application))
  if (!spec?.owner) reasons.push([2, 'nobody answers for it'])
  const points = reasons.reduce((sum, [each]) => sum + each, 0)
  return {
    points,
    reasons: reasons.filter(([each], i) => each > 0 || i === 0).map(([, reason]) => reason),
    band: bandOf(points),
  }
}

function bandOf(points: number): Band {
  return points <= 1 ? 'simple' : points <= 4 ? 'ordinary' : 'careful'
}

/** In their order. */
export const BANDS: readonly Band[] = ['simple', 'ordinary', 'careful']

function protocolReasons({ spec }: Application): [number, string][] {
  const found = new Map<string, [number, string]>()
  for (const { port, protocol, serverFirst, product } of spec?.ports ?? []) {
    const known = product === undefined ? undefined : productNamed(product)
    if (known) found.set('product', [3, `port ${port} is ${known.name}: ${HURTS[known.hurt]}`])
    else if (serverFirst) found.set('first', [2, `at port ${port} the server speaks first`])
    else if (protocol === 'UDP') found.set('udp', [2, `port ${port} is UDP, which is not encrypted`])
    else if (protocol === 'TCP') found.set('tcp', [1, `port ${port} is plain TCP: no retries, no requests to be seen`])
  }
  return [...found.values()]
}
