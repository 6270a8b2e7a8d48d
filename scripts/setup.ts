import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateProto, protoInputs } from './generate-proto.ts'
import { generateSchemas, schemaInputs } from './generate-schemas.ts'
import { generateUi, uiInputs } from './generate-ui.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Generates what is missing or out of date under `gen/`; does nothing, quickly, when all is there. */
export async function setup(): Promise<void> {
  await step('Envoy API types', 'proto', protoInputs(), () => generateProto(join(root, 'gen', 'proto')))
  await step('resource schemas and types', 'schemas', schemaInputs(), () => generateSchemas(join(root, 'gen')))
  await step('console', 'ui', uiInputs(), () => generateUi(join(root, 'gen', 'ui')))
}

/** Runs `make` unless `gen/NAME.stamp` says that it ran with the same inputs. */
async function step(title: string, name: string, inputs: string, make: () => Promise<void>): Promise<void> {
  const stamp = join(root, 'gen', `${name}.stamp`)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs) return
  process.stderr.write(`weft: generating ${title} ...`)
  const start = performance.now()
  try {
    await make()
  } catch (error) {
    process.stderr.write(` failed\n${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  }
  writeFileSync(stamp, inputs)
  process.stderr.write(` ${((performance.now() - start) / 1000).toFixed(1)} s\n`)
}
