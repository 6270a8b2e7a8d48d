import { SERVER_NAME } from '../resources/cluster-names.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Store } from '../store/store.ts'

/** How long a server that is told to end goes on for want of another, in ms. Its pod has a minute for all that is to be done, of which giving its evidence away may take ten seconds. */
const AT_MOST_MS = 45_000

/**
 * Waits until agents and the API server find another server: so nobody is without one while the pods of a node go, the only server among them. Resolves too when
 * none will come, as Weft is taken away, and after 45 s.
 * @param namespace where Weft is installed
 * @param replica name of this pod
 */
export async function anotherServes(store: Store, namespace: string, replica: string): Promise<void> {
  const over = Promise.withResolvers<void>()
  const look = (now: Snapshot) => {
    if (isTakenAway(now, namespace) || otherIsReady(now, namespace, replica)) over.resolve()
  }
  const unsubscribe = store.subscribe(look)
  const deadline = setTimeout(over.resolve, AT_MOST_MS)
  look(store.snapshot)
  await over.promise
  clearTimeout(deadline)
  unsubscribe()
}

function isTakenAway(snapshot: Snapshot, namespace: string): boolean {
  return snapshot.get('core/Service', `${namespace}/${SERVER_NAME}`) === undefined
}

function otherIsReady(snapshot: Snapshot, namespace: string, replica: string): boolean {
  return [...snapshot.all('discovery.k8s.io/EndpointSlice').values()].some(
    ({ metadata, endpoints }) =>
      metadata.namespace === namespace &&
      metadata.labels?.['kubernetes.io/service-name'] === SERVER_NAME &&
      endpoints?.some(({ conditions, targetRef }) => conditions?.ready !== false && targetRef?.name !== replica),
  )
}
