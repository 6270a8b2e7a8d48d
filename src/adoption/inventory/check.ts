import { servicePortProtocol } from '../../mesh/protocol.ts'
import type { Application } from '../../resources/adoption.ts'
import { closest } from '../../resources/did-you-mean.ts'
import { fieldText, type Message } from '../../resources/message.ts'
import { positionOf } from '../../resources/position.ts'
import { displayName, type FieldPath, keyOf } from '../../resources/resource.ts'
import { compareTexts } from '../../resources/text-order.ts'
import {
  type AppWorkload,
  type Estate,
  isServer,
  nameOf,
  serviceFields,
  servicesOf,
  workloadsOf,
} from '../estate/estate.ts'
import type { AdoptionRule } from '../rules.ts'
import { tell, workloadText } from './inventory.ts'
import { HURTS, type Hurt, knownProduct, productNamed } from './products.ts'

/** What there is to check an inventory against. */
export interface Surroundings {
  /** What runs, or is written; absent where nothing was looked at. */
  readonly estate?: Estate
  /** Teams that are known; absent where nobody has listed them. */
  readonly teams?: readonly string[]
}

/** What is wrong with an inventory: overlaps, unknown owners, what is not there, and what a mesh is known to hurt. */
export function checkInventory(
  applications: readonly Application[],
  { estate, teams }: Surroundings,
): readonly Message[] {
  const workloads = new Map((estate ? workloadsOf(estate) : []).map((each) => [keyOfWorkload(each), each]))
  return [
    ...overlaps(applications),
    ...applications.flatMap((application) => [
      ...ofOwner(application, teams),
      ...ofDependencies(application, applications),
      ...(estate ? ofWorkloads(application, estate, workloads) : []),
      ...(application.spec?.exempt ? [] : hurts(application, estate, workloads)),
    ]),
    ...(estate ? ofNobody(applications, workloads) : []),
  ]
}

function keyOfWorkload({ namespace, kind, name }: AppWorkload): string {
  return `${namespace}/${kind}/${name}`
}

function about(
  application: Application,
  rule: AdoptionRule,
  severity: Message['severity'],
  path: FieldPath,
  problem: string,
  remedy: string,
): Message {
  const position = positionOf(application, path)
  return tell(rule, severity, {
    object: displayName(application),
    ...(path.length > 0 ? { field: fieldText(path) } : {}),
    ...(position ? { position } : {}),
    problem,
    remedy,
  })
}

function overlaps(applications: readonly Application[]): Message[] {
  const owners = new Map<string, Application>()
  return applications.flatMap((application) =>
    (application.spec?.workloads ?? []).flatMap((workload, i) => {
      const key = `${application.metadata.namespace}/${workloadText(workload)}`
      const first = owners.get(key)
      if (!first) owners.set(key, application)
      if (!first || first === application) return []
      return [
        about(
          application,
          'overlapping-applications',
          'error',
          ['spec', 'workloads', i],
          `${workloadText(workload)} is of ${displayName(first)} too`,
          'leave it in one of them: what joins the mesh joins once',
        ),
      ]
    }),
  )
}

function ofOwner(application: Application, teams: readonly string[] | undefined): Message[] {
  const { owner, criticality } = application.spec ?? {}
  const found: Message[] = []
  if (!owner) found.push(about(application, 'no-owner', 'warning', [], 'nobody answers for it', 'set spec.owner.team'))
  else if (teams && !teams.includes(owner.team)) {
    const near = closest(owner.team, teams)
    found.push(
      about(
        application,
        'unknown-owner',
        'warning',
        ['spec', 'owner', 'team'],
        `there is no team "${owner.team}"`,
        near ? `did you mean "${near}"?` : `name one of ${teams.slice(0, 10).join(', ')}`,
      ),
    )
  }
  if (criticality === undefined)
    found.push(
      about(application, 'no-criticality', 'info', [], 'nobody has said how critical it is', 'set spec.criticality'),
    )
  return found
}

function ofDependencies(application: Application, applications: readonly Application[]): Message[] {
  const known = applications.map(keyOf)
  return (application.spec?.dependencies?.applications ?? []).flatMap(
    ({ name, namespace = application.metadata.namespace ?? '' }, i) => {
      const key = `${namespace}/${name}`
      if (known.includes(key)) return []
      const near = closest(key, known)
      return [
        about(
          application,
          'dependency-missing',
          'warning',
          ['spec', 'dependencies', 'applications', i],
          `there is no Application ${key}`,
          near ? `did you mean ${near}?` : 'add it, or name it under external',
        ),
      ]
    },
  )
}

