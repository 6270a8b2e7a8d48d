import { createHash } from 'node:crypto'
import type { Any } from '@bufbuild/protobuf/wkt'
import {
  StatefulSessionPerRouteSchema,
  StatefulSessionSchema,
} from '#envoy/extensions/filters/http/stateful_session/v3/stateful_session'
import { CookieBasedSessionStateSchema } from '#envoy/extensions/http/stateful_session/cookie/v3/cookie'
import { HeaderBasedSessionStateSchema } from '#envoy/extensions/http/stateful_session/header/v3/header'
import type { HTTPRouteRule } from '../../resources/gateway-api.ts'
import { typedConfig } from '../typed-config.ts'
import { envoyDuration } from './duration.ts'

const NAME = 'envoy.filters.http.stateful_session'

/** Keeps sessions where a route asks for it; costs nothing for others. */
export const SESSIONS = {
  name: NAME,
  typedConfig: typedConfig(StatefulSessionSchema, {}),
  disabled: true,
} as const

type SessionPersistence = NonNullable<HTTPRouteRule['sessionPersistence']>

/**
 * What has a route send each session to the server that it began with, among those of the backend that the weights choose, until that is gone. It is named in
 * a cookie, or in a header that the client has to send back.
 * @param owner tells the rule from all others: part of the name of a cookie to which nobody gave one
 */
export function sessionConfig(persistence: SessionPersistence, owner: string): Readonly<Record<string, Any>> {
  const sessionState = persistence.type === 'Header' ? inHeader(persistence) : inCookie(persistence, owner)
  const value = typedConfig(StatefulSessionPerRouteSchema, {
    override: { case: 'statefulSession', value: { sessionState } },
  })
  return { [NAME]: value }
}

function inHeader({ header }: SessionPersistence) {
  const config = typedConfig(HeaderBasedSessionStateSchema, { name: header?.name ?? '' })
  return { name: 'envoy.http.stateful_session.header', typedConfig: config }
}

function inCookie({ cookie, absoluteTimeout }: SessionPersistence, owner: string) {
  const ttl = cookie?.lifetimeType === 'Permanent' ? envoyDuration(absoluteTimeout) : undefined
  const name = cookie?.name ?? `weft-session-${createHash('sha256').update(owner).digest('hex').slice(0, 8)}`
  const config = typedConfig(CookieBasedSessionStateSchema, {
    cookie: { name, path: cookie?.path ?? '/', ...(ttl ? { ttl } : {}) },
  })
  return { name: 'envoy.http.stateful_session.cookie', typedConfig: config }
}
