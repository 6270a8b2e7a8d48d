import { gunzip } from 'node:zlib'
import { create, toBinary } from '@bufbuild/protobuf'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { StatusSchema } from '#proto/google/rpc/status'
import type { Intake } from './grpc-services.ts'
import { otlpAnswer, SIGNALS, type Signal } from './otlp-answer.ts'
import type { OtlpFormat } from './otlp-values.ts'
import { type Sender, senderAt } from './sender.ts'
import type { Taking } from './taking.ts'

/** How long a body may be, in bytes, as it is sent and unpacked: OpenTelemetry's batches have some hundred kB. */
export const LONGEST_BODY = 4 * 1024 * 1024
const LONGEST_UNPACKED = 16 * 1024 * 1024
/** More at once are asked to come later: memory is for proxies. */
const MOST_AT_ONCE = 32

const FORMATS: Readonly<Record<string, OtlpFormat>> = {
  'application/x-protobuf': 'protobuf',
  'application/json': 'json',
}

function formatOf(contentType: string | undefined): OtlpFormat {
  return FORMATS[contentType?.split(';')[0]?.trim().toLowerCase() ?? ''] ?? 'protobuf'
}

/** HTTP statuses that OTLP has for outcomes. A stranger may be a pod that is so new that it is not known yet: it tries again. */
const STATUSES = { taken: 200, malformed: 400, stranger: 503, full: 503 } as const

/**
 * Adds OTLP/HTTP, `/v1/metrics`, `/v1/traces` and `/v1/logs`, as applications send it: protobuf or JSON, plain or gzip.
 * @param refused called for what does not get to be taken, as it is too long or cannot be unpacked
 */
export function addOtlpRoutes(app: FastifyInstance, intake: Intake, refused: () => void): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(Object.keys(FORMATS), { parseAs: 'buffer', bodyLimit: LONGEST_BODY }, (_, body, done) =>
    done(null, body),
  )
  let atOnce = 0
  for (const signal of SIGNALS) {
    app.post<{ Body: Buffer | undefined }>(`/v1/${signal}`, async ({ body, headers, ip }, reply) => {
      const format = formatOf(headers['content-type'])
      if (atOnce >= MOST_AT_ONCE) return answered(reply, signal, format, { outcome: 'full' })
      atOnce++
      try {
        const bytes = await unpacked(body ?? Buffer.alloc(0), headers['content-encoding'])
        return answered(reply, signal, format, await take(intake, signal, bytes, format, senderAt(ip)))
      } catch (error) {
        refused()
        return problem(reply, (error as BadBody).status ?? 400, format, (error as Error).message)
      } finally {
        atOnce--
      }
    })
  }
  app.setErrorHandler((error: Error & { statusCode?: number }, { headers }, reply) => {
    refused()
    return problem(reply, error.statusCode ?? 500, formatOf(headers['content-type']), error.message)
  })
}

class BadBody extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

function unpacked(body: Buffer, encoding: string | undefined): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return Promise.resolve(body)
  if (encoding !== 'gzip')
    return Promise.reject(new BadBody(415, `content-encoding ${encoding} is not known; send gzip, or none`))
  return new Promise((resolve, reject) =>
    gunzip(body, { maxOutputLength: LONGEST_UNPACKED }, (error, bytes) => {
      if (!error) resolve(bytes)
      else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
        reject(new BadBody(413, `unpacked, this is longer than ${LONGEST_UNPACKED} bytes; send smaller batches`))
      else reject(new BadBody(400, `this is not gzip: ${error.message}`))
    }),
  )
}

function take(intake: Intake, signal: Signal, bytes: Buffer, format: OtlpFormat, sender: Sender): Promise<Taking> {
  switch (signal) {
    case 'metrics':
      return intake.takeMetrics(bytes, format, sender)
    case 'traces':
      return intake.takeSpans(bytes, format, sender)
    case 'logs':
      return intake.takeLogs(bytes, format, sender)
  }
}

function answered(reply: FastifyReply, signal: Signal, format: OtlpFormat, taking: Taking): FastifyReply {
  const { body, problem: words } = otlpAnswer(signal, taking, format)
  if (STATUSES[taking.outcome] === 503) void reply.header('retry-after', '5')
  if (taking.outcome !== 'taken') return problem(reply, STATUSES[taking.outcome], format, words)
  return reply.type(TYPES[format]).send(body)
}

const TYPES = { protobuf: 'application/x-protobuf', json: 'application/json' } as const

/** As OTLP wants it: Google's Status, in the format in which it was asked. */
function problem(reply: FastifyReply, status: number, format: OtlpFormat, message: string): FastifyReply {
  const body =
    format === 'json'
      ? JSON.stringify({ message })
      : Buffer.from(toBinary(StatusSchema, create(StatusSchema, { message })))
  return reply.code(status).type(TYPES[format]).send(body)
}