function ofWorkloads(application: Application, estate: Estate, workloads: ReadonlyMap<string, AppWorkload>): Message[] {
  return (application.spec?.workloads ?? []).flatMap(({ kind = 'Deployment', name }, i) => {
    const key = `${application.metadata.namespace}/${kind}/${name}`
    // What is not read can't be missed.
    const isRead = !estate.unread.some((unread) => unread.kind === kind) && RUNNERS.has(kind)
    if (workloads.has(key) || !isRead) return []
    const near = closest(key, [...workloads.keys()])
    const remedy = near
      ? `did you mean ${near.slice(near.indexOf('/') + 1)} in ${near.split('/')[0]}?`
      : 'take it out, or correct its kind and name'
    return [
      about(
        application,
        'workload-missing',
        'error',
        ['spec', 'workloads', i],
        `there is no ${kind} ${application.metadata.namespace}/${name} in ${estate.label}`,
        remedy,
      ),
    ]
  })
}

const RUNNERS: ReadonlySet<string> = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob', 'Pod'])

function ofNobody(applications: readonly Application[], workloads: ReadonlyMap<string, AppWorkload>): Message[] {
  const claimed = new Set(
    applications.flatMap(({ metadata, spec }) =>
      (spec?.workloads ?? []).map((workload) => `${metadata.namespace}/${workloadText(workload)}`),
    ),
  )
  return [...workloads.values()]
    .filter((workload) => isServer(workload) && !claimed.has(keyOfWorkload(workload)))
    .sort((a, b) => compareTexts(keyOfWorkload(a), keyOfWorkload(b)))
    .map(({ object }) =>
      tell('workload-of-nobody', 'warning', {
        object: nameOf(object),
        problem: 'it is of no application',
        remedy: 'run weft adopt import, or add it to the workloads of one',
      }),
    )
}

/** Where a mesh is known to hurt, and what to do. */
function hurts(
  application: Application,
  estate: Estate | undefined,
  workloads: ReadonlyMap<string, AppWorkload>,
): Message[] {
  const found = new Map<string, Message>()
  const warn = (id: string, path: FieldPath, what: string, hurt: Hurt, advice: string) => {
    if (!found.has(id))
      found.set(id, about(application, 'hurts-in-mesh', 'warning', path, `${what}: ${HURTS[hurt]}`, advice))
  }
  const { spec } = application
  for (const [i, { kind = 'Deployment', name }] of (spec?.workloads ?? []).entries()) {
    const workload = workloads.get(`${application.metadata.namespace}/${kind}/${name}`)
    if (!workload) continue
    const path = ['spec', 'workloads', i]
    for (const { image = '' } of workload.template.spec?.containers ?? []) {
      const product = knownProduct(image)
      if (product) warn(product.name, path, `${name} is ${product.name} (${image})`, product.hurt, product.advice)
    }
    for (const service of estate ? servicesOf(estate, workload) : []) {
      for (const port of serviceFields(service).ports ?? []) {
        if (servicePortProtocol(port) === 'udp')
          warn('udp', path, `port ${port.port} of ${nameOf(service)} is UDP`, 'udp', UDP_ADVICE)
      }
      const isHeadless = serviceFields(service).clusterIP === 'None'
      if (isHeadless && found.size === 0)
        warn(
          'headless',
          path,
          `${nameOf(service)} is headless`,
          'direct-pod-to-pod',
          'name its ports by protocol; calls to its members by their names get mutual TLS, calls to bare addresses do not',
        )
    }
  }
  for (const [i, { port, protocol, serverFirst, product }] of (spec?.ports ?? []).entries()) {
    const path = ['spec', 'ports', i]
    const known = product === undefined ? undefined : productNamed(product)
    if (known) warn(known.name, path, `port ${port} is ${known.name}`, known.hurt, known.advice)
    else if (protocol === 'UDP') warn('udp', path, `port ${port} is UDP`, 'udp', UDP_ADVICE)
    else if (serverFirst)
      warn(
        'server-first',
        path,
        `at port ${port} the server speaks first`,
        'server-first',
        'name the port of its Service tcp-..., so that nobody waits for the first bytes of a client',
      )
  }
  return [...found.values()]
}

const UDP_ADVICE =
  'leave it as it is, and count on no encryption there; where that is needed, look for TLS or DTLS of the product itself'
