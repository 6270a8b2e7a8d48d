import { readFileSync } from 'node:fs'
import process from 'node:process'
import { type Command, InvalidArgumentError } from 'commander'
import { workloads } from '../mesh/workloads.ts'
import { type AskedCall, type AuthorizationExplanation, explainAuthorization } from '../server/authorization-check.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { define as defineEnforce } from './authz-enforce.ts'
import { define as defineLearn } from './authz-learn.ts'
import { define as defineSimulate } from './authz-simulate.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { offlineMesh } from './offline-mesh.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { proxyNamed } from './proxy-name.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'
import { stepText } from './step-text.ts'

interface Options extends MeshOptions {
  readonly from?: string
  readonly plaintext?: boolean
  readonly to: string
  readonly port?: number
  readonly path: string
  readonly request: string
  readonly host?: string
  readonly header: readonly string[]
  readonly sni?: string
  readonly fromAddress?: string
  readonly clientAddress?: string
  readonly jwt?: string
  readonly filename?: readonly string[]
  readonly recursive?: boolean
  readonly namespace?: string
  readonly output?: OutputFormat
}

/** `weft authz` */
export function define(command: Command): void {
  command.description('Tells of authorization.')
  const check = command
    .command('check')
    .summary('say whether a call is allowed, and by which rule')
    .description(
      'Says whether a call is allowed and why, without making it: by the PeerAuthentications, RequestAuthentications and AuthorizationPolicies in force for the workload that it goes to. The exit code is 1 where it is refused.',
    )
    .option('--from <caller>', 'who calls: a SPIFFE ID, or POD, POD.NAMESPACE or the name of its Deployment')
    .option('--plaintext', 'who calls shows no certificate')
    .requiredOption('--to <pod>', 'whom: POD, POD.NAMESPACE or the name of its Deployment; a gateway is a pod too')
    .option('--port <port>', 'the port of the pod, where it has several', portNumber)
    .option('--path <path>', 'the path, with the query if need be', '/')
    .option('-X, --request <method>', 'the method', 'GET')
    .option('--host <host>', 'the host that is asked for (default: that of the service)')
    .option(
      '-H, --header <header>',
      '"NAME: VALUE", as often as needed',
      (line: string, all: string[]) => [...all, line],
      [],
    )
    .option('--sni <name>', 'the server name in TLS')
    .option('--from-address <address>', 'the address that the connection is from (default: that of the pod)')
    .option('--client-address <address>', 'the address of the original client, where trusted proxies tell it')
    .option('--jwt <token>', 'the token that the request carries; "-" reads it from standard input')
    .option('-f, --filename <file...>', 'files and folders to take the configuration from, with no server')
    .option('-R, --recursive', 'read subfolders as well')
    .option(
      '-n, --namespace <namespace>',
      'namespace of pods named without one, and of objects in files that name none',
    )
    .addOption(outputOption())
    .action(run)
  addMeshOptions(check)
  defineLearn(command.command('learn'))
  defineSimulate(command.command('simulate'))
  defineEnforce(command.command('enforce'))
  withExamples(check, [
    ['may productpage ask reviews?', 'weft authz check --from productpage-v1 --to reviews-v1 --path /reviews/1'],
    [
      'and somebody of another namespace, who wants to write?',
      'weft authz check --from cluster.local/ns/other/sa/batch --to reviews-v1 -X POST --path /reviews',
    ],
    ['one without a certificate, by what files say', 'weft authz check -f policies/ --plaintext --to reviews-v1'],
  ])
}

async function run(options: Options): Promise<void> {
  if ((options.from === undefined) === (options.plaintext !== true))
    throw new Failure('either --from or --plaintext is needed', 'say who calls')
  const explanation = options.filename ? await offline(options, options.filename) : await running(options)
  await print(options.output ? await structured(options.output, explanation) : text(explanation))
  if (!explanation.allowed) process.exitCode = 1
}

async function offline(options: Options, files: readonly string[]): Promise<AuthorizationExplanation> {
  const { snapshot } = offlineMesh(files, options.recursive ?? false, options.namespace)
  const proxies = [...workloads(snapshot).keys()]
  try {
    return await explainAuthorization(
      snapshot,
      proxyNamed(options.to, proxies, options.namespace),
      askedCall(options, proxies),
    )
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure((error as Error).message, 'weft authz check --help has examples')
  }
}

async function running(options: Options): Promise<AuthorizationExplanation> {
  const mesh = await runningMesh(options)
  const proxies = (await mesh.getAll<ProxyStatus[]>('proxies')).flat().map(({ proxy }) => proxy)
  const key = proxyNamed(options.to, proxies, options.namespace)
  const query = new URLSearchParams({ call: JSON.stringify(askedCall(options, proxies)) })
  return mesh.get<AuthorizationExplanation>(`proxies/${key}/authorization?${query}`)
}

function askedCall(options: Options, proxies: readonly string[]): AskedCall {
  const { from, path, request: method, header: headers, jwt } = options
  const optional = {
    from: from === undefined || from.includes('/ns/') ? from : proxyNamed(from, proxies, options.namespace),
    port: options.port,
    host: options.host,
    serverName: options.sni,
    fromAddress: options.fromAddress,
    clientAddress: options.clientAddress,
    token: jwt === '-' ? readFileSync(process.stdin.fd, 'utf8').trim() : jwt,
  }
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  return { method, path, headers, ...given }
}

function text(explanation: AuthorizationExplanation): string {
  const { workload, port, principal, http, steps, outcome, allowed, asks, ignored } = explanation
  const what = http ? `${http.method} http://${http.host}${http.path}` : 'a connection'
  const lines = [
    what,
    `  to ${workload}, port ${port}`,
    `  from ${principal ?? 'a caller without certificate'}`,
    ...(ignored ? [`  port ${port} does not speak HTTP: not looked at are ${ignored.join(', ')}`] : []),
    '',
    ...steps.map(stepText),
    '',
    allowed ? `Allowed${asks === undefined ? '.' : `, unless ${asks} refuses it.`}` : `Refused: ${outcome}.`,
  ]
  return `${lines.join('\n')}\n`
}

function portNumber(written: string): number {
  const port = Number(written)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('Write a number from 1 to 65535.')
  return port
}
