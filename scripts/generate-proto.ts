import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import * as wkt from '@bufbuild/protobuf/wkt'
import { fetchWheel } from '../src/agent/wheel.ts'
import { addNewerFields, NEWER_FIELDS } from './newer-fields.ts'

/** The package on PyPI that carries the descriptors of the whole Envoy API. */
const XDS_PROTOS = { name: 'xds-protos', version: '1.85.0' }
/** That with the descriptors of OTLP, of which the first has only what Envoy's API mentions. */
const OTLP_PROTOS = { name: 'opentelemetry-proto', version: '1.45.2' }

/** What we generate for: these and all that they import. */
const ROOTS =
  /^(envoy\/(config|service\/(discovery|secret|cluster|listener|route|endpoint|accesslog|metrics)|admin|data|type|extensions)\/|grpc\/|opentelemetry\/proto\/(collector\/(trace|metrics|logs)|trace|metrics|logs|common|resource)\/)/

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Changes when the output would. */
export function protoInputs(): string {
  const plugin = readFileSync(join(root, 'node_modules/@bufbuild/protoc-gen-es/package.json'), 'utf8')
  return JSON.stringify([XDS_PROTOS, OTLP_PROTOS, ROOTS.source, 'registry', NEWER_FIELDS, JSON.parse(plugin).version])
}

/**
 * Writes JavaScript and type declarations for the Envoy API and OTLP under `out`.
 * The descriptors are read out of the Python modules of both packages as bytes; nothing of it is run.
 */
export async function generateProto(out: string): Promise<void> {
  const files = new Map<string, wkt.FileDescriptorProto>()
  for (const source of [XDS_PROTOS, OTLP_PROTOS]) {
    const set = fromBinary(wkt.FileDescriptorSetSchema, descriptorsOf(await fetchWheel(source)))
    for (const file of set.file) files.set(file.name, file)
  }
  for (const [name, value] of Object.entries(wkt)) {
    if (name.startsWith('file_google_protobuf_')) {
      const { proto } = value as { proto: wkt.FileDescriptorProto }
      files.set(proto.name, proto)
    }
  }
  addNewerFields(files)
  const ordered: wkt.FileDescriptorProto[] = []
  const seen = new Set<string>()
  const visit = (name: string) => {
    if (seen.has(name)) return
    seen.add(name)
    const file = files.get(name)
    if (!file) throw new Error(`neither ${XDS_PROTOS.name} nor ${OTLP_PROTOS.name} has ${name}`)
    file.dependency.forEach(visit)
    ordered.push(file)
  }
  for (const name of files.keys()) if (ROOTS.test(name)) visit(name)
  const request = create(wkt.CodeGeneratorRequestSchema, {
    fileToGenerate: ordered.map((file) => file.name).filter((name) => !name.startsWith('google/protobuf/')),
    parameter: 'target=js+dts,import_extension=js',
    protoFile: ordered,
  })
  const run = spawnSync(process.execPath, [join(root, 'node_modules/.bin/protoc-gen-es')], {
    input: toBinary(wkt.CodeGeneratorRequestSchema, request),
    maxBuffer: 2 ** 30,
  })
  if (run.status !== 0) throw new Error(`protoc-gen-es failed: ${run.stderr}`)
  const response = fromBinary(wkt.CodeGeneratorResponseSchema, run.stdout)
  if (response.error) throw new Error(`protoc-gen-es: ${response.error}`)
  rmSync(out, { recursive: true, force: true })
  for (const file of response.file) {
    const path = join(out, file.name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, file.content)
  }
  writeRegistry(out, ordered)
}

/** Writes a module with all that was generated, for messages that are named at run time only: in configuration that people write. */
function writeRegistry(out: string, files: readonly wkt.FileDescriptorProto[]): void {
  const modules = files
    .map(({ name }) => name)
    .filter((name) => !name.startsWith('google/protobuf/'))
    .map((name, i) => ({ path: `./${name.replace(/\.proto$/, '_pb.js')}`, file: fileConstant(name), local: `f${i}` }))
  const imports = modules.map(({ path, file, local }) => `import { ${file} as ${local} } from '${path}'\n`).join('')
  const all = modules.map(({ local }) => local).join(', ')
  const head = "import { createRegistry } from '@bufbuild/protobuf'\n"
  writeFileSync(join(out, 'registry_pb.js'), `${head}${imports}export const registry = createRegistry(${all})\n`)
  const type = "import type { Registry } from '@bufbuild/protobuf'\nexport declare const registry: Registry\n"
  writeFileSync(join(out, 'registry_pb.d.ts'), type)
}

/** The name that protoc-gen-es gives the descriptor of a file. */
function fileConstant(name: string): string {
  return `file_${name.replace(/\.proto$/, '').replaceAll(/[^a-zA-Z0-9_]/g, '_')}`
}

/** A serialized google.protobuf.FileDescriptorSet of every `*_pb2.py` below `folder`. */
function descriptorsOf(folder: string): Uint8Array {
  const program = `
import ast, os, sys
def varint(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128]); n >>= 7
    return out + bytes([n])
for folder, _, names in os.walk(sys.argv[1]):
    for name in sorted(names):
        if name.endswith('_pb2.py'):
            with open(os.path.join(folder, name), encoding='utf8') as file:
                tree = ast.parse(file.read())
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'AddSerializedFile':
                    data = node.args[0].value
                    sys.stdout.buffer.write(b'\\x0a' + varint(len(data)) + data)
`
  const run = spawnSync('python3', ['-c', program, folder], { maxBuffer: 2 ** 28 })
  if (run.status !== 0) throw new Error(`python3 could not read the descriptors: ${run.stderr ?? run.error?.message}`)
  return run.stdout
}
