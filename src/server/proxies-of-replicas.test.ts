import { expect, test } from 'vitest'
import { snapshotOfYaml } from '../mesh/snapshot-of-yaml.ts'
import { SourceState, Store } from '../store/store.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { ProxiesOfReplicas } from './proxies-of-replicas.ts'

const server = (name: string, address: string) => `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: weft-system, labels: { app.kubernetes.io/name: weft-server } }
status: { podIP: ${address} }
`

test('asks the others while somebody wants to know, and keeps what one that is away said last', async () => {
  const store = new Store()
  const yaml = server('own', '10.0.0.1') + server('a', '10.0.0.2') + server('b', '10.0.0.3')
  store.apply(new SourceState().replace([...snapshotOfYaml(yaml).resources()]))
  const said = new Map([
    ['10.0.0.2', [{ proxy: 'x/1' } as ProxyStatus]],
    ['10.0.0.3', [{ proxy: 'x/2' } as ProxyStatus]],
  ])
  const asked: string[] = []
  const ask = async (address: string, _: number, path: string) => {
    asked.push(`${address}${path}`)
    const answer = said.get(address)
    if (!answer) throw new Error('away')
    return answer
  }
  const replicas = { store, namespace: 'weft-system', replica: 'own', replicas: { ask }, freshMs: 0 }
  const proxies = new ProxiesOfReplicas(replicas, new AbortController().signal)
  expect(asked).toEqual([])
  expect(proxies.latest()).toEqual([])
  expect(asked.toSorted()).toEqual(['10.0.0.2/proxies', '10.0.0.3/proxies'])
  await expect
    .poll(() =>
      proxies
        .latest()
        .map(({ proxy }) => proxy)
        .toSorted(),
    )
    .toEqual(['x/1', 'x/2'])
  said.set('10.0.0.2', [])
  said.delete('10.0.0.3')
  await expect.poll(() => proxies.latest().map(({ proxy }) => proxy)).toEqual(['x/2'])
})
