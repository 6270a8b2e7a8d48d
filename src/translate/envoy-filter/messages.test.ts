import { expect, test } from 'vitest'
import { messageText } from '../../resources/message.ts'
import { snapshotOfYaml } from '../routes/snapshot-of-yaml.ts'
import { envoyFilterMessages } from './messages.ts'

const POD = `
apiVersion: v1
kind: Pod
metadata: { name: client, labels: { app: client, security.istio.io/tlsMode: istio } }
spec: { serviceAccountName: client, containers: [] }
status: { podIP: 10.0.0.8 }
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: f }
spec:
  configPatches:
`

const told = (patch: string) =>
  envoyFilterMessages(snapshotOfYaml(POD + patch)).map((message) =>
    messageText(message).replace(/^.*?: (error|warning): /, '$1: '),
  )

test.each([
  [
    'a field that Envoy does not have',
    '    - { applyTo: CLUSTER, patch: { operation: MERGE, value: { connect_timeoot: 3s } } }',
    /error: EnvoyFilter default\/f: spec\.configPatches\[0\]\.patch\.value: it is no envoy\.config\.cluster\.v3\.Cluster: .*connect_timeoot.*\[bad-envoy-filter\]/,
  ],
  [
    'an extension that Envoy does not have',
    '    - { applyTo: HTTP_FILTER, patch: { operation: INSERT_FIRST, value: { name: x, typed_config: { "@type": type.googleapis.com/envoy.No } } } }',
    /error: .*value: it is no envoy\S+\.HttpFilter: .*envoy\.No/,
  ],
  ['no value', '    - { applyTo: CLUSTER, patch: { operation: ADD } }', /error: .*there is no value/],
  [
    'an operation that means nothing there',
    '    - { applyTo: CLUSTER, patch: { operation: INSERT_BEFORE, value: { name: x } } }',
    /error: .*patch\.operation: INSERT_BEFORE needs a place among others, which CLUSTER does not have; use ADD, MERGE or REMOVE/,
  ],
  [
    'matches that fit nothing',
    '    - { applyTo: CLUSTER, match: { cluster: { service: nobody } }, patch: { operation: MERGE, value: { connect_timeout: 3s } } }',
    /warning: .*its matches fit nothing of the proxies that it is for.*\[idle-envoy-filter\]/,
  ],
])('%s', (_, patch, says) => {
  expect(told(patch)).toEqual([expect.stringMatching(says)])
})

test('one that does something is fine, and so is one for no pod that is there', () => {
  const merge = '    - { applyTo: CLUSTER, patch: { operation: MERGE, value: { connect_timeout: 3s } } }'
  expect(told(merge)).toEqual([])
  expect(
    told(
      `${merge.replace('CLUSTER,', 'CLUSTER, match: { cluster: { service: x } },')}\n  workloadSelector: { labels: { app: other } }`,
    ),
  ).toEqual([])
})
