import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  createAtomically,
  ensurePrivateFolder,
  readPrivateFile,
  removePartials,
  removePrivateFile,
  writeAtomically,
} from './private-files.ts'

/**
 * What a certificate authority keeps, by name:
 * - `root.pem`, `intermediate.pem`: a certificate and its key, the root's without one where that is kept elsewhere;
 * - `signer.json`: instead of an intermediate, the authority elsewhere that signs, as `SignerSettings`;
 * - `next-…`: the same of what a rotation leads to;
 * - `rotation.json`: how far that is, as `Rotation`;
 * - `requested-intermediate.pem`: a key that waits for its certificate, and the request for that;
 * - `trusted-roots.pem`: what else is trusted, put there by people;
 * - `blocked.json`: identities that get no certificates any more, as a list of `BlockedIdentity`;
 * - `federated.json`: other trust domains that are believed, as a list of `FederatedDomain`;
 * - `operations.jsonl`: what people did to it, as lines of `AuditRecord`;
 * - `trust-domains.json`: names that its trust domain has or had, as a list;
 * - `hosts.json`: machines that may join, as a list of `Host`; `joined-HASH`: that the token with that hash was used, by the key with this fingerprint.
 */
const CA_ENTRIES = [
  'root.pem',
  'intermediate.pem',
  'signer.json',
  'next-root.pem',
  'next-intermediate.pem',
  'next-signer.json',
  'rotation.json',
  'requested-intermediate.pem',
  'trusted-roots.pem',
  'blocked.json',
  'federated.json',
  'operations.jsonl',
  'hosts.json',
  'trust-domains.json',
] as const

export type JoinMark = `joined-${string}`

export type CaEntry = (typeof CA_ENTRIES)[number] | JoinMark

export type CaEntries = ReadonlyMap<CaEntry, string>

/** Where a certificate authority keeps its entries. Several processes may use one at once, and any may be killed at any point. */
export interface CaStore {
  /** For messages: `/state/ca`, `Secret weft-system/weft-ca`. */
  readonly place: string
  /** For messages: where an entry is. */
  placeOf(entry: CaEntry): string
  /** All of them as they were at one moment. */
  read(): Promise<CaEntries>
  /** False where there is such an entry already, which stays as it is. */
  create(entry: CaEntry, text: string): Promise<boolean>
  replace(entry: CaEntry, text: string): Promise<void>
  /** Nothing happens where there is none. */
  remove(entry: CaEntry): Promise<void>
  /** Shows the roots to those who may not see the keys. */
  publish(trustBundlePem: string): Promise<void>
}

/**
 * Entries as files in a folder that others may not enter; the roots in `trust-bundle.pem` beside them.
 * @throws Error where the folder is open to others
 */
export function folderStore(folder: string): CaStore {
  ensurePrivateFolder(folder)
  removePartials(folder)
  const path = (entry: CaEntry) => join(folder, entry)
  return {
    place: folder,
    placeOf: path,
    read: async () => atOneMoment(() => readFiles(folder, path)),
    create: async (entry, text) => createAtomically(path(entry), text),
    replace: async (entry, text) => writeAtomically(path(entry), text),
    remove: async (entry) => removePrivateFile(path(entry)),
    async publish(bundle) {
      const published = join(folder, 'trust-bundle.pem')
      if (readPublic(published) !== bundle) writeAtomically(published, bundle, 0o644)
    },
  }
}

function readFiles(folder: string, path: (entry: CaEntry) => string): CaEntries {
  const entries = new Map<CaEntry, string>()
  const marks = readdirSync(folder).filter((name): name is JoinMark => /^joined-[0-9a-f]{64}$/.test(name))
  for (const entry of [...CA_ENTRIES, ...marks]) {
    const text = readPrivateFile(path(entry))
    if (text !== undefined) entries.set(entry, text)
  }
  return entries
}

/** Files are read one by one: what reads the same twice was like that at the moment between. */
function atOneMoment(read: () => CaEntries): CaEntries {
  for (let last = read(); ; ) {
    const next = read()
    if (sameEntries(last, next)) return next
    last = next
  }
}

/** Whether two states of a store are the same. */
export function sameEntries(one: CaEntries, other: CaEntries): boolean {
  return one.size === other.size && [...one].every(([entry, text]) => other.get(entry) === text)
}

function readPublic(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
