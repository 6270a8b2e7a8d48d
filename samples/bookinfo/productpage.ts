// Bookinfo's productpage: the page a user sees, and the same as an API.
import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import process from 'node:process'
import { call, passOn } from '../service/call.ts'
import { type Reply, type Request, serve } from '../service/serve.ts'
import { bookinfoPort, detailsOf, isBook, notABook, ratingsOf, reviewsOf } from './neighbours.ts'
import { type Book, type Details, type Fetched, indexPage, productPage, type Reviews } from './page.ts'

const book: Book = {
  id: 0,
  title: 'The Comedy of Errors',
  descriptionHtml:
    'One of <b>William Shakespeare’s</b> first plays and his shortest. Two sets of twins, parted at birth by a ' +
    'shipwreck, spend a day in the same town: every one of them is taken for another.',
}

const timeout = 3_000
const results = new Map<string, number>()

/** Asks for something of a book, `attempts` times at most, and says what to show where it cannot be had. */
async function ask<Thing>(what: string, url: string, headers: OutgoingHttpHeaders, attempts = 1) {
  let status = 500
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      const answer = await call(url, { headers, timeout })
      status = answer.status
      count(what, status)
      if (status === 200) return { status, value: JSON.parse(answer.body) as Thing }
    } catch (error) {
      status = 500
      count(what, status)
      console.error(`productpage: no ${what}: ${error instanceof Error ? error.message : error}`)
    }
  }
  return { status, error: `Sorry, product ${what} are currently unavailable for this book.` }
}

const details = (id: string, headers: OutgoingHttpHeaders) => ask<Details>('details', detailsOf(id), headers)
// Reviews are asked for twice, three seconds each: less than reviews v2 itself waits for ratings (see reviews.ts).
const reviews = (id: string, headers: OutgoingHttpHeaders) => ask<Reviews>('reviews', reviewsOf(id), headers, 2)
const ratings = (id: string, headers: OutgoingHttpHeaders) => ask<object>('ratings', ratingsOf(id), headers)

/** Adds to the counter that `/metrics` shows. */
function count(service: string, status: number) {
  const key = `request_result_total{destination_app="${service}",response_code="${status}"}`
  results.set(key, (results.get(key) ?? 0) + 1)
}

// There are no accounts: whoever says to be jason is jason. The name goes into a header, hence the few characters.
const userName = /^[\w.@+-]{1,64}$/

function userOf({ cookie = '' }: IncomingHttpHeaders): string | undefined {
  const user = /(?:^|;\s*)user=([^;]*)/.exec(cookie)?.[1] ?? ''
  return userName.test(user) ? user : undefined
}

/** What goes along with the calls made for a request. `end-user` is ours to say: a client's own is not believed. */
function along({ headers }: Request): OutgoingHttpHeaders {
  const user = userOf(headers)
  return { ...passOn(headers), ...(user === undefined ? {} : { 'end-user': user }) }
}

const backToPage = (cookie: string): Reply => ({
  status: 302,
  headers: { location: '/productpage', 'set-cookie': `${cookie}; Path=/; HttpOnly; SameSite=Lax` },
})

async function login({ text }: Request): Promise<Reply> {
  const user = new URLSearchParams(await text()).get('username')?.trim() ?? ''
  if (userName.test(user)) return backToPage(`user=${user}`)
  return { status: 400, body: { error: 'a user name is 1 to 64 letters, digits or any of . @ + - _' } }
}

async function page(request: Request): Promise<Reply> {
  const id = String(book.id)
  // One after the other, as the published sample does: a trace shows it.
  const bookDetails = await details(id, along(request))
  const bookReviews = await reviews(id, along(request))
  return { body: productPage(book, userOf(request.headers), bookDetails, bookReviews) }
}

/** A route of the API that passes on what another service says of a book. */
const api =
  (fetch: (id: string, headers: OutgoingHttpHeaders) => Promise<Fetched<object>>) =>
  async (request: Request): Promise<Reply> => {
    const { id } = request.params
    if (!isBook(id)) return notABook
    const answer = await fetch(id, along(request))
    return { status: answer.status, body: 'value' in answer ? answer.value : { error: answer.error } }
  }

const file = (name: string, type: string) => {
  const body = readFileSync(new URL(`static/${name}`, import.meta.url), 'utf8')
  return (): Reply => ({ headers: { 'content-type': type, 'cache-control': 'max-age=60' }, body })
}

function metrics(): Reply {
  const lines = [...results].map(([series, value]) => `${series} ${value}\n`)
  const head = '# HELP request_result_total Results of requests\n# TYPE request_result_total counter\n'
  const body = `${head}${lines.join('')}process_uptime_seconds ${process.uptime()}\n`
  return { headers: { 'content-type': 'text/plain; version=0.0.4' }, body }
}

const index = ({ headers }: Request): Reply => ({ body: indexPage(userOf(headers)) })

serve('productpage', bookinfoPort, {
  'GET /': index,
  'GET /index.html': index,
  'GET /productpage': page,
  'POST /login': login,
  'GET /logout': () => backToPage('user=; Max-Age=0'),
  'GET /static/bookinfo.css': file('bookinfo.css', 'text/css'),
  'GET /static/book.svg': file('book.svg', 'image/svg+xml'),
  'GET /metrics': metrics,
  'GET /api/v1/products': () => ({ body: [book] }),
  'GET /api/v1/products/:id': api(details),
  'GET /api/v1/products/:id/reviews': api(reviews),
  'GET /api/v1/products/:id/ratings': api(ratings),
})
