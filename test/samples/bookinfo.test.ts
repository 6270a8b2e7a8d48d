import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { at, type Program, start } from './program.ts'
import { json, standIn } from './stand-in.ts'

const v1 = { SERVICE_VERSION: 'v1', ENABLE_RATINGS: 'false' }
const v2 = { SERVICE_VERSION: 'v2', ENABLE_RATINGS: 'true' }
const v3 = { SERVICE_VERSION: 'v3', ENABLE_RATINGS: 'true', STAR_COLOR: 'red' }
/** An address where nobody listens: port 1 is nobody's. */
const nowhere = 'http://127.0.0.1:1'

let details: Program & AsyncDisposable
let ratings: Program & AsyncDisposable
beforeAll(async () => {
  ;[details, ratings] = await Promise.all([start('bookinfo/details.ts'), start('bookinfo/ratings.ts')])
})
afterAll(async () => {
  await Promise.all([details[Symbol.asyncDispose](), ratings[Symbol.asyncDispose]()])
})

const first = ({ urls }: Program) => urls[0] ?? ''

async function productpage(reviews: string, env: Record<string, string> = {}, detailsUrl = first(details)) {
  const wiring = { ...at('details', detailsUrl), ...at('reviews', reviews), ...at('ratings', first(ratings)) }
  return start('bookinfo/productpage.ts', { env: { ...wiring, ...env } })
}

const get = async (url: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(url, { headers, redirect: 'manual' })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}

describe('the page', () => {
  test.each([
    { version: 'v1', env: v1, stars: undefined },
    { version: 'v2', env: v2, stars: 'stars black' },
    { version: 'v3', env: v3, stars: 'stars red' },
  ])('with reviews $version shows $stars', async ({ version, env, stars }) => {
    const pod = `reviews-${version}-abc`
    await using reviews = await start('bookinfo/reviews.ts', {
      env: { ...env, ...at('ratings', first(ratings)), POD_NAME: pod },
    })
    await using page = await productpage(first(reviews))

    const { status, headers, text } = await get(`${first(page)}/productpage`)

    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(text).toContain('The Comedy of Errors')
    expect(text).toContain('William Shakespeare')
    expect(text).toContain(`<dd id="reviews-pod">${pod}</dd>`)
    expect(text).toContain(`<dd id="reviews-version">${version}</dd>`)
    expect(
      [...text.matchAll(/class="(stars \w+)" aria-label="(\d) of 5 stars"/g)].map(([, ...found]) => found),
    ).toEqual(
      stars === undefined
        ? []
        : [
            [stars, '5'],
            [stars, '4'],
          ],
    )
    expect(text).not.toContain('unavailable')
  })

  test('says so where there are no ratings, and stands', async () => {
    await using failing = await standIn((_, response) => json(response, {}, 503))
    await using reviews = await start('bookinfo/reviews.ts', { env: { ...v3, ...at('ratings', failing.url) } })
    await using page = await productpage(first(reviews))

    const { status, text } = await get(`${first(page)}/productpage`)

    expect(status).toBe(200)
    expect(text.match(/Ratings service is currently unavailable/g)).toHaveLength(2)
    expect(text).toContain('Two pairs of twins')
    expect(reviews.errors()).toContain('reviews: no ratings of book 0: ratings answered 503')
  })

  test('says so where there are no reviews and no details, and stands', async () => {
    await using page = await productpage(nowhere, {}, nowhere)

    const { status, text } = await get(`${first(page)}/productpage`)

    expect(status).toBe(200)
    expect(text).toContain('Sorry, product reviews are currently unavailable for this book.')
    expect(text).toContain('Sorry, product details are currently unavailable for this book.')
    expect(page.errors()).toContain('ECONNREFUSED')
  })

  test('shows what other services say as text, never as markup', async () => {
    await using reviews = await standIn((_, response) =>
      json(response, { podname: '<i>pod', reviews: [{ reviewer: '<script>', text: '"&', rating: { error: '<b>' } }] }),
    )
    await using page = await productpage(reviews.url)

    const { text } = await get(`${first(page)}/productpage`)

    expect(text).toContain('&lt;i&gt;pod')
    expect(text).toContain('&lt;script&gt;')
    expect(text).not.toContain('<script>')
  })

  test('asks for reviews a second time when the first fails', async () => {
    await using reviews = await standIn((_, response) =>
      reviews.requests.length === 1 ? json(response, {}, 500) : json(response, { podname: 'second', reviews: [] }),
    )
    await using page = await productpage(reviews.url)

    expect((await get(`${first(page)}/productpage`)).text).toContain('second')
    expect(reviews.requests).toHaveLength(2)
  })
})

