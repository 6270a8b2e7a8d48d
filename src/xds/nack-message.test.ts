import { expect, test } from 'vitest'
import { edsCluster } from '../../test/xds/small-resources.ts'
import { messageText } from '../resources/message.ts'
import { KIND, ORIGIN, type Resource } from '../resources/resource.ts'
import { nackMessage } from './nack-message.ts'

const rule: Resource = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'reviews', namespace: 'default' },
  [KIND]: 'networking.istio.io/DestinationRule',
  [ORIGIN]: { file: 'rules.yaml', line: 12, text: '' },
}

test('a refusal is told against the object and line that it was made from', () => {
  const resource = edsCluster('c', 1000, [rule])
  const text = messageText(nackMessage({ proxy: 'default/a', resource, error: 'no good\n' }))
  expect(text).toBe(
    'rules.yaml:12:1: error: DestinationRule default/reviews: proxy default/a refused the cluster "c" made from it and keeps ' +
      'the last good one: no good; change what the error names, or undo the last change of this object [rejected-by-proxy]',
  )
})

test('what nobody wrote is ours to mend', () => {
  const message = nackMessage({ proxy: 'default/a', resource: edsCluster('c'), error: 'no good' })
  expect(message.object).toBeUndefined()
  expect(message.remedy).toContain('bug of Weft')
})

test('names every object that the refused resource was made from, with its place', () => {
  const service: Resource = { ...rule, kind: 'Service', [ORIGIN]: { file: 'services.yaml', line: 3, text: '' } }
  const { problem } = nackMessage({ proxy: 'default/a', resource: edsCluster('c', 1000, [rule, service]), error: 'no' })
  expect(problem).toContain('made from it and Service default/reviews (services.yaml:3) and keeps')
})

test.each([
  [
    'goo.gle/debugonly  \nname: "c"\nroutes {\n  a: "b"\n}\n: Proto constraint validation failed (RouteConfigurationValidationError.VirtualHosts[0]: embedded message failed validation | caused by VirtualHostValidationError.Routes[0]: embedded message failed validation | caused by HeaderMatcherValidationError.Name: value length must be at least 1 characters)',
    'RouteConfiguration.VirtualHosts[0].Routes[0].Name: value length must be at least 1 characters',
  ],
  ['goo.gle/debugonly  \nname: "c"\nroutes {\n  a: "b"\n}\n: no such filter\n', 'no such filter'],
  ['missing ]: ([\n  twice', 'missing ]: ([ twice'],
  ['x'.repeat(1000), `${'x'.repeat(400)} ...`],
])('says in short what the proxy said: %j', (error, words) => {
  const { problem } = nackMessage({ proxy: 'default/a', resource: edsCluster('c'), error })
  expect(problem.split('keeps the last good one: ')[1]).toBe(words)
})
