import { existsSync, globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'

const root = new URL('../../', import.meta.url)
const samples = new URL('samples/', root).pathname
const published = new URL('../shared/corpus/istio-samples/', root).pathname

type Container = { image: string; ports: unknown }
type Resource = {
  apiVersion: string
  kind: string
  metadata: { name: string; labels?: unknown }
  spec?: {
    template: { metadata: { labels: unknown }; spec: { serviceAccountName: string; containers: Container[] } }
  } & Record<string, unknown>
}

/** The objects of a file; a key given twice or a broken document fails. */
function objects(path: string): Resource[] {
  return parseAllDocuments(readFileSync(path, 'utf8'))
    .map((document) => {
      expect(document.errors, path).toEqual([])
      return document.toJS() as Resource | null
    })
    .filter((object) => object !== null)
}

const imagesOf = (path: string) =>
  objects(path)
    .filter(({ kind }) => kind === 'Deployment')
    .flatMap(({ spec }) => spec?.template.spec.containers.map(({ image }) => image.replace(/:[^/]*$/, '')) ?? [])

const { images } = parse(readFileSync(`${samples}images.yaml`, 'utf8')) as {
  images: Record<string, { command: string[]; env?: Record<string, unknown> }>
}

describe('the image map', () => {
  test.each(Object.entries(images))('%s has a program, and only strings for environment', (name, { command, env }) => {
    expect(name).toMatch(/^[\w.-]+\.[a-z]+\/[\w./-]+$/)
    expect(command[0]).toBe('node')
    expect(existsSync(`${samples}${command[1]}`), command[1]).toBe(true)
    expect(Object.values(env ?? {}).filter((value) => typeof value !== 'string')).toEqual([])
  })

  test('has every image that our samples run', () => {
    const files = globSync('**/*.yaml', { cwd: samples }).filter((file) => file !== 'images.yaml')
    const wanted = new Set(files.flatMap((file) => imagesOf(`${samples}${file}`)))
    expect(wanted.size).toBe(8)
    expect([...wanted].filter((image) => !(image in images))).toEqual([])
  })
})

test('the estate calls Services that it has, and its inventory misses stocktaker alone', () => {
  const all = ['shop', 'pay', 'depot'].flatMap((file) => objects(`${samples}estate/${file}.yaml`))
  type Named = { name: string; namespace: string }
  const key = ({ metadata }: Resource) => `${(metadata as Named).namespace}/${metadata.name}`
  const services = new Set(all.filter(({ kind }) => kind === 'Service').map(key))
  const deployments = all.filter(({ kind }) => kind === 'Deployment')
  expect(services.size).toBe(22)
  const called = deployments.flatMap((deployment) => {
    const { namespace } = deployment.metadata as Named
    const env = deployment.spec?.template.spec.containers.flatMap(
      (container) => (container as Container & { env: { name: string; value: string }[] }).env,
    )
    const urls = (env?.find(({ name }) => name === 'CALLS')?.value ?? '').split(' ').filter(Boolean)
    return urls.map((url) => new URL(url).hostname).map((host) => host.split('.').concat(namespace).slice(0, 2))
  })
  expect(called.map(([name, namespace]) => `${namespace}/${name}`).filter((name) => !services.has(name))).toEqual([])
  const inventory = objects(`${samples}estate/inventory/applications.yaml`).map(key)
  expect(deployments.map(key).filter((name) => !inventory.includes(name))).toEqual(['depot/stocktaker'])
})

describe.skipIf(!existsSync(published))('the published samples (skipped where ../shared/corpus is absent)', () => {
  test.each([
    'bookinfo/platform/kube/bookinfo.yaml',
    'bookinfo/platform/kube/bookinfo-details-v2.yaml',
    'bookinfo/platform/kube/bookinfo-ratings-v2.yaml',
    'helloworld/helloworld.yaml',
    'tcp-echo/tcp-echo-services.yaml',
  ])('%s finds all its images in the map', (file) => {
    const wanted = imagesOf(published + file)
    expect(wanted).not.toEqual([])
    expect(wanted.filter((image) => !(image in images))).toEqual([])
  })

  test('Bookinfo has the same services, accounts, labels and ports as ours', () => {
    const outline = (path: string) =>
      objects(path)
        .map(({ kind, metadata, spec }) => {
          const shape = { kind, name: metadata.name, labels: metadata.labels }
          if (kind !== 'Deployment' || !spec) return kind === 'Service' ? { ...shape, spec } : shape
          const { metadata: pod, spec: run } = spec.template
          const ports = run.containers.map(({ ports }) => ports)
          return { ...shape, podLabels: pod.labels, account: run.serviceAccountName, ports }
        })
        .sort((one, other) => `${one.kind}/${one.name}`.localeCompare(`${other.kind}/${other.name}`))
    const ours = outline(`${samples}bookinfo/bookinfo.yaml`)
    expect(ours).toHaveLength(14)
    expect(ours).toEqual(outline(`${published}bookinfo/platform/kube/bookinfo.yaml`))
  })
})
