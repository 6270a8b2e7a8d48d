import { createHash } from 'node:crypto'
import type { Container, Deployment, Pod, PodTemplate } from '../../resources/core.ts'
import { matchesSelector } from '../../resources/labels.ts'
import { displayName, type FieldPath, type Resource } from '../../resources/resource.ts'
import { type ConfigLookup, containerEnvironment } from './environment.ts'
import type { ImageMap } from './image-map.ts'
import { imageName } from './image-name.ts'
import { notOnALaptop } from './not-on-a-laptop.ts'
import { type ContainerPlan, NODE_NAME, type PodPlan, placed, type ReadinessProbe } from './pod-plan.ts'
import { getsProxy } from './proxy-wish.ts'
import type { PodSet } from './rollout.ts'
import type { Tell } from './telling.ts'

/** What a pod finds in its namespace, and the namespace's own labels. */
export interface NamespaceFacts extends ConfigLookup {
  readonly labels: Readonly<Record<string, string>>
}

/** A PodSet that knows how its pods are made. */
export interface PlannedSet extends PodSet {
  readonly labels: Readonly<Record<string, string>>
  /** Why no pod of it can run: shown on the pods, which stay pending. */
  readonly blocked: string | undefined
  /** @param number the pod's place among the block's addresses */
  readonly plan: (name: string, block: number, number: number) => PodPlan
}

/** What stands for "only the proxy": Istio's placeholder in written gateway Deployments, and its name for the sidecar. */
const PROXY_IMAGE = 'docker.io/library/auto'
const PROXY_CONTAINER = 'istio-proxy'

/** The pods that a Deployment wants. Undefined, and told, where Kubernetes would refuse the Deployment. */
export function deploymentPods(
  deployment: Deployment,
  images: ImageMap,
  lookup: (namespace: string) => NamespaceFacts,
  tell: Tell,
): PlannedSet | undefined {
  const { spec, metadata } = deployment
  if (!spec) return undefined
  if (!matchesSelector(spec.selector, spec.template.metadata?.labels ?? {})) {
    tell(deployment, ['spec', 'selector'], {
      rule: 'selector-not-in-template',
      severity: 'error',
      problem: 'the selector does not match the labels of the template, so no pod would belong to this Deployment',
      remedy: 'give spec.template.metadata.labels the labels that spec.selector asks for',
    })
    return undefined
  }
  return templatePods(deployment, spec.template, ['spec', 'template', 'spec'], images, lookup, tell, {
    name: metadata.name,
    single: false,
    replicas: spec.replicas ?? 1,
  })
}

/** A Pod that was written as such. */
export function writtenPod(
  pod: Pod,
  images: ImageMap,
  lookup: (namespace: string) => NamespaceFacts,
  tell: Tell,
): PlannedSet | undefined {
  if (!pod.spec) return undefined
  const { name, labels, annotations } = pod.metadata
  const template = { metadata: { ...(labels && { labels }), ...(annotations && { annotations }) }, spec: pod.spec }
  return templatePods(pod, template, ['spec'], images, lookup, tell, { name, single: true, replicas: 1 })
}

