import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Estate } from './estate.ts'
import { estateOfFiles } from './of-files.ts'

/** The estate that some YAML is, for tests. */
export function estateOfYaml(yaml: string): Estate {
  const folder = mkdtempSync(join(tmpdir(), 'weft-estate-'))
  try {
    writeFileSync(join(folder, 'estate.yaml'), yaml)
    return { ...estateOfFiles([folder], false), label: 'the test' }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
