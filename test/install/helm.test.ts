// The Helm chart gives what `weft install` does.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { installationFiles } from '../../scripts/generate-helm-chart.ts'
import { definitions } from '../../src/install/definitions.ts'
import { type InstalledObject, installation } from '../../src/install/installation.ts'
import { type Profile, parseSet, settingValues } from '../../src/install/settings.ts'
import { checkout } from '../cli/weft.ts'
import { helm, makeHelm, noHelm } from './helm.ts'

const CHART = join(checkout, 'deploy/helm/weft')

test('the chart and the pages about installations are what src/install says', () => {
  for (const [path, text] of Object.entries(installationFiles()))
    expect(
      readFileSync(join(checkout, path), 'utf8'),
      `${path} is out of date: run node_modules/.bin/node scripts/generate-helm-chart.ts`,
    ).toBe(text)
})

if (noHelm !== undefined) console.warn(`skipping what needs the real Helm: ${noHelm}`)

describe.skipIf(noHelm !== undefined)('with the real Helm', () => {
  beforeAll(makeHelm, 600_000)

  const cases: readonly (readonly [profile: Profile, namespace: string, set: readonly string[]])[] = [
    ['minimal', 'weft-system', []],
    ['default', 'weft-system', []],
    ['production', 'weft-system', []],
    [
      'default',
      'mesh',
      [
        'revision=canary',
        'trustDomain=example.org',
        'server.replicas=3',
        'server.tolerations=[{"key": "a<b", "operator": "Exists"}]',
        'imagePullSecrets=[{"name": "registry"}]',
        'gatewayClass=false',
        'validation=false',
      ],
    ],
    [
      'default',
      'weft-system',
      [
        'server.storageSize=5Gi',
        'server.storageClassName=fast',
        'monitoring.grafanaDashboards=true',
        'monitoring.prometheusOperator=true',
        'monitoring.release=prom',
      ],
    ],
  ]

  test.each(cases)('the same objects: %s in %s %s', async (profile, namespace, set) => {
    const values = settingValues({ profile, namespace, set: parseSet(set, parse) })
    const rendered = await rendering(profile, namespace, set)
    const wanted = installation(values).filter(({ kind }) => kind !== 'Namespace')
    expect(byName(rendered)).toEqual(byName(wanted))
  })

  test('the same definitions of kinds', async () => {
    const rendered = objectsIn(await helm(...template('weft-system'), '--include-crds')).filter(
      ({ kind }) => kind === 'CustomResourceDefinition',
    )
    const wanted = await definitions(settingValues({ namespace: 'weft-system' }))
    expect(wanted.length).toBeGreaterThan(20)
    expect(rendered.length).toBe(wanted.length)
    const specs = (objects: readonly InstalledObject[]) =>
      Object.fromEntries(objects.map(({ metadata, spec }) => [metadata.name, withoutProse(spec)]))
    expect(specs(rendered)).toEqual(specs(wanted))
  })

  test('a setting that there is not, and a value of the wrong type, are refused', async () => {
    await expect(helm(...template('weft-system'), '--set', 'server.replica=2')).rejects.toThrow(/replica/)
    await expect(helm(...template('weft-system'), '--set', 'server.replicas=many')).rejects.toThrow(/integer/)
  })

  test('the chart passes helm lint', async () => {
    expect(await helm('lint', '--strict', CHART, '--kube-version', '1.36.0')).toContain('0 chart(s) failed')
  })
})

/** Of the longest definition `weft install` writes only the first paragraphs. */
function withoutProse(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema), (name, field) => {
    return name === 'description' && typeof field === 'string' ? '' : field
  })
}

function template(namespace: string): string[] {
  return ['template', 'weft', CHART, '--namespace', namespace, '--kube-version', '1.36.0']
}

async function rendering(profile: Profile, namespace: string, set: readonly string[]) {
  const file = profile === 'default' ? [] : ['--values', join(CHART, `profile-${profile}.yaml`)]
  const sets = set.flatMap((word) => {
    const equals = word.indexOf('=')
    const value = word.slice(equals + 1)
    return [
      '--set-json',
      `${word.slice(0, equals)}=${/^([[{]|(\d+|true|false)$)/.test(value) ? value : JSON.stringify(value)}`,
    ]
  })
  return objectsIn(await helm(...template(namespace), ...file, ...sets))
}

function objectsIn(text: string): InstalledObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    const object = 'toJS' in document ? (document.toJS() as InstalledObject | null) : null
    return object ? [object] : []
  })
}

/** By kind and name, with whom each says that it is managed by made the same. */
function byName(objects: readonly InstalledObject[]): Record<string, unknown> {
  return Object.fromEntries(
    objects.map((object) => {
      const { kind, metadata } = object
      const managedBy = metadata.labels?.['app.kubernetes.io/managed-by']
      expect(['Helm', 'weft-install']).toContain(managedBy)
      const labels = { ...metadata.labels, 'app.kubernetes.io/managed-by': 'somebody' }
      return [`${kind} ${metadata.namespace ?? ''}/${metadata.name}`, { ...object, metadata: { ...metadata, labels } }]
    }),
  )
}
