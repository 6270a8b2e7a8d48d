import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments, stringify } from 'yaml'
import type { EstateObject } from '../../../adoption/estate/estate.ts'
import type { OnboardingSpec } from '../../../adoption/onboarding/onboarding.ts'

const SAMPLES = fileURLToPath(new URL('../../../../samples/', import.meta.url))

/** How many times faster the demo's time goes for what happens seldom: an hour takes 20 seconds. */
const TIME_SCALE = 180

const BOOKS = 'books'
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

/** Which of the estate a demo is made of. */
export interface Part {
  /** For people. */
  readonly label: string
  readonly namespaces: readonly string[]
  readonly entrances: readonly Entrance[]
}

function entrance(
  application: string,
  hostname: string,
  servicePort: number,
  targetPort: number,
  path = '/',
): Entrance {
  const service = application.slice(application.indexOf('/') + 1)
  return { application, gateway: { hostname, port: 8080, service, servicePort }, targetPort, path }
}

const PAY = entrance('pay/checkout', 'pay.example.com', 80, 8080)
const BROKEN = /currently unavailable/

export const WHOLE: Part = {
  label: 'Bookinfo and the estate',
  namespaces: ['shop', 'pay', 'depot', BOOKS],
  entrances: [
    entrance('shop/storefront', 'shop.example.com', 80, 8080),
    PAY,
    { ...entrance(`${BOOKS}/productpage`, 'books.example.com', 9080, 9080, '/productpage'), broken: BROKEN },
  ],
}

/** In it is wrong all that is wrong with the whole. */
export const SMALL: Part = { label: 'a part of the estate', namespaces: ['pay', 'depot'], entrances: [PAY] }

/** On a cluster. Hosts are those of the gateways' Services, so that pods find them by name. */
export const ON_CLUSTER: Part = {
  label: 'Bookinfo and the depot',
  namespaces: [BOOKS, 'depot'],
  entrances: [
    {
      ...entrance(`${BOOKS}/productpage`, `productpage-weft.${BOOKS}`, 9080, 9080, '/productpage'),
      broken: BROKEN,
    },
    entrance('depot/orders', 'orders-weft.depot', 80, 8080),
  ],
}

/** Writes what runs, none of it with a proxy, to a folder that a mesh or a loop follows. @param onCluster as a cluster takes it: probes, and the images that Istio publishes */
export function writeEstate(folder: string, part: Part, onCluster = false): void {
  mkdirSync(folder, { recursive: true })
  writeFiles(folder, part, onCluster)
  if (!onCluster) return
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    const objects = parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map(
      (each) => each.toJS() as EstateObject,
    )
    writeFileSync(join(folder, file), objects.map((object) => stringify(withProbes(object))).join('---\n'))
  }
}

interface Templated {
  readonly template: {
    readonly spec: {
      readonly containers: readonly { readonly ports?: readonly { readonly containerPort: number }[] }[]
    }
  }
}

/** A pod is sent to from when it listens, and no more when it is about to end: without that any rollout fails requests, with a mesh or without. */
function withProbes(object: EstateObject): EstateObject {
  if (object.kind !== 'Deployment') return object
  const spec = object['spec'] as Templated
  const containers = spec.template.spec.containers.map((container) => {
    const port = container.ports?.[0]?.containerPort
    if (port === undefined) return container
    return {
      ...container,
      readinessProbe: { tcpSocket: { port }, periodSeconds: 2, failureThreshold: 5 },
      lifecycle: { preStop: { sleep: { seconds: 5 } } },
    }
  })
  return { ...object, spec: { ...spec, template: { ...spec.template, spec: { ...spec.template.spec, containers } } } }
}

function writeFiles(folder: string, { namespaces }: Part, published: boolean): void {
  for (const namespace of namespaces.filter((each) => each !== BOOKS)) {
    const file = `${namespace}.yaml`
    const text = readFileSync(join(SAMPLES, 'estate', file), 'utf8')
    writeFileSync(join(folder, file), text.replaceAll('TIME_SCALE, value: "1"', `TIME_SCALE, value: "${TIME_SCALE}"`))
  }
  if (namespaces.includes(BOOKS)) writeFileSync(join(folder, 'bookinfo.yaml'), bookinfo(published))
}

/** In a namespace of its own, without proxies. */
function bookinfo(published: boolean): string {
  const text = readFileSync(join(SAMPLES, 'bookinfo', 'bookinfo.yaml'), 'utf8')
    .replaceAll(/(template:\n\s+metadata:\n\s+labels: \{ )/g, '$1sidecar.istio.io/inject: "false", ')
    .replaceAll(/docker\.io\/weft\/bookinfo-(\S+):1$/gm, (own, name) =>
      published ? `registry.istio.io/release/examples-bookinfo-${name}:1.20.3` : own,
    )
  const objects = parseAllDocuments(text).map((document) => {
    const object = document.toJS() as EstateObject
    return { ...object, metadata: { ...object.metadata, namespace: BOOKS } }
  })
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: BOOKS } }
  return [namespace, ...objects].map((object) => stringify(object)).join('---\n')
}

/** Writes the inventory: all but the one that nobody knows of. */
export function writeInventory(folder: string, { namespaces }: Part): void {
  const applications = join(folder, 'applications')
  mkdirSync(applications, { recursive: true })
  const estate = readFileSync(join(SAMPLES, 'estate', 'inventory', 'applications.yaml'), 'utf8')
  const known = estate
    .split(/^---\n/m)
    .filter((text) => namespaces.some((namespace) => text.includes(`namespace: ${namespace} `)))
  writeFileSync(join(applications, 'estate.yaml'), known.join('---\n'))
  if (!namespaces.includes(BOOKS)) return
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
