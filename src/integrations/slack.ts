import type { AlertReceiverSpec } from '../resources/observability.ts'
import type { Alert } from '../telemetry/questions/alerts.ts'
import { cut, headline, type Receiver, type ReceiverContext } from './receiver.ts'

const COLOURS = { critical: '#c92a2a', warning: '#e67700', info: '#1971c2' } as const
const WELL = '#2b8a3e'
/** Slack shows no more attachments well. */
const MOST_SHOWN = 20

/** An incoming webhook of Slack, or of those that take the same (Mattermost, Rocket.Chat). */
export function slack(
  { webhookUrl, channel }: NonNullable<AlertReceiverSpec['slack']>,
  { mesh, secret, post }: ReceiverContext,
): Receiver {
  return {
    together: true,
    async send(alerts, signal) {
      const [first] = alerts
      if (!first) return
      const more = alerts.length - MOST_SHOWN
      const text = alerts.length === 1 ? headline(first) : `${alerts.length} alerts of mesh ${mesh}`
      const body = {
        text: escaped(cut(text, 3000)),
        ...(channel === undefined ? {} : { channel }),
        attachments: [
          ...alerts.slice(0, MOST_SHOWN).map((alert) => attachment(alert, mesh)),
          ...(more > 0 ? [{ text: `and ${more} more` }] : []),
        ],
      }
      await post({ url: await secret(webhookUrl), body: JSON.stringify(body) }, signal)
    },
  }
}

function attachment(alert: Alert, mesh: string) {
  const { state, severity, rule, labels, runbook, firedAt, since } = alert
  const fields = { severity, namespace: labels['namespace'], service: labels['service'], mesh }
  return {
    color: state === 'resolved' ? WELL : COLOURS[severity],
    fallback: escaped(cut(headline(alert), 3000)),
    title: escaped(`${rule.kind} ${rule.namespace}/${rule.name}`),
    text: escaped(cut(headline(alert), 3000)),
    ...(runbook === '' ? {} : { title_link: runbook }),
    fields: Object.entries(fields).flatMap(([title, value]) =>
      value === undefined ? [] : [{ title, value: escaped(value), short: true }],
    ),
    ts: Math.floor((firedAt ?? since) / 1000),
  }
}

/** As Slack asks: nothing that somebody else named becomes a link or a mention. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
