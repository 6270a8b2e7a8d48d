// As much of a browser as it takes to sign on: follows redirects, keeps cookies, fills in forms.
import { request } from 'node:http'

export interface Page {
  readonly url: string
  readonly status: number
  readonly location: string | undefined
  readonly text: string
}

const MOST_REDIRECTS = 10

export class Browser {
  /** By host, and name. */
  readonly #cookies = new Map<string, Map<string, string>>()
  readonly #given: Readonly<Record<string, string>>

  /** @param given cookies for every host */
  constructor(given: Readonly<Record<string, string>> = {}) {
    this.#given = given
  }

  /** Opens a page, and follows up to so many redirects. */
  open(url: string, redirects = MOST_REDIRECTS, headers: Readonly<Record<string, string>> = {}): Promise<Page> {
    return this.#follow('GET', url, redirects, headers)
  }

  /** Fills in the form of a page: its hidden fields as they are, and these. */
  submit({ text, url }: Page, fields: Readonly<Record<string, string>>): Promise<Page> {
    const [, action] = /<form[^>]* action="([^"]+)"/.exec(text) ?? []
    if (action === undefined) throw new Error(`there is no form at ${url}:\n${text.slice(0, 1000)}`)
    const hidden = [...text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)]
    const values = { ...Object.fromEntries(hidden.map(([, name, value]) => [name, value])), ...fields }
    const body = new URLSearchParams(values).toString()
    return this.#follow('POST', new URL(action, url).href, MOST_REDIRECTS, {}, body)
  }

  /** Those for a host. */
  cookies(host: string): Readonly<Record<string, string>> {
    return { ...this.#given, ...Object.fromEntries(this.#cookies.get(host) ?? []) }
  }

  async #follow(
    method: string,
    url: string,
    redirects: number,
    headers: Readonly<Record<string, string>>,
    body = '',
  ): Promise<Page> {
    const page = await this.#send(method, url, headers, body)
    if (redirects === 0 || page.location === undefined) return page
    return this.#follow('GET', new URL(page.location, url).href, redirects - 1, headers)
  }

  #send(method: string, url: string, headers: Readonly<Record<string, string>>, body: string): Promise<Page> {
    const { hostname } = new URL(url)
    const cookie = Object.entries(this.cookies(hostname))
      .map(([name, value]) => `${name}=${value}`)
      .join('; ')
    const sent = {
      ...headers,
      ...(cookie ? { cookie } : {}),
      ...(body ? { 'content-type': 'application/x-www-form-urlencoded', 'content-length': `${body.length}` } : {}),
    }
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(30_000)
      const outgoing = request(url, { method, headers: sent, agent: false, signal }, (incoming) => {
        this.#keep(hostname, incoming.headers['set-cookie'] ?? [])
        let text = ''
        incoming.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        incoming.on('error', reject).on('end', () => {
          resolve({ url, status: incoming.statusCode ?? 0, location: incoming.headers.location, text })
        })
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  #keep(host: string, lines: readonly string[]): void {
    const kept = this.#cookies.get(host) ?? new Map<string, string>()
    this.#cookies.set(host, kept)
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      const gone = /max-age=0|expires=Thu, 01 Jan 1970/i.test(line)
      if (gone) kept.delete(name)
      else kept.set(name, value)
    }
  }
}
