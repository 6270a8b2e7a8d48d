import { writeFileSync } from 'node:fs'
import process from 'node:process'
import type { Command } from 'commander'
import { openCa } from '../identity/ca.ts'
import { summarizeCa } from '../identity/ca-summary.ts'
import { nameOf } from '../identity/intermediate-check.ts'
import { installIntermediate, requestIntermediate } from '../identity/intermediate-request.ts'
import { fileText } from './ca-file.ts'
import { operated } from './ca-operation.ts'
import { addCaOptions, type CaOptions, caPlaceToChange } from './ca-place.ts'
import { statusText } from './ca-status.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { print } from './output-format.ts'

/** `weft ca init` */
export function defineInit(command: Command): void {
  command
    .description(
      'Makes the certificate authority of a mesh that has not started yet, with a root of its own, which is not for production. The first start does the same; for a root ' +
        'of yours, begin with weft ca csr instead.',
    )
    .action(async (options: CaOptions) => {
      const place = await caPlaceToChange(options)
      const { store, trustDomain } = place
      if ((await store.read()).has('root.pem'))
        throw new Failure(`there is a certificate authority in ${store.place}`, 'look at it with: weft ca status')
      await openCa(store, { trustDomain })
      await operated(place, 'ca.init', { about: trustDomain })
      await print(statusText(await summarizeCa(store, trustDomain), Date.now()))
    })
  addCaOptions(command)
  withExamples(command, [['for the next start of weft up', 'weft ca init']])
}

/** `weft ca csr` */
export function defineCsr(command: Command): void {
  command
    .description(
      'Writes a request (PKCS #10) for an intermediate, for your own root to sign: with CA:TRUE, pathlen 0 and keyCertSign, for as long as you like. Its key is made where the ' +
        'certificate authority is kept, and stays there. It is the same request until its certificate is installed.',
    )
    .option('-o, --out <file>', 'where to write it (default: print it)')
    .option('--new', 'with another key than that of the request that waits', false)
    .action(async ({ out, new: anew, ...which }: CaOptions & { readonly out?: string; readonly new: boolean }) => {
      const place = await caPlaceToChange(which)
      const { store, trustDomain } = place
      const pem = await requestIntermediate(store, trustDomain, anew)
      await operated(place, 'ca.csr', { about: trustDomain })
      if (out === undefined) return print(pem)
      writeFileSync(out, pem)
      process.stderr.write(`The request is in ${out}. Have it signed, and then: weft ca install CHAIN.pem\n`)
      return undefined
    })
  addCaOptions(command)
  withExamples(command, [
    ['a request in a file', 'weft ca csr -o weft.csr'],
    [
      'signed with openssl, where the root is',
      'openssl x509 -req -in weft.csr -CA root.pem -CAkey root.key -days 365 -copy_extensions copyall -out weft.pem',
    ],
  ])
}

/** `weft ca install` */
export function defineInstall(command: Command): void {
  command
    .description(
      'Takes the certificate that was signed for the request of weft ca csr. Looks first whether it is what a mesh needs: its key, CA flag, lengths of paths, lives, ' +
        'algorithms, names that it allows, and by a handshake what peers say of it. With the root that is trusted already it signs at once; another root is prepared, and ' +
        'weft ca rotate --root leads to it with no failed request.',
    )
    .argument('<chain>', 'PEM file: the certificate, then what signed it, up to the root')
    .option('--root <file>', "PEM file with the root's certificate, where it is not in the chain")
    .action(async (chain: string, { root, ...which }: CaOptions & { readonly root?: string }) => {
      const place = await caPlaceToChange(which)
      const { store, trustDomain } = place
      const rootPem = root === undefined ? undefined : fileText(root)
      const installed = await installIntermediate(store, trustDomain, fileText(chain), rootPem, Date.now()).catch(
        (error: Error) => {
          throw new Failure(`not installed: ${error.message}`, 'nothing has changed')
        },
      )
      const names = `${nameOf(installed.intermediate)}, signed by ${nameOf(installed.root)}`
      await operated(place, 'ca.install', { about: names })
      if (installed.use === 'signs') return print(`${names}, signs certificates from now on.\n`)
      return print(`${names}, is ready. That root is not trusted yet: weft ca rotate --root leads to it.\n`)
    })
  addCaOptions(command)
  withExamples(command, [['the answer to weft ca csr', 'weft ca install weft.pem --root root.pem']])
}
