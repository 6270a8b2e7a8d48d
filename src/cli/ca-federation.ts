import type { Command } from 'commander'
import { certificatesIn, certificatesPem } from '../identity/certificate.ts'
import { federate, federatedIn, fetchBundle, unfederate } from '../identity/federation.ts'
import { checkTrustDomain } from '../identity/spiffe.ts'
import { rootsInBundle, spiffeBundle } from '../identity/spiffe-bundle.ts'
import type { CertificateView } from '../server/certificate-view.ts'
import { fileText } from './ca-file.ts'
import { operated } from './ca-operation.ts'
import { addCaOptions, type CaOptions, caPlace, caPlaceToChange } from './ca-place.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { print } from './output-format.ts'

/** `weft ca bundle` */
export function defineBundle(command: Command): void {
  command
    .description(
      'Prints the roots of the mesh as a SPIFFE bundle, for those who are to believe its identities. On a cluster the servers serve the same at https://weft-server.weft-system.svc:15017/spiffe-bundle.',
    )
    .action(async (which: CaOptions) => {
      const { mesh } = await caPlace(which)
      if (!mesh) throw new Failure('the mesh does not run', 'start it: what it trusts is asked of its server')
      const { trustBundlePem } = await mesh.get<CertificateView>('ca')
      await print(`${JSON.stringify(await spiffeBundle(trustBundlePem), null, 2)}\n`)
    })
  addCaOptions(command)
  withExamples(command, [['for a partner', 'weft ca bundle > bundle.json']])
}

interface FederateOptions extends CaOptions {
  readonly url?: string
  readonly endpointId?: string
  readonly bundle?: string
  readonly remove: boolean
}

/** `weft ca federate` */
export function defineFederate(command: Command): void {
  command
    .description(
      'Believes the identities of another trust domain, as far as its own roots vouch for them; they vouch for nobody else. What they may do, policies say: principals such as ' +
        'example.org/ns/shop/sa/cart. The roots come from a SPIFFE bundle endpoint, which is followed from then on, or once from a file.',
    )
    .argument('[domain]', 'the trust domain (default: tell which are believed)')
    .option('--url <url>', 'its bundle endpoint: https://')
    .option(
      '--endpoint-id <spiffe-id>',
      'who serves that (profile https_spiffe), with the roots of --bundle to begin with; without it a server that authorities of the web vouch for',
    )
    .option('--bundle <file>', 'its SPIFFE bundle in JSON, or its roots in PEM')
    .option('--remove', 'believe it no longer', false)
    .action(async (domain: string | undefined, { url, endpointId, bundle, remove, ...which }: FederateOptions) => {
      const place = await caPlaceToChange(which)
      const { store, trustDomain } = place
      if (domain === undefined) {
        const domains = federatedIn((await store.read()).get('federated.json'), store.place)
        const lines = domains.map(
          (each) =>
            `${each.trustDomain} (${certificatesIn(each.rootsPem).length} roots, ${each.url ?? 'brought by hand'}, ${new Date(each.fetchedAt).toISOString()})\n`,
        )
        return print(lines.join('') || 'No other trust domain is believed.\n')
      }
      try {
        checkTrustDomain(domain)
        if (remove) {
          if (!(await unfederate(store, domain))) throw new Error(`${domain} is not believed`)
          await operated(place, 'ca.federate', { about: domain, reason: 'believed no longer' })
          return await print(`${domain} is believed no longer.\n`)
        }
        const brought = bundle === undefined ? undefined : rootsInText(fileText(bundle))
        if (url === undefined && brought === undefined) throw new Error('its roots are needed: give --url or --bundle')
        if (endpointId !== undefined && brought === undefined)
          throw new Error('a server with a SPIFFE ID is known by roots: give them with --bundle')
        const endpoint = { ...(url === undefined ? {} : { url }), ...(endpointId === undefined ? {} : { endpointId }) }
        const known = brought === undefined ? {} : { rootsPem: brought }
        const fetched =
          url === undefined ? { rootsPem: brought ?? '', refreshS: 300 } : await fetchBundle({ ...endpoint, ...known })
        await federate(store, trustDomain, { trustDomain: domain, ...endpoint, ...fetched, fetchedAt: Date.now() })
        await operated(place, 'ca.federate', { about: domain, reason: url ?? 'roots brought by hand' })
        return await print(`${domain} is believed, by ${certificatesIn(fetched.rootsPem).length} roots of its own.\n`)
      } catch (error) {
        throw new Failure((error as Error).message, 'nothing has changed')
      }
    })
  addCaOptions(command)
  withExamples(command, [
    ['by a bundle endpoint', 'weft ca federate example.org --url https://spiffe.example.org/bundle.json'],
    ['by roots that somebody brought', 'weft ca federate example.org --bundle example-org.json'],
    ['no longer', 'weft ca federate example.org --remove'],
  ])
}

function rootsInText(text: string): string {
  return text.includes('-----BEGIN CERTIFICATE-----')
    ? certificatesPem(certificatesIn(text))
    : rootsInBundle(JSON.parse(text))
}
