// A workload for trying and testing a mesh: over HTTP it tells what reached it, misbehaves on request and calls others;
// over TCP it returns each line with a prefix.
//
//   GET /anything?delay=250      answers after 250 ms
//   GET /anything?status=503     answers with that status
//   GET /anything?abort=true     cuts the connection without an answer
//   GET /anything?size=100000    answers with a text of that many bytes
//   GET /call?url=http://b:8080/ calls that URL (all `url`s, one after the other; `times=10` each) and gives the answers;
//                                `timeout` in ms, `header=name:value` to send along, `method`, `body`
//   GET /call?url=tcp://b:9000   the same over TCP: sends `body` as a line, gives the first line that comes back
//
// Environment: STATUS (200) of answers, DELAY (0) before them in ms, PORT (8080), TCP_PORT (9000), TCP_PREFIX (the version), SERVICE_VERSION, POD_NAME, BIND_ADDRESS, and
// HTTP_PROXY for the calls it makes.
import process from 'node:process'
import { setTimeout as after } from 'node:timers/promises'
import { call, passOn } from '../service/call.ts'
import { pod, type Reply, type Request, serve, version } from '../service/serve.ts'
import { sendLine, serveLines } from './lines.ts'

/** Waits, fails or cuts as the query of a request asks; nothing when it asks for none. */
async function misbehave({ url, incoming }: Request): Promise<void> {
  const delay = Number(url.searchParams.get('delay') ?? process.env['DELAY'] ?? 0)
  if (delay > 0) await after(delay)
  if (url.searchParams.has('abort')) incoming.socket.destroy()
}

async function echo(request: Request): Promise<Reply> {
  await misbehave(request)
  const { method, url, headers, incoming } = request
  const status = Number(url.searchParams.get('status') ?? process.env['STATUS'] ?? 200)
  if (!(status >= 200 && status <= 599)) return { status: 400, body: { error: 'status is 200 to 599' } }
  const size = url.searchParams.get('size')
  if (size !== null) return { status, headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(Number(size)) }
  const body = await request.text()
  const from = incoming.socket.remoteAddress
  const query = Object.fromEntries(url.searchParams)
  return { status, body: { pod, version, method, path: url.pathname, query, headers, body, from } }
}

async function callOthers({ url, headers }: Request): Promise<Reply> {
  const { searchParams } = url
  const times = Number(searchParams.get('times') ?? 1)
  const timeout = Number(searchParams.get('timeout') ?? 10_000)
  const body = searchParams.get('body') ?? ''
  const extra = searchParams.getAll('header').map((header) => {
    const colon = header.indexOf(':')
    return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()]
  })
  const options = {
    method: searchParams.get('method') ?? 'GET',
    headers: { ...passOn(headers, 'end-user'), ...Object.fromEntries(extra) },
    body,
    timeout,
  }
  const answers: object[] = []
  for (const target of searchParams.getAll('url')) {
    for (let n = 0; n < times; n++) {
      try {
        const answer = target.startsWith('tcp:') ? await sendLine(target, body, timeout) : await call(target, options)
        answers.push({ url: target, ...answer })
      } catch (error) {
        answers.push({ url: target, error: error instanceof Error ? error.message : String(error) })
      }
    }
  }
  return { body: { pod, version, answers } }
}

serve('echo', 8080, { 'GET /call': callOthers, '* /*': echo })
serveLines([Number(process.env['TCP_PORT'] ?? 9000)], process.env['TCP_PREFIX'] ?? version)
