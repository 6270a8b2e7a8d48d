// Bookinfo's reviews: v1 shows none of the ratings, v2 shows them as black stars, v3 as red ones.
import process from 'node:process'
import { call, passOn } from '../service/call.ts'
import { pod, type Request, serve } from '../service/serve.ts'
import { bookinfoPort, isBook, notABook, ratingsOf } from './neighbours.ts'

const withRatings = process.env['ENABLE_RATINGS'] === 'true'
const color = process.env['STAR_COLOR'] ?? 'black'

// v2 waits for ratings longer than productpage waits for reviews. That is a bug, made on purpose: a delay of seven
// seconds in ratings brings it out. v3 has it mended.
const ratingsTimeout = color === 'black' ? 10_000 : 2_500

const texts = [
  { reviewer: 'Reviewer1', text: 'Two pairs of twins and not one dull minute. I laughed through all of it.' },
  { reviewer: 'Reviewer2', text: 'Quick, silly and great fun, though it stays on the surface of things.' },
]

async function starsOf(book: string, { headers }: Request): Promise<Record<string, unknown> | undefined> {
  try {
    const answer = await call(ratingsOf(book), { headers: passOn(headers, 'end-user'), timeout: ratingsTimeout })
    if (answer.status !== 200) throw new Error(`ratings answered ${answer.status}`)
    return (JSON.parse(answer.body) as { ratings?: Record<string, unknown> }).ratings
  } catch (error) {
    console.error(`reviews: no ratings of book ${book}: ${error instanceof Error ? error.message : error}`)
    return undefined
  }
}

async function reviewsOf(request: Request) {
  const book = request.params['id']
  if (!isBook(book)) return notABook
  const stars = withRatings ? await starsOf(book, request) : undefined
  const rate = (reviewer: string) => {
    const given = stars?.[reviewer]
    return typeof given === 'number' ? { stars: given, color } : { error: 'Ratings service is currently unavailable' }
  }
  const reviews = texts.map((review) => (withRatings ? { ...review, rating: rate(review.reviewer) } : review))
  return { body: { id: book, podname: pod, clustername: process.env['CLUSTER_NAME'] ?? null, reviews } }
}

serve('reviews', bookinfoPort, { 'GET /reviews/:id': reviewsOf })
