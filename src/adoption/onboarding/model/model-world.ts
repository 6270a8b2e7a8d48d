import type { Application } from '../../../resources/adoption.ts'
import { KIND, ORIGIN } from '../../../resources/resource.ts'
import type { Estate, EstateObject } from '../../estate/estate.ts'
import type { Onboarding } from '../onboarding.ts'
import type { Coverage, InForce, Instance, ObjectName, Objects, World } from '../world.ts'
import { ModelEvidence } from './model-evidence.ts'
import { NAMESPACE, outcomeOf, type Rules } from './rules-of-model.ts'

/** An application of the model: one Deployment, one Service, one ServiceAccount, all of one name. */
export interface ModelApplication {
  readonly name: string
  readonly replicas: number
  /** It is no application of the inventory, and never gets a proxy. */
  readonly isStranger?: boolean
  /** Whether it does not start beside a proxy. */
  readonly failsWithProxy?: boolean
}

export interface ModelEdge {
  readonly from: string
  readonly to: string
  /** It calls every so many minutes. */
  readonly period: number
  /** How long its calls take, in ms. */
  readonly takes: number
}

export interface ModelEstate {
  readonly applications: readonly ModelApplication[]
  readonly edges: readonly ModelEdge[]
}

interface ModelPod {
  readonly name: string
  readonly owner: string
  readonly hasProxy: boolean
  readonly ready: boolean
  readonly labels: Readonly<Record<string, string>>
  /** What its proxy goes by: it is told later than others. */
  rules: Rules
  /** In how many minutes it takes what is written. */
  lag: number
}

/** A process that was killed at that moment. */
export class Killed extends Error {}

const MINUTE = 60_000

/**
 * A mesh that is only thought of: who calls whom, which rules each proxy has, and what becomes of calls by them. Time goes in minutes; what is written
 * reaches each proxy after a while of its own, and pods are replaced one after the other.
 */
export class ModelWorld implements World {
  readonly model: ModelEstate
  readonly #objects = new Map<string, EstateObject>()
  readonly #journal = new Map<string, string>()
  readonly #random: () => number
  #pods: ModelPod[] = []
  #made = 0
  #minute = 0
  /** What is added to what people read of the clock, in ms. */
  clockError = 0
  coverageProblems: readonly string[] = []
  /** Nobody knows what runs, as just after a start. */
  hidesInstances = false
  /** Of the inventory, where it is other than one Application for each. */
  inventory: readonly Application[] | undefined
  /** Calls that failed, in words. */
  readonly failed: string[] = []
  readonly evidence: ModelEvidence
  /** Throws after so many writes, before or after the next one is done; undefined for never. */
  killAfter: { writes: number; readonly done: boolean } | undefined

