import type { Command } from 'commander'
import { blockIdentity, unblockIdentity } from '../identity/blocked.ts'
import { formatSpiffeId } from '../identity/spiffe.ts'
import type { CertificateView } from '../server/certificate-view.ts'
import { operated } from './ca-operation.ts'
import { addCaOptions, type CaOptions, type CaPlace, caPlaceToChange } from './ca-place.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { print } from './output-format.ts'

/** `weft ca block` */
export function defineBlock(command: Command): void {
  command
    .description(
      'Blocks an identity at once, in the whole mesh: every proxy refuses its requests (403) and new TCP connections, and it gets no certificate any more. Its traffic without mutual TLS has no ' +
        'identity, and is stopped only where STRICT is: see weft describe.',
    )
    .argument('<identity>', 'a SPIFFE ID, or NAMESPACE/SERVICEACCOUNT')
    .requiredOption('--reason <text>', 'why, for those who wonder')
    .action(async (name: string, { reason, ...which }: CaOptions & { readonly reason: string }) => {
      const place = await caPlaceToChange(which)
      const spiffeId = identityNamed(name, place.trustDomain)
      await blockIdentity(place.store, place.trustDomain, { spiffeId, reason, since: new Date().toISOString() }).catch(
        (error: Error) => {
          throw new Failure(error.message, 'nothing has changed')
        },
      )
      await operated(place, 'ca.block', { about: spiffeId, reason })
      await heard(place, (blocked) => blocked.includes(spiffeId))
      await print(`${spiffeId} is blocked.\n`)
    })
  addCaOptions(command)
  withExamples(command, [
    ['a service account whose key was stolen', 'weft ca block shop/cart --reason "key in a public bucket"'],
  ])
}

/** `weft ca unblock` */
export function defineUnblock(command: Command): void {
  command
    .description('Lets an identity in again that was blocked.')
    .argument('<identity>', 'a SPIFFE ID, or NAMESPACE/SERVICEACCOUNT')
    .action(async (name: string, which: CaOptions) => {
      const place = await caPlaceToChange(which)
      const spiffeId = identityNamed(name, place.trustDomain)
      if (!(await unblockIdentity(place.store, spiffeId)))
        throw new Failure(`${spiffeId} is not blocked`, 'see who is: weft ca status')
      await operated(place, 'ca.unblock', { about: spiffeId })
      await heard(place, (blocked) => !blocked.includes(spiffeId))
      await print(`${spiffeId} is no longer blocked.\n`)
    })
  addCaOptions(command)
  withExamples(command, [['once its pods have new keys', 'weft ca unblock shop/cart']])
}

function identityNamed(name: string, trustDomain: string): string {
  if (name.startsWith('spiffe://')) return name
  const [namespace = '', serviceAccount = '', ...more] = name.split('/')
  if (serviceAccount === '' || more.length > 0)
    throw new Failure(`"${name}" names no identity`, 'write a SPIFFE ID, or NAMESPACE/SERVICEACCOUNT')
  return formatSpiffeId({ kind: 'workload', trustDomain, namespace, serviceAccount })
}

const LOOK_MS = 200
const PATIENCE_MS = 30_000

/** Waits until every server knows it, which tells its proxies at once. */
async function heard({ mesh }: CaPlace, holds: (blocked: readonly string[]) => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (mesh && performance.now() < end) {
    const servers = await mesh.getAll<CertificateView>('ca').catch(() => [])
    if (servers.length > 0 && servers.every(({ blocked }) => holds(blocked.map(({ spiffeId }) => spiffeId)))) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  if (mesh)
    throw new Failure('it is kept, but not every server has heard of it yet', 'see whether they run: weft version')
}
