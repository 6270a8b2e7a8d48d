import { request } from 'node:http'
import { createInterface } from 'node:readline'
import type { Page, World } from '../../adoption/learn/lab.ts'
import { runFile } from '../../agent/supervise/folders.ts'
import type { DesiredPod } from '../../sources/local-cluster/pod-plan.ts'
import { Failure } from '../failure.ts'
import type { MachineMesh } from '../machine-mesh.ts'
import { gatewayUrls } from '../up/gateways.ts'
import type { ActiveLab } from './active-lab.ts'

/** Longer than the page takes in any lab, in ms. */
const LONGEST_MS = 30_000

/** The mesh, as the checks of a lab see it. */
export async function worldOf(
  mesh: MachineMesh,
  { before }: Pick<ActiveLab, 'before'>,
  answers: World['answers'],
): Promise<World> {
  const pods = await podsOf(mesh)
  const [gateway] = gatewayUrls(pods)
  if (gateway === undefined) throw new Failure(`${mesh.label} has no gateway`, 'labs are for the demo: weft learn up')
  return {
    page: (user) => page(`${gateway}/productpage`, user),
    outsider: async (name, path) => {
      const pod = pods.find((each) => each.name.startsWith(name))
      if (!pod) throw new Failure(`there is no pod ${name}`, 'labs are for the demo: weft learn up')
      return (await get(`http://${pod.address}:9080${path}`)) === undefined ? 'refused' : 'answered'
    },
    ask: (path) => mesh.get(path),
    before,
    answers,
  }
}

async function page(url: string, user: string | undefined): Promise<Page> {
  const start = performance.now()
  const answer = await get(url, user === undefined ? {} : { cookie: `user=${user}` })
  const milliseconds = performance.now() - start
  const body = answer?.body ?? ''
  const parts = [
    ['details', /product details are currently unavailable/],
    ['reviews', /product reviews are currently unavailable/],
    ['ratings', /Ratings service is currently unavailable/],
  ] as const
  return {
    status: answer?.status ?? 0,
    reviews: /reviews-version">(v\d)/.exec(body)?.[1],
    unavailable: parts.flatMap(([part, text]) => (text.test(body) ? [part] : [])),
    milliseconds,
  }
}

/** An answer of any status; undefined where there is none. */
function get(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; body: string } | undefined> {
  return new Promise((resolve) => {
    const outgoing = request(url, { agent: false, headers, signal: AbortSignal.timeout(LONGEST_MS) }, (incoming) => {
      let body = ''
      incoming.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body }))
      incoming.on('error', () => resolve(undefined))
    })
    outgoing.on('error', () => resolve(undefined))
    outgoing.end()
  })
}

/** The pods that run: the first line of what the server tells of them. */
function podsOf(mesh: MachineMesh): Promise<readonly DesiredPod[]> {
  return new Promise((resolve, reject) => {
    const socketPath = runFile(mesh.folders, 'serverSocket')
    const outgoing = request({ socketPath, path: '/api/v1/pods', agent: false }, (incoming) => {
      incoming.on('error', () => {})
      createInterface(incoming)
        .on('error', () => {})
        .once('line', (line) => {
          resolve(JSON.parse(line) as readonly DesiredPod[])
          outgoing.destroy()
        })
    })
    outgoing.on('error', (error) =>
      reject(new Failure(`${mesh.label} does not answer: ${error.message}`, 'start it with: weft learn up')),
    )
    outgoing.end()
  })
}
