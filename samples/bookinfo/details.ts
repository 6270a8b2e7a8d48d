// Bookinfo's details: what is printed on a book.
import { serve } from '../service/serve.ts'
import { bookinfoPort, isBook, notABook } from './neighbours.ts'

serve('details', bookinfoPort, {
  'GET /details/:id': ({ params }) =>
    isBook(params['id'])
      ? {
          body: {
            id: Number(params['id']),
            author: 'William Shakespeare',
            year: 1595,
            type: 'paperback',
            pages: 200,
            publisher: 'PublisherA',
            language: 'English',
            'ISBN-10': '1234567890',
            'ISBN-13': '123-1234567890',
          },
        }
      : notABook,
})
