import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import type { OnboardingSpec } from '../../../adoption/onboarding/onboarding.ts'

const SAMPLES = fileURLToPath(new URL('../../../../samples/', import.meta.url))

/** How many times faster the demo's time goes for what happens seldom: an hour takes 20 seconds. */
const TIME_SCALE = 180

/** Namespaces of the estate, each in a file of its own, and that of Bookinfo. */
const ESTATE = ['shop', 'pay', 'depot']
const BOOKS = 'default'
/** Of these is a small one, in which all that is wrong with the whole is wrong, too. */
const SMALL: ReadonlySet<string> = new Set(['pay', 'depot'])

const BOOKINFO: Readonly<Record<string, readonly string[]>> = {
  productpage: ['productpage-v1'],
  details: ['details-v1'],
  reviews: ['reviews-v1', 'reviews-v2', 'reviews-v3'],
  ratings: ['ratings-v1'],
}

/** How requests come in from outside: whom they ask for. */
export interface Entrance {
  readonly application: string
  readonly gateway: NonNullable<OnboardingSpec['gateway']>
  /** Port at which its pods serve without a gateway. */
  readonly targetPort: number
  readonly path: string
  /** What must not be in an answer, though its status is 200. */
  readonly broken?: RegExp
}

function entrance(
  application: string,
  hostname: string,
  servicePort: number,
  targetPort: number,
): Omit<Entrance, 'path'> {
  const service = application.slice(application.indexOf('/') + 1)
  return { application, gateway: { hostname, port: 8080, service, servicePort }, targetPort }
}

const ENTRANCES: readonly Entrance[] = [
  { ...entrance('shop/storefront', 'shop.example.com', 80, 8080), path: '/' },
  { ...entrance('pay/checkout', 'pay.example.com', 80, 8080), path: '/' },
  {
    ...entrance('default/productpage', 'books.example.com', 9080, 9080),
    path: '/productpage',
    broken: /currently unavailable/,
  },
]

export function entrances(isSmall: boolean): readonly Entrance[] {
  return ENTRANCES.filter(({ application }) => !isSmall || SMALL.has(application.slice(0, application.indexOf('/'))))
}

/** Writes what runs, none of it with a proxy, to a folder that a mesh follows. */
export function writeEstate(folder: string, isSmall: boolean): void {
  mkdirSync(folder, { recursive: true })
  for (const namespace of ESTATE.filter((each) => !isSmall || SMALL.has(each))) {
    const file = `${namespace}.yaml`
    const text = readFileSync(join(SAMPLES, 'estate', file), 'utf8')
    writeFileSync(join(folder, file), text.replaceAll('TIME_SCALE, value: "1"', `TIME_SCALE, value: "${TIME_SCALE}"`))
  }
  if (isSmall) return
  const bookinfo = readFileSync(join(SAMPLES, 'bookinfo', 'bookinfo.yaml'), 'utf8')
  const bare = bookinfo.replaceAll(/(template:\n\s+metadata:\n\s+labels: \{ )/g, '$1sidecar.istio.io/inject: "false", ')
  writeFileSync(join(folder, 'bookinfo.yaml'), bare)
}

/** Writes the inventory: all but the one that nobody knows of. */
export function writeInventory(folder: string, isSmall: boolean): void {
  const applications = join(folder, 'applications')
  mkdirSync(applications, { recursive: true })
  const estate = readFileSync(join(SAMPLES, 'estate', 'inventory', 'applications.yaml'), 'utf8')
  const known = estate
    .split(/^---\n/m)
    .filter((text) => !isSmall || [...SMALL].some((namespace) => text.includes(`namespace: ${namespace} `)))
  writeFileSync(join(applications, 'estate.yaml'), known.join('---\n'))
  if (isSmall) return
  const books = Object.entries(BOOKINFO).map(([name, workloads]) => applicationText(BOOKS, name, workloads, 'books'))
  writeFileSync(join(applications, 'bookinfo.yaml'), books.join('---\n'))
}

/** An Application, as it is written. */
export function applicationText(namespace: string, name: string, workloads: readonly string[], team: string): string {
  return stringify({
    apiVersion: 'adoption.weft.dev/v1alpha1',
    kind: 'Application',
    metadata: { name, namespace },
    spec: { workloads: workloads.map((workload) => ({ name: workload })), owner: { team }, criticality: 'low' },
  })
}
