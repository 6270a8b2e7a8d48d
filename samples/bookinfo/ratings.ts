// Bookinfo's ratings: stars by reviewer, kept in memory.
import { type Request, serve } from '../service/serve.ts'
import { bookinfoPort, isBook, notABook } from './neighbours.ts'

const posted = new Map<string, object>()

const ratingsOf = (book: string) => ({
  id: Number(book),
  ratings: posted.get(book) ?? { Reviewer1: 5, Reviewer2: 4 },
})

async function rate({ params, text }: Request) {
  const book = params['id']
  if (!isBook(book)) return notABook
  const ratings = parse(await text())
  if (!ratings) return { status: 400, body: { error: 'please provide ratings as JSON: {"Reviewer1": 5}' } }
  posted.set(book, ratings)
  return { body: ratingsOf(book) }
}

function parse(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

serve('ratings', bookinfoPort, {
  'GET /ratings/:id': ({ params }) => (isBook(params['id']) ? { body: ratingsOf(params['id']) } : notABook),
  'POST /ratings/:id': rate,
})
