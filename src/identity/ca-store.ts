import { join } from 'node:path'
import {
  createAtomically,
  ensurePrivateFolder,
  readPrivateFile,
  removePartials,
  writeAtomically,
} from './private-files.ts'

/** What a certificate authority keeps: PEM texts by name. Several processes may use one at once, and any may be killed at any point. */
export interface CaStore {
  /** For messages: `/state/ca`, `Secret weft-system/weft-ca`. */
  readonly place: string
  /** For messages: where an entry is. */
  placeOf(entry: CaEntry): string
  read(entry: CaEntry): Promise<string | undefined>
  /** False where there is such an entry already, which stays as it is. */
  create(entry: CaEntry, text: string): Promise<boolean>
  replace(entry: CaEntry, text: string): Promise<void>
  /** Shows the roots to those who may not see the keys. */
  publish(trustBundlePem: string): Promise<void>
}

/** `root.pem` and `intermediate.pem`: a certificate and its key. `trusted-roots.pem`: what else is trusted, put there by people. */
export type CaEntry = 'root.pem' | 'intermediate.pem' | 'trusted-roots.pem'

/**
 * Entries as files in a folder that others may not enter; the roots in `trust-bundle.pem` beside them.
 * @throws Error where the folder is open to others
 */
export function folderStore(folder: string): CaStore {
  ensurePrivateFolder(folder)
  removePartials(folder)
  return {
    place: folder,
    placeOf: (entry) => join(folder, entry),
    read: async (entry) => readPrivateFile(join(folder, entry)),
    create: async (entry, text) => createAtomically(join(folder, entry), text),
    replace: async (entry, text) => writeAtomically(join(folder, entry), text),
    publish: async (bundle) => writeAtomically(join(folder, 'trust-bundle.pem'), bundle, 0o644),
  }
}
