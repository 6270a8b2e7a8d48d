import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import { readPrivateFile, writeAtomically } from '../../identity/private-files.ts'
import type { HeldCertificate } from '../certificates.ts'

/** Where an agent's own certificate and key outlive it. */
export interface KeptIdentity {
  /** What was kept last, undefined where nothing was. */
  read(): HeldCertificate | undefined
  keep(certificate: HeldCertificate): void
}

/** `f_type` of file systems that are in memory: tmpfs and ramfs (`linux/magic.h`). */
const IN_MEMORY: ReadonlySet<number> = new Set([0x0102_1994, 0x8584_58f6])

/** In a file that only this user may read. Undefined where the folder's files are not in memory: keys are never written to a disk. */
export function keptIdentity(folder: string): KeptIdentity | undefined {
  if (process.platform !== 'linux' || !IN_MEMORY.has(statfsSync(folder).type)) return undefined
  const path = join(folder, 'agent-identity.json')
  return {
    read() {
      const text = readPrivateFile(path)
      if (text === undefined) return undefined
      const kept = JSON.parse(text) as Omit<HeldCertificate, 'notBefore' | 'notAfter'> & Kept
      return { ...kept, notBefore: new Date(kept.notBefore), notAfter: new Date(kept.notAfter) }
    },
    keep: (certificate) => writeAtomically(path, JSON.stringify(certificate)),
  }
}

interface Kept {
  readonly notBefore: string
  readonly notAfter: string
}
