import { createPrivateKey } from 'node:crypto'
import { join } from 'node:path'
import process from 'node:process'
import { type CaEntries, type CaEntry, type CaStore, folderStore } from './ca-store.ts'

const PLAIN = /-----BEGIN (?:EC )?PRIVATE KEY-----[^-]+-----END (?:EC )?PRIVATE KEY-----\n?/g
const SEALED = /-----BEGIN ENCRYPTED PRIVATE KEY-----[^-]+-----END ENCRYPTED PRIVATE KEY-----\n?/g

/** The environment variable with what encrypts the keys of a mesh's authority on this machine. */
export const CA_PASSPHRASE = 'WEFT_CA_PASSPHRASE'

/** The authority of a mesh on this machine, in its state folder. What `CA_PASSPHRASE` says encrypts its keys. */
export function caStore(stateFolder: string): CaStore {
  return sealedStore(folderStore(join(stateFolder, 'ca')), process.env[CA_PASSPHRASE])
}

/**
 * A store in which private keys are encrypted (PKCS #8, PBES2 with AES-256), so that who gets hold of a disk or a backup has no authority. Keys that were there before are
 * encrypted when they are next written.
 * @param passphrase undefined: keys are written as they are, and encrypted ones are refused
 */
export function sealedStore(store: CaStore, passphrase: string | undefined): CaStore {
  const sealed = (text: string) =>
    passphrase === undefined
      ? text
      : text.replace(PLAIN, (key) =>
          createPrivateKey(key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }).toString(),
        )
  const opened = (entry: CaEntry, text: string) =>
    text.replace(SEALED, (key) => {
      if (passphrase === undefined)
        throw new Error(`the key in ${store.placeOf(entry)} is encrypted; set ${CA_PASSPHRASE} to its passphrase`)
      try {
        return createPrivateKey({ key, passphrase }).export({ type: 'pkcs8', format: 'pem' }).toString()
      } catch {
        throw new Error(`the passphrase in ${CA_PASSPHRASE} does not open the key in ${store.placeOf(entry)}`)
      }
    })
  return {
    ...store,
    async read(): Promise<CaEntries> {
      return new Map([...(await store.read())].map(([entry, text]) => [entry, opened(entry, text)]))
    },
    create: (entry, text) => store.create(entry, sealed(text)),
    replace: (entry, text) => store.replace(entry, sealed(text)),
  }
}
