import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'

/** What `npm run setup` builds of `ui/`. */
const PAGES = fileURLToPath(new URL('../../../gen/ui', import.meta.url))

/** In the page, for the styles that its component library adds while it runs: another one in each answer. */
const NONCE = '__STYLE_NONCE__'

/** Serves the console's page and what it is made of; everything that is no file is a place in the page. */
export async function servePages(app: FastifyInstance, folder: string = PAGES): Promise<void> {
  const index = join(folder, 'index.html')
  if (!existsSync(index)) {
    app.get('/', (_, reply) =>
      reply.code(503).type('text/plain').send('The console is not built here. Build it with: npm run setup\n'),
    )
    return
  }
  const page = readFileSync(index, 'utf8')
  app.addHook('onSend', async (_, reply) => {
    reply.header('x-content-type-options', 'nosniff')
    reply.header('referrer-policy', 'no-referrer')
  })
  // Their names tell what is in them, so a browser need never ask again.
  await app.register(fastifyStatic, {
    root: join(folder, 'assets'),
    prefix: '/assets/',
    preCompressed: true,
    immutable: true,
    maxAge: '1y',
    index: false,
    cacheControl: true,
  })
  app.setNotFoundHandler((request, reply) => {
    const isPage = request.method === 'GET' && !/^\/(api|assets)\//.test(request.url)
    if (!isPage) return reply.code(404).send({ error: `There is nothing at ${request.url}` })
    const nonce = randomBytes(16).toString('base64')
    return reply
      .header('content-security-policy', policy(nonce))
      .header('x-frame-options', 'DENY')
      .header('cache-control', 'no-store')
      .type('text/html; charset=utf-8')
      .send(page.replaceAll(NONCE, nonce))
  })
}

/** Only what comes from here, and no style or script in the page that the server did not put there. */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
