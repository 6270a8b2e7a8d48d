import type { RefusalsAnswer } from '../questions/refusals.ts'
import type { HandedRow } from '../store/handed-over.ts'

/** Evidence of one server that ends, for another that stays: who used plaintext, who called whom, and what was refused. */
export interface HandedOver {
  readonly plaintext: readonly HandedRow[]
  readonly refusals: readonly HandedRow[]
  readonly calls: readonly HandedRow[]
  readonly unrecorded: RefusalsAnswer['unrecorded']
}

/** Telemetry whose evidence can be moved to another server. */
export interface Handing {
  /** Some of what it has, what was seen last first. @param limit rows of each kind at most */
  evidence(limit: number): Promise<HandedOver>
  /** Keeps what another server gave. @throws Error where it cannot be written */
  takeOver(given: HandedOver): Promise<void>
  /** Forgets what another server has now. */
  handedOver(given: HandedOver): Promise<void>
}

function isNothing({ plaintext, refusals, calls, unrecorded }: HandedOver): boolean {
  return plaintext.length + refusals.length + calls.length === 0 && unrecorded === null
}

/** Rows of each kind in one message. */
const AT_ONCE = 500

/**
 * Moves all evidence to another server, some at a time: what is on the way when either ends is with one of them, or, where an answer is lost, counted by both.
 * @param give rejects where the other does not take it
 * @param signal ends it; what was not given stays
 * @returns how many rows were moved
 */
export async function handOver(
  from: Handing,
  give: (given: HandedOver) => Promise<unknown>,
  signal: AbortSignal,
): Promise<number> {
  let moved = 0
  while (!signal.aborted) {
    const some = await from.evidence(AT_ONCE)
    if (isNothing(some)) break
    await give(some)
    await from.handedOver(some)
    moved += some.plaintext.length + some.refusals.length + some.calls.length
  }
  return moved
}
