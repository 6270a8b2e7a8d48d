import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { snapshotOfYaml } from '../../mesh/snapshot-of-yaml.ts'
import { parseYaml } from '../../resources/parse.ts'
import { derivations } from '../../store/derive.ts'
import { Snapshot } from '../../store/snapshot.ts'
import { gatewayStatuses, listenerSetStatuses } from './gateways.ts'
import { routeStatuses } from './routes.ts'
import type { Condition, WantedStatus } from './wanted-status.ts'

const folder = join(import.meta.dirname, 'testdata')
const inputs = readdirSync(folder).filter((name) => name.endsWith('.in.yaml'))

/** What statuses say of some YAML, as YAML that a person can read. */
function statusesOf(snapshot: Snapshot): string {
  const all = {
    Gateway: shown(gatewayStatuses(snapshot)),
    ListenerSet: shown(listenerSetStatuses(snapshot)),
    routes: shown(routeStatuses(snapshot)),
  }
  return stringify(all, { lineWidth: 0 })
}

function shown(statuses: Iterable<readonly [string, WantedStatus]>) {
  const sorted = [...statuses].sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([key, status]) => [key, shownStatus(status)]))
}

function shownStatus(status: WantedStatus) {
  const { form: _, ...rest } = status
  if (status.form === 'entries')
    return { ...rest, entries: status.entries.map(({ ref, conditions }) => ({ ref, ...texts(conditions) })) }
  const { listeners } = status
  const shownListeners = listeners?.map(({ conditions, supportedKinds, ...listener }) => ({
    ...listener,
    supportedKinds: supportedKinds.map(({ kind }) => kind),
    ...texts(conditions),
  }))
  return { ...rest, ...texts(status.conditions), ...(shownListeners ? { listeners: shownListeners } : {}) }
}

function texts(conditions: readonly Condition[]) {
  const text = ({ type, status, reason, message }: Condition) =>
    `${type} ${status} ${reason}${message && `: ${message}`}`
  return { conditions: conditions.map(text) }
}

// UPDATE_GOLDEN=1 writes what is said into the files: read their difference before committing it.
describe('golden pairs', () => {
  test.each(inputs)('%s', (input) => {
    const { resources, messages } = parseYaml(readFileSync(join(folder, input), 'utf8'), input)
    expect(messages).toEqual([])
    const said = statusesOf(Snapshot.of(resources))
    const output = join(folder, input.replace('.in.yaml', '.out.yaml'))
    if (process.env['UPDATE_GOLDEN']) writeFileSync(output, said)
    expect(said).toBe(existsSync(output) ? readFileSync(output, 'utf8') : '')
  })
})

test('what a change of one route costs has nothing to do with how many there are', () => {
  const route = (n: number, backend = 'cart') => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route-${n}, namespace: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [${n}.example.org]
  rules: [{backendRefs: [{name: ${backend}, port: 80}]}]`
  const rest = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec: {gatewayClassName: weft, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {ports: [{name: http, port: 80}]}`
  const before = snapshotOfYaml(rest, ...Array.from({ length: 50 }, (_, n) => route(n)))
  const statuses = routeStatuses(before)
  const [changed] = snapshotOfYaml(route(7, 'nothing')).resources()
  const count = () => derivations.get('controllers/route-statuses') ?? 0
  const counted = count()
  const after = routeStatuses(before.with([{ put: changed as NonNullable<typeof changed> }]))
  expect(count() - counted).toBe(1)
  expect(after.get('shop/route-7 HTTPRoute')).not.toEqual(statuses.get('shop/route-7 HTTPRoute'))
  expect(after.get('shop/route-8 HTTPRoute')).toBe(statuses.get('shop/route-8 HTTPRoute'))
})
