import { type DescMessage, fromBinary, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf'
import type { AnyValue, KeyValue } from '#proto/opentelemetry/proto/common/v1/common'
import type { Losses } from './losses.ts'

export type OtlpFormat = 'protobuf' | 'json'

/** Longer values are cut, in characters. */
const LONGEST = 1000
/** More attributes than this of one thing are not kept. */
const MOST = 64

/**
 * Reads a message of OTLP. Its JSON has ids of traces in hexadecimal, other than protobuf's.
 * @throws Error where it is none
 */
export function otlpMessage<T extends DescMessage>(schema: T, bytes: Uint8Array, format: OtlpFormat): MessageShape<T> {
  if (format === 'protobuf') return fromBinary(schema, bytes)
  const json = JSON.parse(Buffer.from(bytes).toString('utf8'), (key, value: unknown) =>
    HEX_FIELDS.has(key) && typeof value === 'string' ? Buffer.from(value, 'hex').toString('base64') : value,
  ) as JsonValue
  return fromJson(schema, json, { ignoreUnknownFields: true })
}

const HEX_FIELDS: ReadonlySet<string> = new Set([
  'traceId',
  'spanId',
  'parentSpanId',
  'trace_id',
  'span_id',
  'parent_span_id',
])

export function attributesOf(given: readonly KeyValue[]): Record<string, string> {
  return Object.fromEntries(
    given.slice(0, MOST).map(({ key, value }) => [key.slice(0, LONGEST), textOf(value).slice(0, LONGEST)]),
  )
}

export function textOf(value: AnyValue | undefined): string {
  const given = value?.value
  switch (given?.case) {
    case undefined:
      return ''
    case 'stringValue':
      return given.value
    case 'boolValue':
    case 'intValue':
    case 'doubleValue':
      return String(given.value)
    case 'bytesValue':
      return Buffer.from(given.value).toString('base64')
    case 'arrayValue':
      return `[${given.value.values.slice(0, MOST).map(textOf).join(', ')}]`
    case 'kvlistValue':
      return JSON.stringify(attributesOf(given.value.values))
    default:
      return ''
  }
}

/** A clock that is further off, in ms, is not believed. */
const FUTURE_MS = 60_000
const PAST_MS = 86_400_000

/** The time that something is told to be of; that at which it came where whoever tells has a wrong clock. All in ms since the epoch. */
export function believedTime(told: number, came: number, losses: Losses): number {
  if (told <= came + FUTURE_MS && told >= came - PAST_MS) return told
  losses.add('wrong clock')
  return came
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
