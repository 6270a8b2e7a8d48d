import { derive } from '../../store/derive.ts'

/** Who calls, as far as routing asks: equal ones are the same object. */
export interface Client {
  readonly namespace: string
  /** Only those that some `sourceLabels` asks for. */
  readonly labels: Readonly<Record<string, string>>
}

/** The client with these properties. `labelNames` are those that routing asks for, sorted. */
export function clientOf(
  namespace: string,
  labels: Readonly<Record<string, string>>,
  labelNames: readonly string[],
): Client {
  const asked = labelNames.flatMap((name) => (labels[name] === undefined ? [] : [[name, labels[name]]]))
  return interned(JSON.stringify([namespace, asked]))
}

const interned = derive('mesh/client', (text: string): Client => {
  const [namespace, labels] = JSON.parse(text) as [string, [string, string][]]
  return Object.freeze({ namespace, labels: Object.freeze(Object.fromEntries(labels)) })
})