  /** @param random from 0 to 1, as Math.random */
  constructor(model: ModelEstate, random: () => number) {
    this.model = model
    this.#random = random
    for (const application of model.applications) for (const object of objectsOf(application)) this.#put(object)
    this.evidence = new ModelEvidence(
      () => this.clock.now(),
      (): Coverage => ({ since: START, until: this.clock.now(), problems: this.coverageProblems }),
      () => [...this.#objects.values()],
    )
    this.#roll(true)
  }

  readonly clock = {
    now: () => START + this.#minute * MINUTE + this.clockError,
    elapsed: () => this.#minute * MINUTE,
    wait: async () => undefined,
  }

  readonly objects: Objects = {
    read: async (name) => this.#objects.get(keyOf(name)),
    list: async ({ kind }) => [...this.#objects.values()].filter((object) => object.kind === kind),
    write: async ({ put, remove }) =>
      this.#write(() => {
        for (const object of put) this.#put(object)
        for (const name of remove) this.#objects.delete(keyOf(name))
        for (const pod of this.#pods) pod.lag = Math.max(pod.lag, Math.floor(this.#random() * 3))
      }),
  }

  readonly journal = {
    load: async (application: string) => parsed(this.#journal.get(application)),
    list: async () => [...this.#journal.values()].flatMap((text) => parsed(text) ?? []),
    save: async (onboarding: Onboarding) =>
      this.#write(() => this.#journal.set(onboarding.spec.application, JSON.stringify(onboarding))),
  }

  readonly mesh = {
    inForce: async (): Promise<InForce> => {
      const late = this.#pods.find(({ lag }) => lag > 0)
      if (late) return { state: 'waiting', why: `${late.name} to take it` }
      const rolling = this.#deployments().find((deployment) => !this.#isRolledOut(deployment))
      return rolling ? { state: 'waiting', why: `${rolling.metadata.name} to be rolled out` } : { state: 'in force' }
    },
    instances: async (workloads: readonly { readonly name: string }[]): Promise<readonly Instance[]> =>
      this.#pods
        .filter(({ owner }) => !this.hidesInstances && workloads.some(({ name }) => name === owner))
        .map(({ name, owner, ready, hasProxy }) => ({
          name,
          workload: { namespace: NAMESPACE, name: owner },
          ready,
          hasProxy,
          restarts: ready ? 0 : 3,
        })),
  }

  async estate(): Promise<Estate> {
    return {
      label: 'the model',
      live: true,
      objects: [...this.#objects.values()],
      unread: [],
      groups: [],
      messages: [],
    }
  }

  async applications(): Promise<readonly Application[]> {
    if (this.inventory) return this.inventory
    return this.model.applications.filter(({ isStranger }) => !isStranger).map(({ name }) => applicationOf(name))
  }

  /** Somebody takes an object away. */
  remove(name: ObjectName): void {
    this.#objects.delete(keyOf(name))
  }

  /** Somebody writes an object. */
  put(object: EstateObject): void {
    this.#put(object)
  }

  get(kind: string, name: string): EstateObject | undefined {
    return [...this.#objects.values()].find((object) => object.kind === kind && object.metadata.name === name)
  }

  kinds(kind: string): readonly EstateObject[] {
    return [...this.#objects.values()].filter((object) => object.kind === kind)
  }

  pods(): readonly Pick<ModelPod, 'name' | 'owner' | 'hasProxy' | 'ready'>[] {
    return this.#pods
  }

  /** A minute goes by: proxies take what is written, pods are replaced, and everybody whose time it is calls, each instance each instance. */
  pass(): void {
    this.#minute++
    for (const pod of this.#pods) {
      if (pod.lag > 0) pod.lag--
      if (pod.lag === 0) pod.rules = [...this.#objects.values()]
    }
    this.#roll(false)
    for (const edge of this.model.edges) if (this.#minute % edge.period === 0) this.#call(edge)
  }

  #call({ from, to, takes }: ModelEdge): void {
    const ofName = (name: string) => this.#pods.filter(({ labels, ready }) => labels['app'] === name && ready)
    for (const caller of ofName(from)) {
      for (const callee of ofName(to)) {
        const { outcome, mutualTls } = outcomeOf({
          namespace: NAMESPACE,
          caller: { name: from, hasProxy: caller.hasProxy, rules: caller.rules },
          callee: { name: to, hasProxy: callee.hasProxy, rules: callee.rules, labels: callee.labels },
          takes,
        })
        this.evidence.record({
          from: caller.owner,
          account: from,
          to: callee.owner,
          host: to,
          mutualTls,
          outcome,
          takes,
          caller: caller.hasProxy,
          callee: callee.hasProxy,
        })
        if (outcome !== 'ok') this.failed.push(`minute ${this.#minute}: ${caller.name} to ${callee.name}: ${outcome}`)
      }
    }
  }

  #write(act: () => void): void {
    const kill = this.killAfter
    if (kill && kill.writes-- <= 0) {
      this.killAfter = undefined
      if (kill.done) act()
      throw new Killed()
    }
    act()
  }

  #put(object: EstateObject): void {
    this.#objects.set(keyOf(object), structuredClone(object))
  }

  #deployments(): EstateObject[] {
    return [...this.#objects.values()].filter(({ kind }) => kind === 'Deployment')
  }

  #wanted(deployment: EstateObject) {
    const { replicas, template } = deployment['spec'] as {
      replicas: number
      template: { metadata: { labels: Record<string, string> } }
    }
    const { labels } = template.metadata
    const hasProxy = labels['sidecar.istio.io/inject'] === 'true'
    const pods = this.#pods.filter(({ owner }) => owner === deployment.metadata.name)
    return {
      replicas,
      labels,
      hasProxy,
      current: pods.filter((pod) => pod.hasProxy === hasProxy),
      old: pods.filter((pod) => pod.hasProxy !== hasProxy),
    }
  }

  #isRolledOut(deployment: EstateObject): boolean {
    const { replicas, current, old } = this.#wanted(deployment)
    return old.length === 0 && current.length === replicas && current.every(({ ready }) => ready)
  }

  /** One instance more of what is wanted, and one less of what is not once there are enough. */
  #roll(all: boolean): void {
    const deployments = this.#deployments()
    this.#pods = this.#pods.filter(({ owner }) => deployments.some(({ metadata }) => metadata.name === owner))
    for (const deployment of deployments) {
      const { replicas, labels, hasProxy, current, old } = this.#wanted(deployment)
      const owner = deployment.metadata.name
      const fails =
        hasProxy && this.model.applications.some(({ name, failsWithProxy }) => labels['app'] === name && failsWithProxy)
      for (let i = current.length; i < (all ? replicas : Math.min(replicas, current.length + 1)); i++)
        this.#pods.push({
          name: `${owner}-${this.#made++}`,
          owner,
          hasProxy,
          ready: !fails,
          labels,
          rules: [...this.#objects.values()],
          lag: 0,
        })
      const ready = current.filter((pod) => pod.ready).length
      const [first] = old
      if (first && ready + old.length > replicas) this.#pods = this.#pods.filter((pod) => pod !== first)
      for (const extra of current.slice(replicas)) this.#pods = this.#pods.filter((pod) => pod !== extra)
    }
  }
}

/** When the model begins: long after the epoch, at a full minute. */
const START = Date.UTC(2026, 0, 1)

function keyOf({ kind, metadata: { name, namespace } }: ObjectName): string {
  return `${kind} ${namespace}/${name}`
}

function parsed(text: string | undefined): Onboarding | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as Onboarding)
}

/** The Application of one. */
export function applicationOf(name: string, workloads: readonly string[] = [name]): Application {
  return {
    apiVersion: 'adoption.weft.dev/v1alpha1',
    kind: 'Application',
    [KIND]: 'adoption.weft.dev/Application',
    [ORIGIN]: { file: 'model', line: 1, text: '' },
    metadata: { name, namespace: NAMESPACE },
    spec: { workloads: workloads.map((each) => ({ name: each })) as [{ name: string }] },
  }
}

function objectsOf({ name, replicas }: ModelApplication): EstateObject[] {
  const metadata = { name, namespace: NAMESPACE }
  const labels = { app: name }
  const container = { name: 'app', image: 'app', ports: [{ name: 'http', containerPort: 8080 }] }
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { serviceAccountName: name, containers: [container] } },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
  ]
}
