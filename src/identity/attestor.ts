import type { JoinProof, JoinProofs } from './certificate-service.ts'

/**
 * A way in which something outside the mesh proves which node it is, so that its agent gets a certificate. To add one (a cloud's instance documents, a TPM), write a file with one of these and give
 * it to `attestedBy` in the server. It must take nothing for a proof that another party could have, or could use again.
 */
export interface Attestor {
  /** For messages. */
  readonly name: string
  /** Whether a proof looks like one of its. */
  takes(proof: string): boolean
  /** @throws Error where it proves nothing; RefusedCall with another code where that cannot be told */
  prove(proof: string): JoinProof | Promise<JoinProof>
}

/** Asks the first attestor that takes a proof, and no other: what that one refuses stays refused. */
export function attestedBy(...attestors: readonly Attestor[]): JoinProofs {
  return {
    find(proof) {
      const attestor = attestors.find((each) => each.takes(proof))
      if (!attestor)
        throw new Error(`the token is unknown: join with ${attestors.map(({ name }) => name).join(', or with ')}`)
      return attestor.prove(proof)
    },
  }
}
