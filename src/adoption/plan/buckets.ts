import type { Application } from '../../resources/adoption.ts'
import { keyOf } from '../../resources/resource.ts'
import { compareTexts } from '../../resources/text-order.ts'
import { type Criticality, criticalityOf } from './difficulty.ts'

/** Applications that are brought in the same way. */
export interface Bucket {
  /** Names a folder, too: `low-http-spring`. */
  readonly name: string
  readonly traits: Traits
  /** `namespace/name`. */
  readonly applications: readonly string[]
}

/** What they have in common. */
export interface Traits {
  readonly criticality: Criticality
  readonly protocol: 'http' | 'grpc' | 'tcp' | 'server-first' | 'udp'
  readonly compliance: readonly string[]
  readonly platform: 'kubernetes' | 'vm'
  /** The first framework that is named, else the first language; '' where neither is. */
  readonly framework: string
}

/** Buckets by what their applications have in common, in the order of their names. */
export function bucketsOf(applications: readonly Application[]): readonly Bucket[] {
  const buckets = new Map<string, { traits: Traits; applications: string[] }>()
  for (const application of applications) {
    const traits = traitsOf(application)
    const name = nameOf(traits)
    const bucket = buckets.get(name) ?? { traits, applications: [] }
    bucket.applications.push(keyOf(application))
    buckets.set(name, bucket)
  }
  return [...buckets]
    .map(([name, { traits, applications: keys }]) => ({ name, traits, applications: keys.sort(compareTexts) }))
    .sort((a, b) => compareTexts(a.name, b.name))
}

export function traitsOf(application: Application): Traits {
  const { spec } = application
  const { compliance = [], platform } = spec?.requirements ?? {}
  return {
    criticality: criticalityOf(application),
    protocol: protocolOf(application),
    compliance: [...compliance].sort(compareTexts),
    platform: platform === 'VirtualMachine' || platform === 'Both' ? 'vm' : 'kubernetes',
    framework: (spec?.technology?.frameworks?.[0] ?? spec?.technology?.languages?.[0] ?? '').toLowerCase(),
  }
}

/** The hardest that it speaks. */
function protocolOf({ spec, status }: Application): Traits['protocol'] {
  const ports = spec?.ports ?? []
  const seen = status?.observed?.protocols ?? []
  if (ports.some(({ serverFirst }) => serverFirst)) return 'server-first'
  if (ports.some(({ protocol }) => protocol === 'UDP')) return 'udp'
  if (
    ports.some(({ protocol }) => protocol === 'TCP' || protocol === 'TLS' || protocol === 'HTTPS') ||
    seen.includes('TCP')
  )
    return 'tcp'
  if (ports.some(({ protocol }) => protocol === 'GRPC') || seen.includes('GRPC')) return 'grpc'
  return 'http'
}

export function nameOf({ criticality, protocol, compliance, platform, framework }: Traits): string {
  return [criticality, protocol, ...compliance, ...(platform === 'vm' ? ['vm'] : []), framework]
    .map((part) =>
      part
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, '-')
        .replaceAll(/^-+|-+$/g, ''),
    )
    .filter((part) => part !== '')
    .join('-')
}
