// Stands in for go-httpbin in Istio's published samples: the part of it that Istio's tasks ask for, answered as it answers.
//
//   GET /get, /headers, /ip       what it saw of the request
//   ANY /anything, /anything/...  all of it
//   ANY /status/418               that status
//   ANY /delay/2                  the same as /anything, after so many seconds
import { setTimeout as after } from 'node:timers/promises'
import { type Reply, type Request, serve } from '../service/serve.ts'

/** Names as Go writes them, each with a list of values. */
function seenHeaders({ headers }: Request): Record<string, string[]> {
  const name = (written: string) => written.replaceAll(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())
  return Object.fromEntries(Object.entries(headers).map(([key, value]) => [name(key), [value ?? ''].flat()]))
}

async function seen(request: Request): Promise<Reply> {
  const { method, url, headers, incoming } = request
  const args = Object.fromEntries(url.searchParams)
  const origin = headers['x-forwarded-for'] ?? incoming.socket.remoteAddress
  const body = { args, headers: seenHeaders(request), method, origin, url: `http://${headers.host}${url.pathname}` }
  return { body: { ...body, data: await request.text() } }
}

serve('httpbin', 8080, {
  'GET /': () => ({ body: '<title>go-httpbin</title>' }),
  'GET /headers': (request) => ({ body: { headers: seenHeaders(request) } }),
  'GET /ip': ({ headers, incoming }) => ({
    body: { origin: headers['x-forwarded-for'] ?? incoming.socket.remoteAddress },
  }),
  'GET /get': seen,
  '* /anything{/*}?': seen,
  '* /status/:code': ({ params }) => ({ status: Number(params['code']) }),
  '* /delay/:seconds': async (request) => {
    await after(1000 * Math.min(10, Number(request.params['seconds'])))
    return seen(request)
  },
})
