import type { AlertReceiverSpec } from '../resources/observability.ts'
import type { Alert } from '../telemetry/questions/alerts.ts'
import { cut, headline, type Receiver, type ReceiverContext, Undelivered } from './receiver.ts'
import { shortKey } from './short-key.ts'

type Settings = NonNullable<AlertReceiverSpec['serviceNow']>

/** Of events: 0 clears, 1 is the gravest. */
const EVENT_SEVERITY = { critical: '1', warning: '4', info: '5' } as const
/** Of incidents: 1 is high. */
const URGENCY = { critical: '1', warning: '2', info: '3' } as const
/** Of incidents: resolved. */
const RESOLVED = '6'

/** ServiceNow: events of Event Management (`em_event`), which makes alerts of them, or incidents over the Table API. */
export function serviceNow(settings: Settings, context: ReceiverContext): Receiver {
  const { instance, user, password, table = 'em_event' } = settings
  return {
    together: table === 'em_event',
    async send(alerts, signal) {
      const credentials = Buffer.from(`${user}:${await context.secret(password)}`).toString('base64')
      const ask = (method: 'GET' | 'POST' | 'PATCH', path: string, body?: unknown) =>
        context.post(
          {
            url: `${instance.replace(/\/+$/, '')}${path}`,
            method,
            headers: { authorization: `Basic ${credentials}` },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          },
          signal,
        )
      if (table === 'em_event') {
        await ask('POST', '/api/global/em/jsonv2', { records: alerts.map((alert) => event(alert, context.mesh)) })
        return
      }
      for (const alert of alerts) await tellIncident(alert, settings, context.mesh, ask)
    },
  }
}

/** Two with the same `message_key` are one alert there, which closes with the event that clears it. */
function event(alert: Alert, mesh: string) {
  const { key, state, severity, labels, rule, firedAt, since, resolvedAt, runbook } = alert
  const isOver = state === 'resolved'
  return {
    source: 'Weft',
    event_class: mesh,
    node: labels['service'] ?? labels['pod'] ?? mesh,
    resource: labels['namespace'] ?? '',
    metric_name: rule.name,
    type: rule.kind,
    severity: isOver ? '0' : EVENT_SEVERITY[severity],
    resolution_state: isOver ? 'Closing' : 'New',
    message_key: shortKey(`${mesh}/${key}`, 255),
    description: cut(headline(alert), 4000),
    time_of_event: new Date((isOver ? resolvedAt : firedAt) ?? since).toISOString().slice(0, 19).replace('T', ' '),
    additional_info: JSON.stringify({ ...labels, ...(runbook === '' ? {} : { runbook }) }),
  }
}

async function tellIncident(
  alert: Alert,
  { assignmentGroup }: Settings,
  mesh: string,
  ask: (method: 'GET' | 'POST' | 'PATCH', path: string, body?: unknown) => Promise<string>,
): Promise<void> {
  const { key, state, severity, labels, runbook } = alert
  const correlation = shortKey(`${mesh}/${key}`, 100)
  const query = new URLSearchParams({
    sysparm_query: `correlation_id=${correlation}^active=true^state!=${RESOLVED}`,
    sysparm_fields: 'sys_id',
    sysparm_limit: '1',
  })
  const id = idIn(await ask('GET', `/api/now/table/incident?${query}`))
  if (state === 'resolved') {
    if (id === undefined) return
    const close = { state: RESOLVED, close_code: 'Resolved by caller', close_notes: headline(alert) }
    await ask('PATCH', `/api/now/table/incident/${id}`, close)
  } else if (id === undefined)
    await ask('POST', '/api/now/table/incident', {
      short_description: cut(headline(alert), 160),
      description: [headline(alert), runbook, JSON.stringify(labels, undefined, 2)].filter(Boolean).join('\n'),
      correlation_id: correlation,
      correlation_display: 'Weft',
      urgency: URGENCY[severity],
      impact: URGENCY[severity],
      ...(assignmentGroup === undefined ? {} : { assignment_group: assignmentGroup }),
    })
  else await ask('PATCH', `/api/now/table/incident/${id}`, { work_notes: headline(alert) })
}

function idIn(answer: string): string | undefined {
  try {
    const { result } = JSON.parse(answer) as { result: readonly { readonly sys_id: string }[] }
    return result[0]?.sys_id
  } catch {
    throw new Undelivered('what it answers is not of the Table API', false)
  }
}
