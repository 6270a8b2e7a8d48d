import type { ApiServer } from '../../../sources/kubernetes/api-server.ts'
import { listLive } from '../../../sources/kubernetes/write.ts'

/** A line that a container of a pod has written. */
export interface LogLine {
  /** `namespace/name`. */
  readonly pod: string
  /** RFC 3339. */
  readonly at: string
  readonly text: string
}

/** Newer than this nothing is asked for again, in ms. */
const EVERY_MS = 4000

/** What applications in namespaces write, gathered while their pods are there. */
export class PodLogs {
  readonly lines: LogLine[] = []
  readonly #server: ApiServer
  readonly #namespaces: readonly string[]
  /** The time of the last line of each container. */
  readonly #read = new Map<string, string>()
  #next = 0

  constructor(server: ApiServer, namespaces: readonly string[]) {
    this.#server = server
    this.#namespaces = namespaces
  }

  /** Takes what is new. */
  async read(): Promise<void> {
    if (performance.now() < this.#next) return
    await Promise.all(
      this.#namespaces.map(async (namespace) => {
        const pods = await listLive(this.#server, { apiVersion: 'v1', kind: 'Pod', namespace })
        await Promise.all(
          pods.map(({ metadata, spec }) => {
            const [container] = (spec as { readonly containers: readonly { readonly name: string }[] }).containers
            return this.#take(namespace, metadata.name, container?.name ?? '')
          }),
        )
      }),
    )
    this.#next = performance.now() + EVERY_MS
  }

  async #take(namespace: string, pod: string, container: string): Promise<void> {
    const key = `${namespace}/${pod}`
    const last = this.#read.get(key)
    const since = last === undefined ? '' : `&sinceTime=${encodeURIComponent(last)}`
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log?container=${container}&timestamps=true${since}`
    // One that has not started has written nothing, and of one that is gone nothing is left.
    const text = await this.#server.text(path).catch(() => '')
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const [at = '', ...words] = line.split(' ')
      if (last !== undefined && at <= last) continue
      this.lines.push({ pod: key, at, text: words.join(' ') })
      this.#read.set(key, at)
    }
  }
}
