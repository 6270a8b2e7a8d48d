import type { Party } from '../questions/span-of-time.ts'

const FIELDS = ['namespace', 'workload', 'app', 'version', 'service'] as const

/** Whether somebody is who is asked about: in each field that the question names. */
export function isParty(of: Party, wanted: Party = {}): boolean {
  return FIELDS.every((field) => wanted[field] === undefined || wanted[field] === of[field])
}
