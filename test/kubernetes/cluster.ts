import { execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { inject } from 'vitest'
import { STARTED } from './cluster-of-run.ts'
import { makeImages } from './images.ts'

const run = promisify(execFile)

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LAB = join(ROOT, '../shared/cluster/cluster')
const LAB_STATE =
  process.env['KUBE_LAB'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kube-lab')
const LAB_KUBECTL = join(LAB_STATE, 'bin', 'kubectl')
/** Of a cluster that is started for the tests: at most ten letters and digits, and nothing that a search for what is Weft's would find. */
const NAME = 'tests'

const GIVEN = process.env['KUBECONFIG']

/** Why there can be no cluster here; undefined where there can. */
export const noCluster = whyNot()
if (noCluster !== undefined) console.warn(`skipped: ${noCluster}`)

function whyNot(): string | undefined {
  if (GIVEN !== undefined) return undefined
  if (!existsSync(LAB)) return 'no cluster: set KUBECONFIG to that of one that tests may use'
  if (process.getuid?.() !== 0) return 'no cluster: ../shared/cluster/cluster needs root; or set KUBECONFIG'
  if (!existsSync(LAB_KUBECTL)) return 'no cluster: run ../shared/cluster/cluster build; or set KUBECONFIG'
  return undefined
}

/** How long it may take until there is a cluster with Weft, in ms; most of it the making of images, where they are not there. */
export const CLUSTER_MS = 600_000

/**
 * The cluster of this test run, with Weft installed as `weft install` does it: what KUBECONFIG names, else one that is started for the run. Call it
 * where `noCluster` says nothing, in a hook that may take `CLUSTER_MS`. A cluster that KUBECONFIG names must have the images of images.ts already.
 */
export async function useCluster(): Promise<Cluster> {
  const folder = inject('clusterFolder')
  const ready = join(folder, 'kubeconfig-path')
  if (existsSync(ready)) return new Cluster(readFileSync(ready, 'utf8'))
  const kubeconfig = GIVEN ?? (await startCluster(join(folder, STARTED)))
  const cluster = new Cluster(kubeconfig)
  await cluster.weft('install', '--timeout', '240')
  writeFileSync(ready, kubeconfig)
  return cluster
}

async function startCluster(started: string): Promise<string> {
  writeFileSync(started, `${LAB}\n${NAME}`)
  const { stdout } = await run(LAB, ['up', NAME, '--nodes', '2'])
  await makeImages(LAB)
  return stdout.trim().split('\n').at(-1) as string
}

/** A cluster that has Weft. */
export class Cluster {
  readonly kubeconfig: string
  readonly #namespaces: string[] = []

  constructor(kubeconfig: string) {
    this.kubeconfig = kubeconfig
  }

  /** What kubectl prints. Rejects with what it says where it fails. */
  kubectl(...args: readonly string[]): Promise<string> {
    return this.#run(existsSync(LAB_KUBECTL) ? LAB_KUBECTL : 'kubectl', args)
  }

  /** What `weft` prints. */
  weft(...args: readonly string[]): Promise<string> {
    return this.#run(process.execPath, [join(ROOT, 'bin', 'weft.js'), ...args])
  }

  /** YAML with proxies in its pods, as `weft inject` prints it. */
  injected(yaml: string, ...args: readonly string[]): Promise<string> {
    return this.#run(process.execPath, [join(ROOT, 'bin', 'weft.js'), 'inject', '-f', '-', ...args], yaml)
  }

  /** Applies YAML, or a file where it is the path of one. */
  async apply(namespace: string, yaml: string): Promise<void> {
    const isFile = yaml.startsWith('/')
    await this.#run(
      existsSync(LAB_KUBECTL) ? LAB_KUBECTL : 'kubectl',
      ['-n', namespace, 'apply', '-f', isFile ? yaml : '-'],
      isFile ? '' : yaml,
    )
  }

  /** A namespace whose pods get proxies, unless `injected` is false; gone with `removeNamespaces`. */
  async namespace(name: string, injected = true): Promise<void> {
    this.#namespaces.push(name)
    await this.kubectl('create', 'namespace', name)
    if (injected) await this.kubectl('label', 'namespace', name, 'istio-injection=enabled')
  }

  /** Waits until they are gone only where the cluster stays: else the next test file starts meanwhile. */
  async removeNamespaces(): Promise<void> {
    const names = this.#namespaces.splice(0)
    const wait = GIVEN === undefined ? ['--wait=false'] : ['--timeout=120s']
    if (names.length > 0) await this.kubectl('delete', 'namespace', ...names, '--ignore-not-found', ...wait)
  }

  /** Waits until namespaces that test files before had removed are gone, for tests that look at the whole cluster. */
  async othersGone(): Promise<void> {
    await until(
      'namespaces of other tests to be gone',
      async () => !(await this.kubectl('get', 'namespaces')).includes('Terminating'),
      180,
    )
  }

  /** Waits until all Deployments of a namespace are as they should be. */
  async rolledOut(namespace: string, seconds = 180): Promise<void> {
    const names = (await this.kubectl('-n', namespace, 'get', 'deploy', '-o', 'name')).split('\n').filter(Boolean)
    for (const name of names) await this.kubectl('-n', namespace, 'rollout', 'status', name, `--timeout=${seconds}s`)
  }

  /** Names of the pods with a label (`app=web`) that are not going away. */
  async pods(namespace: string, label: string): Promise<string[]> {
    const list = JSON.parse(await this.kubectl('-n', namespace, 'get', 'pods', '-l', label, '-o', 'json')) as {
      readonly items: readonly { readonly metadata: { readonly name: string; readonly deletionTimestamp?: string } }[]
    }
    return list.items.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name)
  }

  /** Runs a script of Node in the first container of a Deployment's pod, and gives what it prints. */
  node(namespace: string, deployment: string, script: string, ...args: readonly string[]): Promise<string> {
    return this.kubectl('-n', namespace, 'exec', `deploy/${deployment}`, '--', 'node', '-e', script, ...args)
  }

  /** The address of a Deployment's only pod, the node that it is on, and that node's address. */
  async place(namespace: string, deployment: string): Promise<Place> {
    const path =
      'jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.podIP} {.spec.nodeName} {.status.hostIP}'
    const line = await this.kubectl('-n', namespace, 'get', 'pods', '-l', `app=${deployment}`, '-o', path)
    const [pod = '', uid = '', address = '', node = '', nodeAddress = ''] = line.split(' ')
    return { pod, uid, address, node, nodeAddress }
  }

  /** Names of the nodes that pods may be put on. */
  async nodes(): Promise<readonly string[]> {
    const list = JSON.parse(await this.kubectl('get', 'nodes', '-o', 'json')) as {
      readonly items: readonly {
        readonly metadata: { readonly name: string }
        readonly spec: { readonly unschedulable?: boolean }
      }[]
    }
    return list.items.filter(({ spec }) => !spec.unschedulable).map(({ metadata }) => metadata.name)
  }

  /** Calls a URL again and again from a Deployment's pod, until it is told to stop. */
  load(namespace: string, deployment: string, url: string): Load {
    return new Load(this.kubeconfig, namespace, deployment, url)
  }

  /** Of the lab, whose API server is a process of this machine. */
  apiServerProcess(): number | undefined {
    const [, address] = /server: "?https:\/\/([\d.]+):6443/.exec(readFileSync(this.kubeconfig, 'utf8')) ?? []
    if (address === undefined) return undefined
    const argument = `--advertise-address=${address}`
    const isIt = (pid: string) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(argument)
      } catch {
        return false
      }
    }
    const found = readdirSync('/proc').find((pid) => /^\d+$/.test(pid) && isIt(pid))
    return found === undefined ? undefined : Number(found)
  }

  /**
   * Ends all that runs in pods of a node, and their networks with it, as when the node starts anew. Only of the lab, whose pods are processes of this machine.
   * @returns whether there was anything to end
   */
  async endPodsOf(node: string): Promise<boolean> {
    const selector = `--field-selector=spec.nodeName=${node}`
    const uids = (await this.kubectl('get', 'pods', '-A', selector, '-o', 'jsonpath={.items[*].metadata.uid}')).split(
      ' ',
    )
    const isTheirs = (pid: string) => {
      try {
        const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
        return uids.some((uid) => uid !== '' && groups.includes(`pod${uid}`))
      } catch {
        return false
      }
    }
    const found = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isTheirs(pid))
    for (const pid of found) {
      try {
        process.kill(Number(pid), 'SIGKILL')
      } catch {
        // It ended with another.
      }
    }
    return found.length > 0
  }

  #run(program: string, args: readonly string[], input = ''): Promise<string> {
    return runWith(program, args, { ...process.env, KUBECONFIG: this.kubeconfig }, input)
  }
}

