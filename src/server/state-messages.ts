import type { Message } from '../resources/message.ts'

/** As long as what the state of a server stays: telemetry, evidence, objectives and alerts. */
export type TelemetryStays = 'process' | 'pod' | 'volume'

/** What is said of it: for the reference of messages. */
export const STATE_RULES = {
  'state-goes-with-pod':
    'Telemetry, evidence of plaintext, objectives and alerts are lost when the pod of a server goes: nothing keeps them.',
} as const

/** What to tell people of where a server of a cluster keeps what it has seen. */
export function stateMessages(stays: TelemetryStays): readonly Message[] {
  if (stays === 'volume') return []
  return [
    {
      rule: 'state-goes-with-pod',
      severity: 'info',
      problem: `telemetry, evidence of who uses plaintext, objectives and alerts go with the ${stays} of a server`,
      remedy: 'give servers volumes, with weft install --set server.storageSize=2Gi',
    },
  ]
}
