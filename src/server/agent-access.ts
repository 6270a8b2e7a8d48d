import { status } from '@grpc/grpc-js'
import type { Node } from '#envoy/config/core/v3/base'
import type { Attestor } from '../identity/attestor.ts'
import type { CaStore } from '../identity/ca-store.ts'
import { urisOf } from '../identity/certificate.ts'
import { type authorizeByPlacement, type Grant, RefusedCall } from '../identity/certificate-service.ts'
import { grantedToHost, hostOfNode, hostsIn } from '../identity/hosts.ts'
import { isOwnDomain, pathOfId } from '../identity/own-domains.ts'
import { formatSpiffeId, type Identity, parseSpiffeId } from '../identity/spiffe.ts'
import { X509Certificate } from '../identity/x509.ts'
import { OF_HOST } from '../mesh/member-health.ts'
import { workloads } from '../mesh/workloads.ts'
import { AGENT_NAME, TOKEN_AUDIENCE } from '../resources/cluster-names.ts'
import type { Pod } from '../resources/core.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { reviewToken } from '../sources/kubernetes/reviews.ts'
import { deriveIndex } from '../store/derive.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Store } from '../store/store.ts'
import type { Caller, Refusal } from '../xds/ads-server.ts'
import { podOfNode } from './proxy-identity.ts'

/** How long a pod that an agent speaks of may take to reach us, in ms: the agent heard of it from the pod itself, we from the API server's watch. */
const WATCH_LAG_MS = 5000

/** Agents join with the token of their service account, which tells the node of their pod. */
export function agentTokens(server: ApiServer, namespace: string): Attestor {
  return {
    name: 'the token of a service account of the cluster',
    takes: (proof) => proof.split('.').length === 3,
    async prove(token) {
      const verdict = await reviewToken(server, token, TOKEN_AUDIENCE).catch((error: Error) => {
        throw new RefusedCall(status.UNAVAILABLE, `the API server cannot say whose token this is: ${error.message}`)
      })
      if (!verdict.authenticated) throw new Error(verdict.problem)
      const { username, extra } = verdict.owner
      const expected = `system:serviceaccount:${namespace}:${AGENT_NAME}`
      if (username !== expected) throw new Error(`the token is that of ${username}, and agents are ${expected}`)
      const node = extra['authentication.kubernetes.io/node-name']?.[0]
      if (node === undefined)
        throw new Error(
          'the token does not say on which node its pod runs; use a token of a pod, on Kubernetes 1.30 or newer',
        )
      return { node }
    },
  }
}

/** What is granted to the agent of a node for a workload: something where a pod of that service account is on that node. */
export function placementOf(
  store: Store,
  granted: (identity: { readonly namespace: string; readonly serviceAccount: string }) => Grant = () => ({}),
): (node: string, workload: Identity & { kind: 'workload' }) => Promise<Grant | undefined> {
  return async (node, { namespace, serviceAccount }) => {
    const key = placementKey(node, namespace, serviceAccount)
    const found = await eventually(store, (snapshot) => placements(snapshot.all('core/Pod')).get(key))
    return found && granted({ namespace, serviceAccount })
  }
}

/** The same, and for the agents of hosts what they were invited for, whatever is placed where. */
export function withHosts(ca: CaStore, find: FindPlacement): FindPlacement {
  return async (node, workload) => {
    const granted = await grantedToHost(ca, node, formatSpiffeId(workload))
    return granted === undefined ? find(node, workload) : granted === 'granted' ? {} : undefined
  }
}

type FindPlacement = Parameters<typeof authorizeByPlacement>[1]

const placements = deriveIndex<Pod>('server/placements', (_, { metadata, spec }) =>
  spec?.nodeName ? [placementKey(spec.nodeName, metadata.namespace ?? '', spec.serviceAccountName ?? 'default')] : [],
)

function placementKey(node: string, namespace: string, serviceAccount: string): string {
  return `${node} ${namespace} ${serviceAccount}`
}

