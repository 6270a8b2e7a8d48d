import type { AlertReceiverSpec } from '../resources/observability.ts'
import { cut, type Receiver, type ReceiverContext } from './receiver.ts'
import { shortKey } from './short-key.ts'

const URL = 'https://events.pagerduty.com/v2/enqueue'

/** PagerDuty's Events API v2: an incident for each alert, known by its key, which ends with it. */
export function pagerDuty(
  { routingKey, url = URL }: NonNullable<AlertReceiverSpec['pagerDuty']>,
  { mesh, secret, post }: ReceiverContext,
): Receiver {
  return {
    together: false,
    async send(alerts, signal) {
      for (const { key, state, summary, severity, labels, rule, runbook, firedAt, since, ended } of alerts) {
        const body = JSON.stringify({
          routing_key: await secret(routingKey),
          event_action: state === 'resolved' ? 'resolve' : 'trigger',
          dedup_key: shortKey(`${mesh}/${key}`, 255),
          client: 'Weft',
          payload: {
            summary: cut(summary, 1024),
            source: labels['service'] ?? labels['pod'] ?? mesh,
            severity,
            timestamp: new Date(firedAt ?? since).toISOString(),
            component: labels['service'] ?? labels['workload'] ?? '',
            group: labels['namespace'] ?? '',
            class: rule.name,
            custom_details: { ...labels, mesh, ...(ended === '' ? {} : { ended }) },
          },
          ...(runbook === '' ? {} : { links: [{ href: runbook, text: 'what to do' }] }),
        })
        await post({ url, body }, signal)
      }
    },
  }
}
