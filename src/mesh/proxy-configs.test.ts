import { expect, test } from 'vitest'
import { proxyConfigsOf } from './proxy-configs.ts'
import { snapshotOfYaml } from './snapshot-of-yaml.ts'

const config = (name: string, namespace: string, spec: string) => `
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`

test('what is said to a pod is told apart from what is said to all of its namespace and of the mesh', () => {
  const snapshot = snapshotOfYaml(
    config(
      'mesh',
      'istio-system',
      '{ concurrency: 1, image: { imageType: distroless }, environmentVariables: { A: mesh, B: mesh } }',
    ),
    config('shop', 'shop', '{ concurrency: 2, environmentVariables: { B: shop } }'),
    config('web', 'shop', '{ selector: { matchLabels: { app: web } }, concurrency: 4 }'),
    config('other', 'other', '{ concurrency: 8 }'),
  )
  const ofAll = { concurrency: 2, image: { imageType: 'distroless' }, environmentVariables: { A: 'mesh', B: 'shop' } }
  expect(proxyConfigsOf(snapshot, 'shop', { app: 'web' })).toMatchObject({ ofAll, ofPod: { concurrency: 4 } })
  expect(proxyConfigsOf(snapshot, 'shop', { app: 'cart' })).toEqual({ ofAll })
  expect(proxyConfigsOf(snapshotOfYaml(), 'shop', {})).toEqual({ ofAll: {} })
})