/**
 * Which proxy's stream an agent relays: that of the pod that its node id names, if the agent's certificate is that of the pod's node. The
 * agent has made sure that it is that pod that calls. The agent of a host relays that of the host's own WorkloadEntry.
 * @param invited where it is known which hosts are; without it, none is let in
 */
export async function authenticateRelayed(
  store: Store,
  trustDomain: string,
  { certificate }: Caller,
  node: Node | undefined,
  invited?: CaStore,
): Promise<string | Refusal> {
  const agentNode = certificate && nodeOfAgent(certificate, trustDomain)
  if (agentNode === undefined) return { refused: "show the certificate of the proxy's agent", unauthenticated: true }
  const key = podOfNode(node)
  if (typeof key !== 'string') return key
  const host = hostOfNode(agentNode)
  if (host !== undefined) return ofHost(store, host, key, invited)
  // One of that name on another node may be the one before, as with StatefulSets.
  const isThere = (snapshot: Snapshot) => snapshot.get('core/Pod', key)?.spec?.nodeName === agentNode || undefined
  if (await eventually(store, isThere)) return key
  const elsewhere = store.snapshot.get('core/Pod', key)
  if (!elsewhere) return { refused: `there is no pod ${key}` }
  const { nodeName = 'none yet' } = elsewhere.spec ?? {}
  return { refused: `the node of pod ${key} is ${nodeName}, and this is the agent of node ${agentNode}` }
}

async function ofHost(store: Store, name: string, key: string, invited?: CaStore): Promise<string | Refusal> {
  const host = invited && hostsIn(await invited.read()).find((each) => each.name === name)
  if (!host) return { refused: `host ${name} was revoked, or is not of this mesh` }
  // Whoever may write WorkloadEntries could name the host in one: it is to be of the host's identity, and hide no pod.
  const isItsOwn = (snapshot: Snapshot) => {
    const entry = workloads(snapshot).get(key)
    const { annotations } = snapshot.get('networking.istio.io/WorkloadEntry', key)?.metadata ?? {}
    return (
      (entry?.isHost && pathOfId(entry.identity) === pathOfId(host.identity) && annotations?.[OF_HOST] === name) ||
      undefined
    )
  }
  if (await eventually(store, isItsOwn)) return key
  return { refused: `${key} is not the WorkloadEntry of host ${name}, whose agent this is` }
}

/** Whether a caller is the agent of a host outside of clusters. */
export function isAgentOfHost(trustDomain: string, { certificate }: Caller): boolean {
  const node = certificate && nodeOfAgent(certificate, trustDomain)
  return node !== undefined && hostOfNode(node) !== undefined
}

/** The node whose agent shows this certificate (DER, verified), undefined where it is no agent's of this mesh, or has ended. */
function nodeOfAgent(der: Uint8Array, trustDomain: string): string | undefined {
  const certificate = new X509Certificate(der as Uint8Array<ArrayBuffer>)
  const [uri, ...more] = urisOf(certificate)
  if (uri === undefined || more.length > 0 || certificate.notAfter.getTime() <= Date.now()) return undefined
  try {
    const identity = parseSpiffeId(uri)
    return identity.kind === 'agent' && isOwnDomain(identity.trustDomain, trustDomain) ? identity.node : undefined
  } catch {
    return undefined
  }
}

/** What `find` finds in the store, now or within `WATCH_LAG_MS`. */
function eventually<T>(store: Store, find: (snapshot: Snapshot) => T | undefined): Promise<T | undefined> {
  const now = find(store.snapshot)
  if (now !== undefined) return Promise.resolve(now)
  return new Promise((resolve) => {
    const end = (found: T | undefined) => {
      clearTimeout(timer)
      unsubscribe()
      resolve(found)
    }
    const timer = setTimeout(() => end(undefined), WATCH_LAG_MS)
    const unsubscribe = store.subscribe((snapshot) => {
      const found = find(snapshot)
      if (found !== undefined) end(found)
    })
  })
}
