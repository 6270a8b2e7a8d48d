import type { AlertReceiverSpec } from '../resources/observability.ts'
import { headline, type Receiver, type ReceiverContext } from './receiver.ts'
import { shortKey } from './short-key.ts'

/** The HTTP trigger of an xMatters flow: what it gets is `properties`, which the flow makes a message of or, by `key`, ends one. */
export function xMatters(
  { triggerUrl, user, password, recipients = [] }: NonNullable<AlertReceiverSpec['xMatters']>,
  { mesh, secret, post }: ReceiverContext,
): Receiver {
  return {
    together: false,
    async send(alerts, signal) {
      const credentials: Readonly<Record<string, string>> =
        user !== undefined && password
          ? { authorization: `Basic ${Buffer.from(`${user}:${await secret(password)}`).toString('base64')}` }
          : {}
      for (const alert of alerts) {
        const { key, state, severity, summary, labels, rule, runbook, firedAt, since, resolvedAt } = alert
        const body = {
          properties: {
            key: shortKey(`${mesh}/${key}`, 255),
            status: state === 'resolved' ? 'resolved' : 'firing',
            headline: headline(alert),
            summary,
            severity,
            mesh,
            rule: rule.name,
            namespace: labels['namespace'] ?? '',
            service: labels['service'] ?? '',
            runbook,
            started_at: new Date(firedAt ?? since).toISOString(),
            ended_at: resolvedAt === null ? '' : new Date(resolvedAt).toISOString(),
            labels: JSON.stringify(labels),
          },
          priority: { critical: 'HIGH', warning: 'MEDIUM', info: 'LOW' }[severity],
          ...(recipients.length > 0 ? { recipients: recipients.map((id) => ({ id })) } : {}),
        }
        await post({ url: await secret(triggerUrl), body: JSON.stringify(body), headers: credentials }, signal)
      }
    },
  }
}
