import type { Command } from 'commander'
import { nameOf } from '../identity/intermediate-check.ts'
import { signerSettings } from '../identity/signers/signer-settings.ts'
import { useSigner } from '../identity/use-signer.ts'
import { fileText } from './ca-file.ts'
import { operated } from './ca-operation.ts'
import { addCaOptions, type CaOptions, caPlaceToChange } from './ca-place.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { print } from './output-format.ts'

const HOUR_MS = 3_600_000

/** `weft ca use` */
export function defineUse(command: Command): void {
  command
    .description(
      'Has an authority elsewhere sign every certificate: Vault, step-ca, cert-manager, AWS Private CA, Google CAS, Venafi or Keyfactor. It is tried first, from here: it must give certificates ' +
        'for the names of a mesh, which peers take. The settings, and what proves who asks there, are kept with the certificate authority. With the root that is trusted already it signs at ' +
        'once; another root is prepared, and weft ca rotate --root leads to it with no failed request.',
    )
    .argument('<settings>', 'YAML or JSON file: see docs/operations/certificates.md')
    .requiredOption('--root <file>', "PEM file with that authority's root")
    .action(async (file: string, { root, ...which }: CaOptions & { readonly root: string }) => {
      const place = await caPlaceToChange(which)
      const { store, trustDomain } = place
      const { parse } = await import('yaml')
      try {
        const settings = signerSettings(parse(fileText(file)))
        const used = await useSigner(store, trustDomain, settings, fileText(root))
        await operated(place, 'ca.use', { about: `${used.place}, of ${nameOf(used.root)}` })
        const when =
          used.use === 'signs'
            ? 'signs from now on'
            : 'is ready. Its root is not trusted yet: weft ca rotate --root leads to it'
        await print(`${used.place}, whose chains end in ${nameOf(used.root)}, ${when}.\n`)
        if (used.lifeMs > 2 * HOUR_MS)
          await print(
            `Asked for certificates of one hour, it gave some of ${Math.round(used.lifeMs / HOUR_MS)} hours: who steals one can use it for that long.\n`,
          )
      } catch (error) {
        throw new Failure(`not used: ${(error as Error).message}`, 'nothing has changed')
      }
    })
  addCaOptions(command)
  withExamples(command, [['Vault', 'weft ca use vault.yaml --root vault-root.pem']])
}
