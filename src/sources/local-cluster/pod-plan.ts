import type { Pod } from '../../resources/core.ts'
import { KIND } from '../../resources/resource.ts'
import { appAddress, HTTP_PROXY_PORT, podAddress } from './addresses.ts'
import type { ReachablePort } from './reachable.ts'

/** One process of a pod's application. */
export interface ContainerPlan {
  readonly name: string
  /** What to run, in `folder`; a first word `node` is the Node that runs Weft. */
  readonly command: readonly string[]
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  /** TCP ports that it says it listens on. */
  readonly ports: readonly { readonly name?: string; readonly port: number }[]
  readonly readiness?: ReadinessProbe
}

/** A container's readinessProbe, as far as a process on a laptop can be asked. Times in seconds. */
export interface ReadinessProbe {
  readonly port: number
  /** Path of an HTTP GET that must give 200 to 399; without it the port must accept a connection. */
  readonly path?: string
  readonly period: number
}

/** A pod as it was decided to be when it was made; it stays so until it is removed. Plain data: it is kept on disk. */
export interface PodPlan {
  /** `namespace/name`. */
  readonly key: string
  readonly namespace: string
  readonly name: string
  /** Tells this pod from an earlier one of the same name. */
  readonly uid: string
  /** What it belongs to: `Deployment default/reviews-v1`. */
  readonly owner: string
  /** Hash of what it was made from: a pod with another one than its owner now asks for is replaced. */
  readonly revision: string
  /** What its Envoy is; `none` where it has none. */
  readonly role: 'sidecar' | 'gateway' | 'none'
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Where its Envoy listens, and its containers where it has none. */
  readonly address: string
  /** Where its containers listen behind its Envoy; without one, where they are taken on to Services. */
  readonly appAddress: string
  /** Empty for a gateway, which is an Envoy and nothing else. */
  readonly containers: readonly ContainerPlan[]
  /** How long a container may take to end after SIGTERM. */
  readonly graceSeconds: number
}

/** How a pod is, as told by who runs it. */
export interface PodStatus {
  readonly key: string
  readonly uid: string
  /** Its Envoy and its containers take traffic. */
  readonly ready: boolean
  /** How often processes of it had to be started again. */
  readonly restarts: number
}

/** A pod that should run (or, `terminating`, should be drained and stopped), with the environment for its processes. */
export interface DesiredPod extends PodPlan {
  readonly terminating: boolean
  /** Ports of `address` at which Services or gateways have it listen. */
  readonly listens: readonly number[]
  /** Of every container: Kubernetes' variables for the Services of the namespace. */
  readonly serviceEnv: Readonly<Record<string, string>>
  /** Where its containers get to, where no Envoy takes them there. */
  readonly reaches: readonly ReachablePort[]
}

/** A new pod's addresses, from its number in the block. */
export function placed(block: number, number: number): { address: string; appAddress: string; uid: string } {
  return { address: podAddress(block, number), appAddress: appAddress(block, number), uid: `${block}-${number}` }
}

/** The node that all pods of a local mesh are on. */
export const NODE_NAME = 'laptop'

/** The Pod object that the rest of the mesh sees. */
export function podObject(plan: PodPlan, state: { ready: boolean; deletionTimestamp?: string }): Pod {
  const owner = ownerOf(plan)
  const { name, namespace, uid, labels, annotations } = plan
  const own = {
    'weft.dev/app-address': plan.appAddress,
    'weft.dev/http-proxy-port': String(HTTP_PROXY_PORT),
    ...(plan.role === 'gateway' ? { 'weft.dev/proxy-role': 'gateway' } : {}),
  }
  const hasProxy = plan.role !== 'none'
  const { deletionTimestamp, ready } = state
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    [KIND]: 'core/Pod',
    metadata: {
      name,
      namespace,
      uid,
      labels: { ...labels, ...(hasProxy ? { 'security.istio.io/tlsMode': 'istio' } : {}) },
      annotations: { ...annotations, ...(hasProxy ? own : {}) },
      ...(owner ? { ownerReferences: [{ ...owner, controller: true }] } : {}),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    spec: {
      nodeName: NODE_NAME,
      serviceAccountName: plan.serviceAccount,
      containers: plan.containers.map((container) => ({
        name: container.name,
        ports: container.ports.map(({ name, port }) => ({
          ...(name === undefined ? {} : { name }),
          containerPort: port,
        })),
      })),
    },
    status: {
      phase: 'Running',
      podIP: plan.address,
      podIPs: [{ ip: plan.address }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  }
}

/** What it belongs to, where that is an object. */
export function ownerOf({
  owner,
}: Pick<PodPlan, 'owner'>): { readonly kind: string; readonly name: string } | undefined {
  const [, kind, name] = /^([A-Z]\w*) [^/]+\/(.+)$/.exec(owner) ?? []
  return kind && name ? { kind, name } : undefined
}

/** A pod that cannot be run: it has a name and no address. */
export function pendingPodObject(
  metadata: { name: string; namespace: string; labels: Readonly<Record<string, string>> },
  reason: string,
): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    [KIND]: 'core/Pod',
    metadata,
    spec: { containers: [] },
    status: {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'NoProgram', message: reason }],
    },
  }
}
