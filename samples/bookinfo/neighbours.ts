// Where the services of Bookinfo find each other: by host name and port, each of which the environment can change with
// the names that Istio's published sample uses (DETAILS_HOSTNAME, DETAILS_SERVICE_PORT, ..., SERVICES_DOMAIN).
import process from 'node:process'

const domain = process.env['SERVICES_DOMAIN'] ? `.${process.env['SERVICES_DOMAIN']}` : ''

const address = (service: string) => {
  const host = process.env[`${service.toUpperCase()}_HOSTNAME`] ?? service
  const port = process.env[`${service.toUpperCase()}_SERVICE_PORT`] ?? '9080'
  return `http://${host}${domain}:${port}/${service}`
}

export const detailsOf = (book: string) => `${address('details')}/${book}`
export const reviewsOf = (book: string) => `${address('reviews')}/${book}`
export const ratingsOf = (book: string) => `${address('ratings')}/${book}`

/** The port that every service of Bookinfo listens on. */
export const bookinfoPort = 9080

/** Books are known by a number. */
export const isBook = (id: string | undefined): id is string => id !== undefined && /^\d{1,9}$/.test(id)

/** The answer to an id that is no number. */
export const notABook = { status: 400, body: { error: 'please provide a numeric product ID' } }
