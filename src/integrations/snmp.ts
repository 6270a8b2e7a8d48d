import { createHash } from 'node:crypto'
import snmp from 'net-snmp'
import type { AlertReceiverSpec } from '../resources/observability.ts'
import type { Alert } from '../telemetry/questions/alerts.ts'
import { cut, type Receiver, type ReceiverContext, type SecretReference, Undelivered } from './receiver.ts'

type Settings = NonNullable<AlertReceiverSpec['snmp']>

/** Of docs/integrations/WEFT-ALERT-MIB.txt: below net-snmp's arc for what has none of its own. */
const MIB = '1.3.6.1.4.1.8072.9999.9999.7'
const NOTIFICATIONS = { firing: `${MIB}.0.1`, resolved: `${MIB}.0.2` } as const
/** The places of what a notification says, below `MIB`.1. */
const OBJECTS = ['key', 'severity', 'summary', 'rule', 'namespace', 'service', 'since', 'runbook', 'mesh'] as const

const AUTH = { SHA: snmp.AuthProtocols.sha, SHA256: snmp.AuthProtocols.sha256, SHA512: snmp.AuthProtocols.sha512 }
const PRIV = { AES: snmp.PrivProtocols.aes, AES256: snmp.PrivProtocols.aes256r }
/** How long for a confirmation, in ms, and how often again. */
const CONFIRM_MS = 3000
const RETRIES = 1
/** A text that fits into one packet with the others. */
const LONGEST = 255

/** Notifications of SNMP, 2c or 3: informs, which are confirmed, or traps, of which nobody knows whether they came through. */
export function snmpNotifications(settings: Settings, { key, mesh, secret }: ReceiverContext): Receiver {
  return {
    together: false,
    async send(alerts) {
      const session = await open(settings, key, secret)
      try {
        for (const alert of alerts) await notify(session, alert, mesh, settings)
      } finally {
        session.close()
      }
    },
  }
}

async function open(settings: Settings, key: string, secret: ReceiverContext['secret']): Promise<snmp.Session> {
  const { address, port = 162, version = '2c', community, user, engineId, authKey, privKey } = settings
  const given = (reference: SecretReference | undefined) => (reference ? secret(reference) : undefined)
  const usual = { trapPort: port, port, timeout: CONFIRM_MS, retries: RETRIES }
  if (version === '2c')
    return snmp.createSession(address, (await given(community)) ?? 'public', { ...usual, version: snmp.Version2c })
  if (user === undefined) throw new Undelivered('SNMP of version 3 needs a user', false)
  const [auth, priv] = [await given(authKey), await given(privKey)]
  const { authProtocol = 'SHA256', privProtocol = 'AES' } = settings
  const level = auth === undefined ? 'noAuthNoPriv' : priv === undefined ? 'authNoPriv' : 'authPriv'
  return snmp.createV3Session(
    address,
    {
      name: user,
      level: snmp.SecurityLevel[level],
      ...(auth === undefined ? {} : { authProtocol: AUTH[authProtocol], authKey: auth }),
      ...(priv === undefined ? {} : { privProtocol: PRIV[privProtocol], privKey: priv }),
    },
    { ...usual, engineID: engineId ?? engineOf(key) },
  )
}

function notify(
  session: snmp.Session,
  alert: Alert,
  mesh: string,
  { address, inform = true }: Settings,
): Promise<void> {
  const { key, severity, summary, rule, labels, runbook, firedAt, since, state } = alert
  const values: Readonly<Record<(typeof OBJECTS)[number], string>> = {
    key,
    severity,
    summary,
    rule: rule.name,
    namespace: labels['namespace'] ?? '',
    service: labels['service'] ?? '',
    since: new Date(firedAt ?? since).toISOString(),
    runbook,
    mesh,
  }
  const variables = OBJECTS.map((name, i) => ({
    oid: `${MIB}.1.${i + 1}.0`,
    type: snmp.ObjectType.OctetString,
    value: cut(values[name], LONGEST),
  }))
  const notification = NOTIFICATIONS[state === 'resolved' ? 'resolved' : 'firing']
  return new Promise((resolve, reject) => {
    const done = (error: Error | null) =>
      error ? reject(new Undelivered(`${address} does not confirm: ${error.message}`, true)) : resolve()
    session.on('error', done)
    if (inform) session.inform(notification, variables, done)
    else session.trap(notification, variables, done)
  })
}

/** An engine ID in the form of RFC 3411 for octets of our own, the same each time. */
function engineOf(key: string): string {
  return `80001f8805${createHash('sha256').update(key).digest('hex').slice(0, 16)}`
}
