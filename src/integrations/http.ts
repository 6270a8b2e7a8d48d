import { lookup as lookupAll } from 'node:dns'
import http from 'node:http'
import https from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Post, type Request, Undelivered } from './receiver.ts'

/** How long a receiver may take, in ms. */
const ANSWER_MS = 15_000

/** Addresses of the server itself and of the machine that it runs on, where it may reach what others must not have it reach. */
const OWN = new BlockList()
OWN.addSubnet('0.0.0.0', 8, 'ipv4')
OWN.addSubnet('127.0.0.0', 8, 'ipv4')
OWN.addSubnet('169.254.0.0', 16, 'ipv4')
OWN.addAddress('::', 'ipv6')
OWN.addAddress('::1', 'ipv6')
OWN.addSubnet('fe80::', 10, 'ipv6')
OWN.addAddress('fd00:ec2::254', 'ipv6')

/**
 * Sends requests over HTTP. Redirections are not followed.
 * @param trusted whether it may go anywhere: not where an author outside of the root namespace says where
 */
export function poster(trusted: boolean): Post {
  return (request, signal) => send(request, signal, trusted)
}

async function send({ url, method = 'POST', body, headers }: Request, signal: AbortSignal, trusted: boolean) {
  let target: URL
  try {
    target = new URL(url)
  } catch {
    throw new Undelivered('what is given as its URL is none', false)
  }
  const { hostname, protocol, host } = target
  if (protocol !== 'http:' && protocol !== 'https:') throw new Undelivered(`${protocol} is not HTTP`, false)
  const literal = hostname.replace(/^\[(.*)\]$/, '$1')
  if (!trusted && isIP(literal) && isOwn(literal)) throw new Undelivered(notThere(host), false)
  const { request } = protocol === 'https:' ? https : http
  return new Promise<string>((resolve, reject) => {
    const fail = (error: Error) => reject(new Undelivered(`${host} does not answer: ${error.message}`, true))
    const outgoing = request(
      target,
      {
        method,
        agent: false,
        headers: {
          accept: 'application/json',
          'user-agent': 'weft',
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
        ...(trusted ? {} : { lookup: others }),
      },
      (response) => {
        const { statusCode = 0 } = response
        text(response).then((answer) => {
          if (statusCode >= 200 && statusCode < 300) return resolve(answer)
          const seconds = Number(response.headers['retry-after'])
          const away = statusCode === 429 || statusCode >= 500
          const said = answer.replaceAll(/\s+/g, ' ').slice(0, 200)
          reject(
            new Undelivered(`${host} answers ${statusCode}: ${said}`, away, seconds > 0 ? seconds * 1000 : undefined),
          )
        }, fail)
      },
    )
    outgoing.on('error', (error) => (error instanceof Undelivered ? reject(error) : fail(error)))
    outgoing.end(body)
  })
}

/** Looks at what a name leads to, so that no name leads to the server itself. */
const others: LookupFunction = (hostname, options, callback) => {
  lookupAll(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '')
    if (addresses.some(({ address }) => isOwn(address))) return callback(new Undelivered(notThere(hostname), false), '')
    const [first] = addresses
    if (options.all) return callback(null, addresses)
    callback(null, first?.address ?? '', first?.family)
  })
}

function isOwn(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return OWN.check(mapped, 'ipv4')
  return OWN.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

function notThere(host: string): string {
  return `${host} is an address of the server itself, to which only receivers of the root namespace may have it send`
}
