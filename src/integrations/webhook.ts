import { createHash, createHmac } from 'node:crypto'
import type { AlertReceiverSpec } from '../resources/observability.ts'
import type { Alert } from '../telemetry/questions/alerts.ts'
import type { Receiver, ReceiverContext } from './receiver.ts'

/**
 * Any HTTP endpoint. The body is that of Alertmanager's webhooks, version 4, which many take. With a key, `Weft-Signature: t=SECONDS,v1=HEX` has the HMAC with SHA-256
 * of `SECONDS.BODY`. `Weft-Delivery` is the same each time the same is told.
 */
export function webhook(
  { url, signWith, bearerToken }: NonNullable<AlertReceiverSpec['webhook']>,
  { key, mesh, secret, post }: ReceiverContext,
): Receiver {
  return {
    together: true,
    async send(alerts, signal) {
      const body = JSON.stringify(message(alerts, key, mesh))
      const headers: Record<string, string> = { 'weft-delivery': idOf(alerts) }
      if (signWith) {
        const seconds = Math.floor(Date.now() / 1000)
        const mac = createHmac('sha256', await secret(signWith))
          .update(`${seconds}.${body}`)
          .digest('hex')
        headers['weft-signature'] = `t=${seconds},v1=${mac}`
      }
      if (bearerToken) headers['authorization'] = `Bearer ${await secret(bearerToken)}`
      await post({ url, body, headers }, signal)
    },
  }
}

function message(alerts: readonly Alert[], receiver: string, mesh: string) {
  const all = alerts.map(({ key, state, labels, rule, summary, runbook, ended, firedAt, since, resolvedAt }) => ({
    status: state === 'resolved' ? 'resolved' : 'firing',
    labels: { alertname: rule.name, mesh, ...labels },
    annotations: {
      summary,
      ...(runbook === '' ? {} : { runbook_url: runbook }),
      ...(ended === '' ? {} : { ended }),
    },
    startsAt: new Date(firedAt ?? since).toISOString(),
    endsAt: resolvedAt === null ? '0001-01-01T00:00:00Z' : new Date(resolvedAt).toISOString(),
    generatorURL: '',
    fingerprint: createHash('sha256').update(key).digest('hex').slice(0, 16),
  }))
  return {
    version: '4',
    groupKey: receiver,
    truncatedAlerts: 0,
    status: all.some(({ status }) => status === 'firing') ? 'firing' : 'resolved',
    receiver,
    groupLabels: {},
    commonLabels: common(all.map(({ labels }) => labels)),
    commonAnnotations: {},
    externalURL: '',
    alerts: all,
  }
}

/** Labels that all have with the same value. */
function common(all: readonly Readonly<Record<string, string>>[]): Readonly<Record<string, string>> {
  const [first = {}, ...rest] = all
  return Object.fromEntries(Object.entries(first).filter(([name, value]) => rest.every((each) => each[name] === value)))
}

function idOf(alerts: readonly Alert[]): string {
  const said = alerts.map(({ key, state, firedAt }) => `${key} ${state} ${firedAt}`)
  return createHash('sha256').update(said.join('\n')).digest('hex').slice(0, 32)
}
