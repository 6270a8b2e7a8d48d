import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readFiles } from '../sources/files/files.ts'
import type { ImageMap, Program } from '../sources/local-cluster/image-map.ts'
import { localCluster, noMemory } from '../sources/local-cluster/local-cluster.ts'
import { Snapshot } from '../store/snapshot.ts'
import { analyze } from './analyze.ts'

const bookinfo = join(import.meta.dirname, '../../../shared/corpus/istio-samples/bookinfo')
const rules = 'networking/destination-rule-all.yaml'

/** Errors and warnings that are true of what is published, applied on top of bookinfo.yaml; nothing is said of any other file. */
const TRUE_FINDINGS: Readonly<Record<string, readonly string[]>> = {
  // There is no cert-manager here.
  'networking/certmanager-gateway.yaml': [
    'error route-to-missing-host VirtualService istio-system/cert-manager spec.http[0].route[0].destination.host',
  ],
  // Its second rule stands after one that takes every request.
  'networking/fault-injection-details-v1.yaml': [
    'warning unreachable-rule VirtualService default/details spec.http[1]',
  ],
  // Versions that bookinfo.yaml does not run.
  'networking/virtual-service-details-v2.yaml': [
    'warning routed-subset-without-pods DestinationRule default/details spec.subsets[1].labels',
  ],
  'networking/virtual-service-ratings-db.yaml': [
    'warning routed-subset-without-pods DestinationRule default/ratings spec.subsets[1].labels',
  ],
  'networking/virtual-service-ratings-mysql.yaml': [
    'warning routed-subset-without-pods DestinationRule default/ratings spec.subsets[2].labels',
  ],
  'networking/virtual-service-ratings-mysql-vm.yaml': [
    'warning routed-subset-without-pods DestinationRule default/ratings spec.subsets[3].labels',
  ],
}

const anyImage: ImageMap = new (class extends Map<string, Program> {
  override has = () => true
  override get = () => ({ command: [], folder: '', env: {} })
})()

function findings(...files: readonly string[]): string[] {
  const content = readFiles({ paths: files.map((file) => join(bookinfo, file)), recursive: false })
  const cluster = localCluster(
    Snapshot.of(content.resources),
    noMemory,
    undefined,
    { block: 64, images: anyImage },
    '',
    () => {},
  )
  return analyze(Snapshot.of(cluster.resources), content.messages)
    .filter(({ severity, rule }) => severity !== 'info' && rule !== 'field-not-supported')
    .map(({ severity, rule, object, field }) => `${severity} ${rule} ${object} ${field}`)
}

describe.skipIf(!existsSync(bookinfo))("Istio's published Bookinfo (in ../shared/corpus)", () => {
  const files = ['networking', 'gateway-api'].flatMap((folder) =>
    existsSync(bookinfo) ? readdirSync(join(bookinfo, folder)).map((file) => `${folder}/${file}`) : [],
  )

  test.each(files)('%s', (file) => {
    const platform = ['platform/kube/bookinfo.yaml']
    // Routes of the Gateway API name a Service for each version; those of Istio's API subsets, unless the file has its own.
    if (file.startsWith('gateway-api/')) platform.push('platform/kube/bookinfo-versions.yaml')
    else if (!/destination-rule|fault-injection/.test(file)) platform.push(rules)
    expect(findings(...platform, file)).toEqual(TRUE_FINDINGS[file] ?? [])
  })
})