/** Where a pod is. */
export interface Place {
  readonly pod: string
  readonly uid: string
  readonly address: string
  readonly node: string
  readonly nodeAddress: string
}

async function runWith(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input: string,
): Promise<string> {
  const child = spawn(program, args, { env })
  const exit = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  child.stdin.on('error', () => {}).end(input)
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${errors.trim() || output.trim()}`)
  return output
}

/** What came of a load. */
export interface LoadReport {
  readonly answered: number
  /** What went wrong, each with the second in which it did; the first hundred. */
  readonly failures: readonly string[]
}

/** Runs in a pod: four callers, each with a request at a time. Ends with its standard input. */
const CALLERS = `
const [url] = process.argv.slice(1)
const report = { answered: 0, failures: [] }
let over = false
const started = Date.now()
const failed = (why) => report.failures.length < 100 && report.failures.push(((Date.now() - started) / 1000).toFixed(1) + ' s: ' + why)
const caller = async () => {
  while (!over) {
    try {
      const response = await fetch(url)
      const body = await response.text()
      if (response.ok) report.answered++
      else failed('status ' + response.status + ' ' + body.slice(0, 200))
    } catch (error) { failed(error.cause?.message ?? error.message) }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
const callers = Array.from({ length: 4 }, caller)
process.stdin.on('end', () => { over = true }).resume()
Promise.all(callers).then(() => { console.log(JSON.stringify(report)); process.exit(0) })
console.log('started')
`

export class Load {
  readonly #stop: () => void
  readonly #output: Promise<string>
  readonly started: Promise<void>

  constructor(kubeconfig: string, namespace: string, deployment: string, url: string) {
    const kubectl = existsSync(LAB_KUBECTL) ? LAB_KUBECTL : 'kubectl'
    const args = ['-n', namespace, 'exec', '-i', `deploy/${deployment}`, '--', 'node', '-e', CALLERS, url]
    const child = spawn(kubectl, args, { env: { ...process.env, KUBECONFIG: kubeconfig } })
    child.stdin.on('error', () => {})
    this.#stop = () => child.stdin.end()
    const errors = text(child.stderr)
    this.started = new Promise((resolve, reject) => {
      child.stdout.once('data', () => resolve())
      child.once('close', async (code) => reject(new Error(`the load ended with ${code}: ${await errors}`)))
    })
    this.started.catch(() => {})
    this.#output = text(child.stdout)
  }

  async stop(): Promise<LoadReport> {
    this.#stop()
    const line = (await this.#output).trim().split('\n').at(-1) ?? ''
    return JSON.parse(line) as LoadReport
  }
}

/** Waits until `check` gives something else than undefined or false. An error counts as not yet, and is told if it stays. */
export async function until<T>(what: string, check: () => Promise<T | undefined | false>, seconds = 60): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    let problem = ''
    try {
      const found = await check()
      if (found !== undefined && found !== false) return found
    } catch (error) {
      problem = `: ${(error as Error).message}`
    }
    if (performance.now() > deadline) throw new Error(`waited ${seconds} s in vain for ${what}${problem}`)
    await after(200)
  }
}
