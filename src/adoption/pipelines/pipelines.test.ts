import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { PIPELINES } from './all.ts'

const OPTIONS = {
  folder: 'mesh/shop',
  namespace: 'shop',
  image: 'docker.io/weft/weft:0.1.0',
  kubectlImage: 'docker.io/alpine/k8s:1.36.0',
  repository: 'https://git.example.com/shop/mesh.git',
  branch: 'main',
}

const text = (tool: string) => PIPELINES[tool]?.text(OPTIONS) ?? expect.fail(tool)

function documents(tool: string): Record<string, never>[] {
  return parseAllDocuments(text(tool)).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as Record<string, never>
  })
}

test.each(Object.keys(PIPELINES))('%s has the gate, names what it is made for, and says what it needs', (tool) => {
  const plain = text(tool)
    .replaceAll(/["',[\]]/g, '')
    .replaceAll(/ +/g, ' ')
  expect(plain).toContain('analyze -f mesh/shop -R --failure-threshold warning')
  expect(text(tool)).toContain('docker.io/weft/weft:0.1.0')
  expect(text(tool)).not.toContain('undefined')
  expect(PIPELINES[tool]?.before.length).toBeGreaterThan(0)
})

test.each(['github', 'gitlab', 'jenkins'])(
  '%s shows what would change before it applies it, to one namespace',
  (tool) => {
    const [diff, apply] = ['kubectl diff --server-side', 'kubectl apply --server-side'].map((each) =>
      text(tool).indexOf(each),
    )
    expect(diff).toBeGreaterThan(text(tool).indexOf('analyze -f'))
    expect(apply).toBeGreaterThan(diff ?? 0)
    for (const line of text(tool)
      .split('\n')
      .filter((each) => /kubectl (diff|apply)/.test(each)))
      expect(line).toContain('-n shop -f mesh/shop')
  },
)

describe('what they are made of', () => {
  test('GitHub: applied on a push only, after the gate', () => {
    const [workflow] = documents('github') as unknown as [
      { on: object; jobs: { apply: { needs: string; if: string }; gate: { steps: { run?: string }[] } } },
    ]
    expect(Object.keys(workflow.on)).toEqual(['pull_request', 'push'])
    expect(workflow.jobs.apply).toMatchObject({ needs: 'gate', if: "github.event_name == 'push'" })
    // What is run is shell that can be read.
    for (const { run } of workflow.jobs.gate.steps)
      if (run) expect(spawnSync('sh', ['-n'], { input: run }).status).toBe(0)
  })

  test('GitLab: stages in their order, applied by hand on the default branch', () => {
    const [pipeline] = documents('gitlab') as unknown as [
      { stages: string[]; apply: { rules: { when: string }[] }; preview: { script: string[] } },
    ]
    expect(pipeline.stages).toEqual(['gate', 'preview', 'apply'])
    expect(pipeline.apply.rules[0]?.when).toBe('manual')
    expect(spawnSync('sh', ['-n'], { input: pipeline.preview.script.join('\n') }).status).toBe(0)
  })

  test('Jenkins: braces and quotes are whole', () => {
    const file = text('jenkins')
    expect(file.split('{').length).toBe(file.split('}').length)
    for (const line of file.split('\n')) expect((line.match(/'/g) ?? []).length % 2, line).toBe(0)
  })

  test('Argo CD: the gate is a hook before the sync', () => {
    const [application, job] = documents('argocd')
    expect(application).toMatchObject({
      kind: 'Application',
      spec: { source: { path: 'mesh/shop', repoURL: OPTIONS.repository }, destination: { namespace: 'shop' } },
    })
    expect(job).toMatchObject({ kind: 'Job', metadata: { annotations: { 'argocd.argoproj.io/hook': 'PreSync' } } })
  })

  test('Flux: what is applied waits for the gate', () => {
    const [repository, gate, applied, job] = documents('flux')
    expect(repository).toMatchObject({
      kind: 'GitRepository',
      spec: { url: OPTIONS.repository, ref: { branch: 'main' } },
    })
    expect(gate).toMatchObject({ kind: 'Kustomization', spec: { wait: true, path: './gate' } })
    expect(applied).toMatchObject({
      spec: { path: './mesh/shop', dependsOn: [{ name: 'mesh-shop-gate' }], targetNamespace: 'shop' },
    })
    expect(job).toMatchObject({ kind: 'Job', metadata: { name: 'mesh-gate' } })
  })
})
