import type { FastifyInstance } from 'fastify'
import type { Log } from '../identity/log.ts'
import { PORTS } from '../resources/cluster-names.ts'
import type { Store } from '../store/store.ts'
import { type HandedOver, type Handing, handOver } from '../telemetry/replicas/handing-over.ts'
import { otherReplicas } from './other-replicas.ts'
import { hearReplicas, type ReplicaCalls } from './replica-calls.ts'

/** Where a replica takes the evidence of one that ends, at the port of its webhooks. */
const EVIDENCE_PATH = '/evidence'

/** How long giving evidence away may take, in ms: its pod has a minute for all. */
const MOST_MS = 10_000

interface EndingParts {
  readonly store: Store
  /** Where Weft is installed. */
  readonly namespace: string
  /** Name of this pod. */
  readonly replica: string
  readonly replicas: Pick<ReplicaCalls, 'tell'>
  readonly log: Log
}

/**
 * Gives the evidence of this server, which ends, to one that stays, so that it is not missing in answers until this one is back, if ever. What nobody takes stays where it is.
 */
export async function giveEvidenceAway(
  telemetry: Handing,
  { store, namespace, replica, replicas, log }: EndingParts,
): Promise<void> {
  const signal = AbortSignal.timeout(MOST_MS)
  for (const [name, address] of otherReplicas(store.snapshot, namespace, replica)) {
    if (store.snapshot.get('core/Pod', `${namespace}/${name}`)?.metadata.deletionTimestamp !== undefined) continue
    const give = (given: HandedOver) => replicas.tell(address, PORTS.serverWebhooks, EVIDENCE_PATH, given, signal)
    try {
      const moved = await handOver(telemetry, give, signal)
      log('info', `gave what it knew of plaintext, calls and refusals to ${name}: ${moved} rows`)
      return
    } catch (error) {
      log('warning', `${name} does not take the evidence of this server: ${(error as Error).message}`)
    }
  }
}

/** Takes the evidence of replicas that end. @param own undefined as long as this one keeps no telemetry, and once it ends as well */
export function takeEvidence(app: FastifyInstance, trustDomain: string, own: () => Handing | undefined): void {
  hearReplicas(app, EVIDENCE_PATH, trustDomain, async (given) => {
    const taking = own()
    if (!taking) throw new Error('there is no telemetry here, or not for long')
    await taking.takeOver(given as HandedOver)
  })
}
