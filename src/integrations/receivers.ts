import type { AlertReceiver, AlertReceiverSpec } from '../resources/observability.ts'
import { pagerDuty } from './pagerduty.ts'
import type { Receiver, ReceiverContext } from './receiver.ts'
import { serviceNow } from './servicenow.ts'
import { slack } from './slack.ts'
import { snmpNotifications } from './snmp.ts'
import { webhook } from './webhook.ts'
import { xMatters } from './xmatters.ts'

const TYPES = { webhook, pagerDuty, slack, serviceNow, xMatters, snmp: snmpNotifications } as const

export type ReceiverType = keyof typeof TYPES

/** What kind of receiver an object describes. */
export function typeOf(spec: AlertReceiverSpec | undefined): ReceiverType | undefined {
  return (Object.keys(TYPES) as ReceiverType[]).find((type) => spec?.[type] !== undefined)
}

/** Whom an object describes; undefined where it describes nobody. */
export function receiverOf({ spec }: AlertReceiver, context: ReceiverContext): Receiver | undefined {
  const type = typeOf(spec)
  if (type === undefined) return undefined
  const make = TYPES[type] as (settings: unknown, context: ReceiverContext) => Receiver
  return make(spec?.[type], context)
}
