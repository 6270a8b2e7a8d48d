import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { parseAllDocuments } from 'yaml'
import { kill } from '../child.ts'
import { freePort } from '../free-port.ts'

const LAB = process.env['KUBE_LAB'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kube-lab')
const ETCD = join(LAB, 'bin', 'etcd')
const API_SERVER = join(LAB, 'bin', 'kube-apiserver')

/** Why there can be no lab here; undefined where there can. */
export const noLab = [ETCD, API_SERVER].every((file) => existsSync(file))
  ? undefined
  : `no ${ETCD} and kube-apiserver: ../shared/cluster/cluster build makes them`

/** Whom the lab's API server knows. `admin` may do everything, `weft` what RBAC allows. */
type User = 'admin' | 'weft'

const TOKENS: Readonly<Record<User, string>> = { admin: 'token-of-admin', weft: 'token-of-weft' }

/** A real etcd and kube-apiserver on the loopback interface, without nodes. */
export class ApiServerLab {
  readonly #folder: string
  readonly #etcdPort: number
  readonly #apiPort: number
  readonly #peerPort: number
  #etcd: ChildProcess | undefined
  #apiServer: ChildProcess | undefined

  private constructor(ports: readonly [number, number, number]) {
    this.#folder = mkdtempSync(join(tmpdir(), 'weft-lab-'))
    ;[this.#etcdPort, this.#apiPort, this.#peerPort] = ports
  }

  static async start(): Promise<ApiServerLab> {
    const lab = new ApiServerLab([await freePort(), await freePort(), await freePort()])
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    writeFileSync(join(lab.#folder, 'sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }))
    writeFileSync(join(lab.#folder, 'tokens.csv'), `${TOKENS.admin},admin,1,"system:masters"\n${TOKENS.weft},weft,2\n`)
    const [client, peer] = [`http://127.0.0.1:${lab.#etcdPort}`, `http://127.0.0.1:${lab.#peerPort}`]
    writeFileSync(join(lab.#folder, 'audit-policy.json'), JSON.stringify(AUDIT_POLICY))
    lab.#etcd = lab.#run('etcd', ETCD, [
      '--data-dir=etcd',
      '--unsafe-no-fsync',
      '--log-level=error',
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ])
    await lab.startApiServer()
    return lab
  }

  /** A kubeconfig of one of its users. */
  kubeconfig(user: User): string {
    const file = join(this.#folder, `kubeconfig-${user}`)
    const server = `https://127.0.0.1:${this.#apiPort}`
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'lab',
      clusters: [{ name: 'lab', cluster: { server, 'insecure-skip-tls-verify': true } }],
      users: [{ name: user, user: { token: TOKENS[user] } }],
      contexts: [{ name: 'lab', context: { cluster: 'lab', user } }],
    }
    writeFileSync(file, JSON.stringify(config))
    return file
  }

  async startApiServer(): Promise<void> {
    this.#apiServer = this.#run('kube-apiserver', API_SERVER, [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPort}`,
      `--secure-port=${this.#apiPort}`,
      '--bind-address=127.0.0.1',
      '--cert-dir=certs',
      '--service-account-key-file=sa.key',
      '--service-account-signing-key-file=sa.key',
      '--service-account-issuer=https://lab.local',
      '--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112',
      '--authorization-mode=RBAC',
      '--token-auth-file=tokens.csv',
      '--disable-admission-plugins=ServiceAccount',
      '--audit-policy-file=audit-policy.json',
      '--audit-log-path=audit.log',
      '--audit-log-mode=blocking',
    ])
    for (let left = 300; ; left--) {
      const answer = await this.request('GET', '/readyz').catch(() => undefined)
      if (answer?.status === 200) return
      if (left === 0 || this.#apiServer.exitCode !== null) {
        const log = readFileSync(join(this.#folder, 'kube-apiserver.log'), 'utf8')
        throw new Error(`kube-apiserver does not start:\n${log.slice(-2000)}`)
      }
      await after(100)
    }
  }

  /** As if its machine had failed. */
  async killApiServer(): Promise<void> {
    await kill(this.#apiServer)
  }

  async close(): Promise<void> {
    await kill(this.#apiServer)
    await kill(this.#etcd)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** As admin; rejects where there is no answer. */
  request(method: string, path: string, body?: unknown, type = 'application/json'): Promise<Answer> {
    return send(this.#apiPort, TOKENS.admin, method, path, body, type)
  }

  /** Rejects unless it is done. */
  async must(method: string, path: string, body?: unknown, type?: string): Promise<unknown> {
    const { status, body: answer } = await this.request(method, path, body, type)
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answer).slice(0, 500)}`)
    return answer
  }

  patch(path: string, body: unknown): Promise<unknown> {
    return this.must('PATCH', path, body, 'application/merge-patch+json')
  }

  /** Installs the definitions that Weft carries, all or those named `PLURAL.GROUP`; what is there is left. */
  async installDefinitions(isWanted: (name: string) => boolean = () => true): Promise<void> {
    for (const file of [
      'vendor/istio.yaml',
      'vendor/gateway-api.yaml',
      'weft/adoption.yaml',
      'weft/observability.yaml',
      'weft/security.yaml',
    ]) {
      const text = readFileSync(new URL(`../../src/resources/${file}`, import.meta.url), 'utf8')
      for (const document of parseAllDocuments(text)) {
        const definition = document.toJS() as { kind?: string; metadata: { name: string } } | null
        if (definition?.kind !== 'CustomResourceDefinition' || !isWanted(definition.metadata.name)) continue
        const { status, body } = await this.request('POST', DEFINITIONS, definition)
        if (status >= 300 && status !== 409) throw new Error(JSON.stringify(body))
      }
    }
  }

  /** A token of a service account as the API server would have given it out, but that it says some things otherwise: `exp` in seconds since 1970. */
  forged(token: string, claims: Readonly<Record<string, unknown>>): string {
    const [head = '', body = ''] = token.split('.')
    const said = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as object
    const text = `${head}.${Buffer.from(JSON.stringify({ ...said, ...claims })).toString('base64url')}`
    const key = readFileSync(join(this.#folder, 'sa.key'))
    return `${text}.${sign('RSA-SHA256', Buffer.from(text), key).toString('base64url')}`
  }

  /** What service accounts have asked for so far, and was allowed. */
  audited(): readonly AuditedRequest[] {
    const file = join(this.#folder, 'audit.log')
    if (!existsSync(file)) return []
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
    return lines
      .map((line) => JSON.parse(line) as AuditedRequest)
      .filter(({ annotations }) => annotations?.['authorization.k8s.io/decision'] === 'allow')
  }

  /** Takes an object out of the database while no API server looks: nobody is ever told by an event. */
  async removeFromDatabase(key: string): Promise<void> {
    const body = JSON.stringify({ key: Buffer.from(`/registry/${key}`).toString('base64') })
    const answer = await fetch(`http://127.0.0.1:${this.#etcdPort}/v3/kv/deleterange`, { method: 'POST', body })
    const { deleted } = (await answer.json()) as { deleted?: string }
    if (deleted !== '1') throw new Error(`there is no ${key} in etcd`)
  }

  #run(name: string, program: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.#folder, `${name}.log`), 'a')
    // It ends with the tests, however these end.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
      cwd: this.#folder,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    return child
  }
}

/** Not who asks for what in the lab's own name. */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata', userGroups: ['system:serviceaccounts'] }, { level: 'None' }],
}

/** Of an `Event` of audit.k8s.io/v1, what is of use here. */
export interface AuditedRequest {
  readonly verb: string
  readonly user: { readonly username: string }
  /** Absent where it was not about objects. */
  readonly objectRef?: {
    readonly resource: string
    readonly subresource?: string
    readonly apiGroup?: string
    readonly namespace?: string
    readonly name?: string
  }
  readonly responseStatus?: { readonly code: number }
  readonly annotations?: Readonly<Record<string, string>>
}

export const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

interface Answer {
  readonly status: number
  readonly body: unknown
  /** What it says beside: the texts of `Warning` headers. */
  readonly warnings: readonly string[]
}

function send(port: number, token: string, method: string, path: string, body: unknown, type: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': type }) }
    const options = { host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false, agent: false as const }
    const request = https.request(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.on('error', reject).on('end', () => {
        const json = response.headers['content-type']?.includes('json')
        const warned = response.headersDistinct['warning'] ?? []
        // `299 - "TEXT"`, with quotes and backslashes escaped; one header may hold several.
        const warnings = warned.flatMap((header) =>
          [...header.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map(([, said = '']) => said.replace(/\\(.)/g, '$1')),
        )
        resolve({ status: response.statusCode ?? 0, body: json ? JSON.parse(text) : text, warnings })
      })
    })
    request.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body))
  })
}
