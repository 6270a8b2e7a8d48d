import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import type { Values } from './template.ts'

/** What was found out about a cluster. */
export interface Finding {
  /** `error`: it can't be installed, or won't work. */
  readonly severity: 'ok' | 'warning' | 'error'
  /** What was looked at: `permissions`. */
  readonly subject: string
  readonly text: string
  /** What to do about it; absent where it is ok. */
  readonly remedy?: string
}

/** Looks at one thing of a cluster that an installation with these settings needs. */
export type Check = (server: ApiServer, values: Values) => Promise<readonly Finding[]>

export function ok(subject: string, text: string): Finding {
  return { severity: 'ok', subject, text }
}
