import type { NodeIdentity } from '../certificates-node.ts'
import { type HostMessage, type HostPlace, hostMembershipDefinition } from '../workload-group/host-membership.ts'

/** How long the server may take to answer, in ms. */
const ANSWER_MS = 20_000

const { send } = hostMembershipDefinition

/** Sends one message of a host to the server, as its agent. Gives the answer; rejects with what the server says, or where it does not answer. */
export async function sendAsHost(identity: NodeIdentity, message: HostMessage): Promise<HostPlace> {
  const stream = await identity.stream(send.path)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stream.cancel()
      reject(new Error('the server gave no answer'))
    }, ANSWER_MS)
    const settled = (settle: () => void) => {
      clearTimeout(timer)
      settle()
    }
    stream
      .on('data', (bytes: Buffer) => settled(() => resolve(send.responseDeserialize(bytes))))
      .on('error', (error: Error & { readonly details?: string }) =>
        settled(() => reject(new Error(error.details || error.message))),
      )
      .on('end', () => settled(() => reject(new Error('the server ended it'))))
    stream.end(send.requestSerialize(message))
  })
}
