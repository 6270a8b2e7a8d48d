import type { ProxyStatus } from '../../xds/status.ts'

/** A mesh that onboarding asks: from outside, as the command line does, or a server itself. */
export interface AskedMesh {
  /** For people: `mesh "demo"`, or the cluster's URL. */
  readonly label: string
  /** What a server's HTTP API has at a path below `/api/v1/`. @throws Error where it does not answer, or refuses */
  get<T>(path: string): Promise<T>
  /** What it answers to JSON that is posted there. @throws Error as `get` does */
  post<T>(path: string, body: unknown): Promise<T>
  /** The proxies of all servers; of one that went from a server to another the newest. */
  proxies(): Promise<readonly ProxyStatus[]>
}