describe('a signed-in user', () => {
  test('is told to reviews, and by reviews to ratings; so is what follows the request', async () => {
    await using spy = await standIn((_, response) => json(response, { id: 0, ratings: { Reviewer1: 1 } }))
    await using reviews = await start('bookinfo/reviews.ts', { env: { ...v2, ...at('ratings', spy.url) } })
    await using page = await productpage(first(reviews))

    const login = await fetch(`${first(page)}/login`, {
      method: 'POST',
      body: new URLSearchParams({ username: 'jason', passwd: 'any' }),
      redirect: 'manual',
    })
    expect([login.status, login.headers.get('location')]).toEqual([302, '/productpage'])
    const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? ''
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

    const { text } = await get(`${first(page)}/productpage`, {
      cookie,
      traceparent,
      b3: '80f198ee56343ba8-05e3ac9a4f6e3b90-1',
      'x-b3-traceid': '80f198ee56343ba8',
      'x-request-id': 'the-request',
      'x-not-passed-on': 'no',
    })

    expect(text).toContain('jason')
    expect(spy.requests).toHaveLength(1)
    expect(spy.requests[0]?.headers).toMatchObject({
      'end-user': 'jason',
      traceparent,
      b3: '80f198ee56343ba8-05e3ac9a4f6e3b90-1',
      'x-b3-traceid': '80f198ee56343ba8',
      'x-request-id': 'the-request',
    })
    expect(spy.requests[0]?.headers).not.toHaveProperty('x-not-passed-on')
  })

  test('signs out', async () => {
    await using page = await productpage(nowhere)
    const logout = await get(`${first(page)}/logout`, { cookie: 'user=jason' })
    expect(logout.status).toBe(302)
    expect(logout.headers.get('set-cookie')).toMatch(/^user=; Max-Age=0; Path=\//)
  })

  test('is nobody whom a client names in a header, or with characters that no header takes', async () => {
    await using reviews = await standIn((_, response) => json(response, { podname: 'pod', reviews: [] }))
    await using page = await productpage(reviews.url)

    await get(`${first(page)}/productpage`, { 'end-user': 'jason' })
    await get(`${first(page)}/productpage`, { cookie: 'user=jas on' })
    const login = await fetch(`${first(page)}/login`, { method: 'POST', body: 'username=a%0d%0ab' })

    expect(reviews.requests.map(({ headers }) => headers['end-user'])).toEqual([undefined, undefined])
    expect(login.status).toBe(400)
  })
})

describe('the API', () => {
  test('answers as the published description says', async () => {
    await using reviews = await start('bookinfo/reviews.ts', { env: { ...v3, ...at('ratings', first(ratings)) } })
    await using page = await productpage(first(reviews))
    const api = async (path: string) => {
      const { status, headers, text } = await get(`${first(page)}/api/v1/products${path}`)
      expect(headers.get('content-type')).toBe('application/json')
      return { status, body: JSON.parse(text) }
    }

    expect(await api('')).toMatchObject({ status: 200, body: [{ id: 0, title: 'The Comedy of Errors' }] })
    expect(await api('/0')).toMatchObject({ status: 200, body: { id: 0, year: 1595, 'ISBN-10': '1234567890' } })
    expect(await api('/0/reviews')).toMatchObject({
      status: 200,
      body: { id: '0', reviews: [{ reviewer: 'Reviewer1', rating: { stars: 5, color: 'red' } }, {}] },
    })
    expect(await api('/0/ratings')).toEqual({
      status: 200,
      body: { id: 0, ratings: { Reviewer1: 5, Reviewer2: 4 } },
    })
    expect(await api('/x')).toEqual({ status: 400, body: { error: 'please provide a numeric product ID' } })
  })

  test('passes on the status of the service that failed', async () => {
    await using reviews = await standIn((_, response) => json(response, {}, 555))
    await using page = await productpage(reviews.url)
    const { status, text } = await get(`${first(page)}/api/v1/products/0/reviews`)
    expect(status).toBe(555)
    expect(JSON.parse(text).error).toBe('Sorry, product reviews are currently unavailable for this book.')
  })

  test('counts its results for Prometheus', async () => {
    await using page = await productpage(nowhere)
    await get(`${first(page)}/api/v1/products/0`)
    expect((await get(`${first(page)}/metrics`)).text).toContain(
      'request_result_total{destination_app="details",response_code="200"} 1\n',
    )
  })

  test('ratings can be given', async () => {
    const url = `${first(ratings)}/ratings/7`
    const post = (body: string) => fetch(url, { method: 'POST', body })
    expect((await post('{"Reviewer1": 2}')).status).toBe(200)
    expect(JSON.parse((await get(url)).text)).toEqual({ id: 7, ratings: { Reviewer1: 2 } })
    expect((await post('{"Reviewer1"')).status).toBe(400)
  })
})

describe('every service', () => {
  test.each(['productpage', 'details', 'reviews', 'ratings'])(
    '%s tells its health and what it does not have',
    async (name) => {
      await using program = await start(`bookinfo/${name}.ts`)
      expect(await get(`${first(program)}/health`)).toMatchObject({
        status: 200,
        text: `{"status":"${name} is healthy"}`,
      })
      expect((await get(`${first(program)}/nothing`)).status).toBe(404)
      expect((await fetch(`${first(program)}/health`, { method: 'HEAD' })).status).toBe(200)
    },
  )

  test('serves its own style sheet and icon, and nothing else under /static', async () => {
    await using page = await productpage(nowhere)
    const css = await get(`${first(page)}/static/bookinfo.css`)
    expect([css.status, css.headers.get('content-type')]).toEqual([200, 'text/css'])
    expect((await get(`${first(page)}/static/book.svg`)).headers.get('content-type')).toBe('image/svg+xml')
    expect((await get(`${first(page)}/static/..%2fproductpage.ts`)).status).toBe(404)
  })
})

// The numbers behind Istio's fault injection task: reviews v2 would wait for 10 s, v3 waits for 2.5 s, productpage for
// twice 3 s.
describe('slow ratings', () => {
  test('are given up by reviews v3 after 2.5 s: the page has reviews', async () => {
    await using silent = await standIn(() => {})
    await using reviews = await start('bookinfo/reviews.ts', { env: { ...v3, ...at('ratings', silent.url) } })
    await using page = await productpage(first(reviews))
    const before = performance.now()
    const { text } = await get(`${first(page)}/productpage`)
    expect(performance.now() - before).toBeGreaterThan(2_450)
    expect(text).toContain('Ratings service is currently unavailable')
    expect(reviews.errors()).toContain('did not answer within 2500 ms')
  })

  test('make productpage give up on reviews v2 after 6 s, in two tries', async () => {
    await using silent = await standIn(() => {})
    await using reviews = await start('bookinfo/reviews.ts', { env: { ...v2, ...at('ratings', silent.url) } })
    await using page = await productpage(first(reviews))
    const before = performance.now()
    const { text } = await get(`${first(page)}/productpage`)
    expect(performance.now() - before).toBeGreaterThan(5_900)
    expect(text).toContain('Sorry, product reviews are currently unavailable for this book.')
    expect(silent.requests).toHaveLength(2)
  })
})
