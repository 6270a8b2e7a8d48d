import type { Command } from 'commander'
import { defineBlock, defineUnblock } from './ca-block.ts'
import { defineCertificates } from './ca-certificates.ts'
import { defineBundle, defineFederate } from './ca-federation.ts'
import { defineCsr, defineInit, defineInstall } from './ca-intermediate.ts'
import { defineRotate } from './ca-rotate.ts'
import { defineStatus } from './ca-status.ts'
import { defineUse } from './ca-use.ts'

const SUBCOMMANDS: readonly (readonly [name: string, summary: string, define: (command: Command) => void])[] = [
  ['status', 'tell what it is made of', defineStatus],
  ['init', 'make it, before the first start', defineInit],
  ['csr', 'ask for an intermediate that your own root signs', defineCsr],
  ['install', 'take the signed intermediate', defineInstall],
  ['use', 'have an authority elsewhere sign', defineUse],
  ['rotate', 'replace the intermediate, or the root', defineRotate],
  ['certificates', 'list what was given out, and who holds it', defineCertificates],
  ['block', 'let an identity in nowhere any more', defineBlock],
  ['unblock', 'let it in again', defineUnblock],
  ['bundle', 'print its roots for others', defineBundle],
  ['federate', 'believe another trust domain', defineFederate],
]

/** `weft ca` */
export function define(command: Command): void {
  command.description(
    'The certificate authority of a mesh: what vouches for every workload in it. Of a mesh on this machine it is in its state folder, whether it runs or not; of one on a ' +
      'cluster it is the Secret weft-ca, reached by the kubeconfig.',
  )
  for (const [name, summary, defineOne] of SUBCOMMANDS) defineOne(command.command(name).summary(summary))
}
