import { expect, test } from 'vitest'
import { withoutSecrets } from './without-secrets.ts'

test('values of environment variables and contents of secrets are left out', () => {
  const pod = {
    kind: 'Pod',
    metadata: {
      name: 'cart',
      managedFields: [{ manager: 'kubectl' }],
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{"env":"hunter2"}', kept: 'yes' },
    },
    spec: {
      containers: [
        {
          name: 'app',
          env: [
            { name: 'PASSWORD', value: 'hunter2' },
            { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'token', key: 'token' } } },
          ],
        },
      ],
    },
  }
  const secret = { kind: 'Secret', metadata: { name: 'token' }, data: { token: 'aHVudGVyMg==' } }
  const left = withoutSecrets([pod, secret])
  expect(JSON.stringify(left)).not.toMatch(/hunter2|aHVudGVyMg|managedFields/)
  expect(left).toEqual([
    {
      kind: 'Pod',
      metadata: { name: 'cart', annotations: { kept: 'yes' } },
      spec: {
        containers: [
          {
            name: 'app',
            env: [
              { name: 'PASSWORD', value: '(left out)' },
              { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'token', key: 'token' } } },
            ],
          },
        ],
      },
    },
    { kind: 'Secret', metadata: { name: 'token' }, data: '(left out)' },
  ])
})
