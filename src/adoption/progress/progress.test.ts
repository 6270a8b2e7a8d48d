import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Application } from '../../resources/adoption.ts'
import { KIND } from '../../resources/resource.ts'
import { htmlOf } from '../report/html.ts'
import { markdownOf } from '../report/markdown.ts'
import { type ProgressSources, progressOf } from './progress.ts'
import { progressReport } from './report.ts'
import { savedProgress, saveProgress } from './saved.ts'

function application(name: string, spec: Partial<NonNullable<Application['spec']>> = {}): Application {
  return {
    apiVersion: 'adoption.weft.dev/v1alpha1',
    kind: 'Application',
    [KIND]: 'adoption.weft.dev/Application',
    metadata: { name, namespace: 'shop' },
    spec: { workloads: [{ name }], ...spec },
  }
}

const pods = (name: string, ...proxies: readonly boolean[]) =>
  proxies.map((hasProxy) => ({ workload: `shop/${name}`, hasProxy }))

const edge = (destination: string, calls: number, mutualTls: number | null) => ({
  source: 'shop/web',
  destination: `shop/${destination}`,
  protocol: 'http',
  calls,
  mutualTls,
})

const SOURCES: ProgressSources = {
  at: new Date('2026-05-31T10:00:00Z'),
  applications: [
    application('cart', { owner: { team: 'checkout' }, criticality: 'high' }),
    application('stock', { owner: { team: 'checkout' }, criticality: 'low' }),
    application('mail', { owner: { team: 'post' } }),
    application('zoo', { exempt: { reason: 'a quorum' } }),
  ],
  pods: [...pods('cart', true, true), ...pods('stock', true, false), ...pods('mail', false), ...pods('zoo', false)],
  facts: {
    edges: [edge('cart', 80, 1), edge('stock', 20, 0.5), edge('mail', 100, null)],
    workloads: [
      { namespace: 'shop', workload: 'cart', ports: [{ port: 80, mtls: 'STRICT' }], lastPlaintext: null, policies: 1 },
      {
        namespace: 'shop',
        workload: 'stock',
        ports: [{ port: 80, mtls: 'PERMISSIVE' }],
        lastPlaintext: null,
        policies: 0,
      },
    ],
  },
  spared: { savedByRetry: 7, instancesLeftAlone: 0 },
  cost: { proxies: 3, asked: 2, memory: 64 * 1024 * 1024 },
}

test('counts what is there, of all, by team and by criticality', () => {
  const { all, teams, criticalities, applications } = progressOf(SOURCES)
  expect(all).toEqual({ applications: 3, exempt: 1, inMesh: 1, strict: 1, authorized: 1, encrypted: 0.9 })
  expect(teams.map(({ team, inMesh, applications: count }) => [team, inMesh, count])).toEqual([
    ['checkout', 1, 2],
    ['post', 0, 1],
    ['unsaid', 0, 0],
  ])
  expect(criticalities.map(({ criticality }) => criticality)).toEqual(['high', 'low', 'unsaid'])
  expect(applications.find(({ application }) => application === 'shop/stock')).toMatchObject({
    instances: 2,
    proxies: 1,
  })
})

test('an application without instances is not in the mesh, and one without proxies has no encryption that was seen', () => {
  const { all } = progressOf({ ...SOURCES, applications: [application('gone'), application('mail')] })
  expect(all).toMatchObject({ applications: 2, inMesh: 0, strict: 0, authorized: 0, encrypted: null })
})

test('reports on a page, and calls not observed what was not', () => {
  const unseen = progressOf({
    ...SOURCES,
    facts: { edges: [], workloads: [] },
    spared: { savedByRetry: null, instancesLeftAlone: null },
    cost: { proxies: 3, asked: 0, memory: null },
  })
  const text = markdownOf(progressReport(unseen, []))
  expect(text.match(/not observed/g)?.length).toBeGreaterThanOrEqual(6)
  expect(text).toContain('This is the first day that was kept.')
  const page = htmlOf(progressReport(progressOf(SOURCES), []))
  expect(page).toContain('1 of 3 applications are in the mesh, and 1 take nothing but mutual TLS.')
  expect(page).toContain('7 requests failed at first and were answered well')
  expect(page).toContain('3 proxies (of which 2 answered) hold 64 MiB of memory, 32 MiB each')
  expect(page).toContain('zoo: a quorum')
})

test('keeps a file for each day, and leaves alone what is none', () => {
  const folder = mkdtempSync(join(tmpdir(), 'progress-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  expect(savedProgress(folder)).toEqual([])
  for (const at of ['2026-05-30T09:00:00Z', '2026-05-31T09:00:00Z', '2026-05-31T10:00:00Z'])
    saveProgress(folder, progressOf({ ...SOURCES, at: new Date(at) }))
  writeFileSync(join(folder, 'progress', '2026-05-29.yaml'), 'inMesh: many\n')
  writeFileSync(join(folder, 'progress', 'notes.md'), 'ours\n')
  const days = savedProgress(folder)
  expect(days.map(({ day, inMesh }) => [day, inMesh])).toEqual([
    ['2026-05-30', 1],
    ['2026-05-31', 1],
  ])
  expect(markdownOf(progressReport(progressOf(SOURCES), days))).toContain('2026-05-30: 33 %, 1 of 3 in the mesh')
})
