import { Failure } from './failure.ts'

/** A mesh that can be asked: on this machine, or on a cluster. */
export interface Mesh {
  /** For people: `mesh "demo"`, or the cluster's URL. */
  readonly label: string
  /** Of objects named without one: `default`, or what the context of the kubeconfig says. */
  readonly namespace: string
  /** What a server's HTTP API has at a path below `/api/v1/`. @throws Failure where it does not answer, or refuses */
  get<T>(path: string, timeoutMs?: number): Promise<T>
  /** What it answers to JSON that is posted there: a question that is too long for a path. @throws Failure as `get` does */
  post<T>(path: string, body: unknown): Promise<T>
  /** The same as `get` of every server: of several, each knows its own proxies only. */
  getAll<T>(path: string): Promise<readonly T[]>
  /** `namespace/pod` of those that have an Envoy: of one namespace, or of all that may be looked at. */
  envoys(namespace?: string): Promise<readonly string[]>
  /** What an Envoy's administration answers to a GET. @throws Failure where it does not */
  askEnvoy(key: string, path: string): Promise<string>
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** What is in an answer of a server's API. @throws Failure where it is a refusal */
export function bodyOf<T>({ status, body }: Answer, path: string): T {
  if (status === 200) return body as T
  const { message, error } = (body ?? {}) as { readonly message?: string; readonly error?: string }
  throw new Failure(
    message ?? error ?? `the server answered ${status} to ${path}`,
    'run weft version: client and server should be of one version',
  )
}
