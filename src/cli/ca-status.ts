import type { Command } from 'commander'
import { type AuthorityCertificate, type CaSummary, summarizeCa } from '../identity/ca-summary.ts'
import { addCaOptions, type CaOptions, caPlace } from './ca-place.ts'
import { withExamples } from './examples.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { styled } from './style.ts'
import { table } from './table.ts'

interface Options extends CaOptions {
  readonly output?: OutputFormat
}

/** `weft ca status` */
export function defineStatus(command: Command): void {
  command
    .description(
      'Tells what the certificate authority is made of, how long that lasts, and what is under way. Never shows a key.',
    )
    .addOption(outputOption())
    .action(async ({ output, ...which }: Options) => {
      const { store, trustDomain } = await caPlace(which)
      const summary = await summarizeCa(store, trustDomain)
      await print(output ? await structured(output, summary) : statusText(summary, Date.now()))
    })
  addCaOptions(command)
  withExamples(command, [
    ['of the mesh that runs here', 'weft ca status'],
    ['of the mesh on a cluster, for a script', 'weft ca status --context prod -o json'],
  ])
}

const DAY_MS = 86_400_000

/** @param now ms since the epoch */
export function statusText(summary: CaSummary, now: number): string {
  const { place, trustDomain, root, intermediate, nextRoot, nextIntermediate, trusted, rotation } = summary
  if (!root) {
    const waits = summary.requestWaits ? 'A request for an intermediate waits: weft ca csr prints it again.\n' : ''
    return `There is no certificate authority in ${place} yet: the first start of the mesh makes one, or weft ca init.\n${waits}`
  }
  const rows = [
    row('root', root, now),
    ...(summary.signer === undefined ? [] : [['signer', `an authority elsewhere (${summary.signer})`, '', '']]),
    ...(intermediate ? [row('intermediate', intermediate, now)] : []),
    ...(nextRoot ? [row('next root', nextRoot, now)] : []),
    ...(summary.nextSigner === undefined
      ? []
      : [['next signer', `an authority elsewhere (${summary.nextSigner})`, '', '']]),
    ...(nextIntermediate ? [row('next intermediate', nextIntermediate, now)] : []),
    ...trusted.map((certificate) => row('trusted too', certificate, now)),
  ]
  const notes = [
    ...(root.selfMade
      ? [
          `${styled('yellow', 'Not for production')}: Weft made this root by itself, and its key lies beside the intermediate's. Who takes it can be anybody.`,
          '  For production have an intermediate signed by a root of your own: weft ca csr, then weft ca install.',
        ]
      : []),
    ...(summary.requestWaits
      ? [
          'A request for an intermediate waits for its certificate: weft ca csr prints it again, weft ca install takes the answer.',
        ]
      : []),
    ...(rotation
      ? [
          rotation.kind === 'root'
            ? `A rotation of the root is in stage "${rotation.stage}", since ${rotation.startedAt}: weft ca rotate --root goes on with it.`
            : `A rotation of the intermediate is under way since ${rotation.startedAt}: weft ca rotate goes on with it.`,
        ]
      : nextRoot
        ? ['Another root is ready: weft ca rotate --root leads to it.']
        : []),
  ]
  for (const { spiffeId, since, reason } of summary.blocked)
    notes.push(`${styled('red', 'Blocked')} since ${since}: ${spiffeId} (${reason})`)
  const heads = `Trust domain ${trustDomain}, kept in ${place}\n\n`
  return heads + table(['', 'SUBJECT', 'ENDS', 'KEY'], rows) + (notes.length > 0 ? `\n${notes.join('\n')}\n` : '')
}

function row(what: string, { subject, notAfter, keyIsHere }: AuthorityCertificate, now: number): string[] {
  const left = Date.parse(notAfter) - now
  const days = `in ${Math.floor(left / DAY_MS)} days`
  const end = left <= 0 ? styled('red', 'it has ended') : left < 30 * DAY_MS ? styled('yellow', days) : days
  return [what, subject, `${notAfter.slice(0, 10)} (${end})`, keyIsHere ? 'here' : 'elsewhere']
}