function templatePods(
  owner: Resource,
  template: PodTemplate,
  path: FieldPath,
  images: ImageMap,
  lookup: (namespace: string) => NamespaceFacts,
  tell: Tell,
  set: { name: string; single: boolean; replicas: number },
): PlannedSet {
  const namespace = owner.metadata.namespace ?? 'default'
  const { labels = {}, annotations = {} } = template.metadata ?? {}
  const containers = (template.spec?.containers ?? []).map((container, i) => ({ container, i })).filter(isApplication)
  const gateway = annotations['inject.istio.io/templates'] === 'gateway' || containers.length === 0
  const blocked = containers.flatMap(({ container, i }) => missingProgram(container, [...path, 'containers', i]))
  if (template.spec?.initContainers?.length) {
    tell(owner, [...path, 'initContainers'], {
      rule: 'init-containers-not-run',
      severity: 'warning',
      problem: 'init containers do not run on a laptop',
      remedy: 'do what they do before `weft up`, or leave it out',
    })
  }
  if (template.spec && !gateway) {
    for (const { path: inside, problem, remedy } of notOnALaptop(template.spec, containers))
      tell(owner, [...path, ...inside], { rule: 'not-on-a-laptop', severity: 'warning', problem, remedy })
  }

  function missingProgram(container: Container, at: FieldPath): string[] {
    if (images.has(imageName(container.image ?? ''))) return []
    const problem = `no local program stands in for the image ${container.image ?? '(none)'}`
    tell(owner, [...at, 'image'], {
      rule: 'no-program-for-image',
      severity: 'error',
      problem: `${problem}, so its pods stay pending`,
      remedy: `name a command for ${imageName(container.image ?? '')} in the image map (weft up --images FILE)`,
    })
    return [problem]
  }

  const programs = containers.map(({ container }) => images.get(imageName(container.image ?? '')))
  const serviceAccount = template.spec?.serviceAccountName ?? template.spec?.serviceAccount ?? 'default'
  const own = { namespace, serviceAccount, labels, annotations, nodeName: NODE_NAME }
  // What a container cannot be given depends on no pod in particular.
  for (const { container, i } of containers) {
    const { problems } = containerEnvironment(container, {}, { ...own, name: set.name, address: '' }, lookup(namespace))
    for (const { path: inside, problem, remedy } of problems) {
      const field = [...path, 'containers', i, ...inside]
      tell(owner, field, { rule: 'environment-not-given', severity: 'warning', problem, remedy })
    }
  }
  const proxy = getsProxy(template, lookup(namespace).labels) ? 'sidecar' : 'none'
  const plan = (name: string, block: number, number: number): PodPlan => {
    const { address, appAddress, uid } = placed(block, number)
    const facts = { ...own, name, address }
    const plans = containers.map(({ container }, at): ContainerPlan => {
      const program = programs[at]
      const { env } = containerEnvironment(container, program?.env ?? {}, facts, lookup(namespace))
      const ports = (container.ports ?? [])
        .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
        .map(({ name, containerPort }) => ({ ...(name === undefined ? {} : { name }), port: containerPort }))
      const readiness = readinessOf(container)
      return {
        name: container.name,
        command: [...(program?.command ?? []), ...(container.args ?? [])],
        folder: program?.folder ?? '/',
        env,
        ports,
        ...(readiness ? { readiness } : {}),
      }
    })
    return {
      key: `${namespace}/${name}`,
      namespace,
      name,
      uid,
      owner: displayName(owner),
      revision,
      role: gateway ? 'gateway' : proxy,
      serviceAccount,
      labels,
      annotations,
      address,
      appAddress,
      containers: gateway ? [] : plans,
      graceSeconds: template.spec?.terminationGracePeriodSeconds ?? 30,
    }
  }
  // A rollout is due when the template changes, as in Kubernetes, or what stands in for its images.
  const revision = hashOf([template, programs])
  const owned = { owner: displayName(owner), namespace, labels, revision, plan }
  return { ...set, ...owned, blocked: gateway ? undefined : blocked[0] }
}

function isApplication({ container }: { container: Container }): boolean {
  return container.name !== PROXY_CONTAINER && imageName(container.image ?? '') !== PROXY_IMAGE
}

function readinessOf({ readinessProbe, ports }: Container): ReadinessProbe | undefined {
  const { httpGet, tcpSocket, periodSeconds: period = 10 } = readinessProbe ?? {}
  const wanted = httpGet?.port ?? tcpSocket?.port
  const port = typeof wanted === 'string' ? ports?.find(({ name }) => name === wanted)?.containerPort : wanted
  if (port === undefined) return undefined
  return httpGet && httpGet.scheme !== 'HTTPS' ? { port, path: httpGet.path ?? '/', period } : { port, period }
}

/** Short, and the same for equal plain data. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12)
}
