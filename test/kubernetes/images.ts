import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import packageJson from '../../package.json' with { type: 'json' }
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { type Program, readImageMap } from '../../src/sources/local-cluster/image-map.ts'

const run = promisify(execFile)

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SAMPLES = join(ROOT, 'samples')
const NODE = realpathSync(process.execPath)

const WEFT_IMAGE = `docker.io/weft/weft:${packageJson.version}`
const ENVOY_IMAGE = 'docker.io/envoyproxy/envoy:v1.40.0'

/**
 * Makes the images that the tests' pods name, from files of this machine, for a lab that takes such: Envoy, Weft as deploy/images/Dockerfile makes it, and
 * our samples under their own names and those of the published ones. What was made from the same files before is left.
 * @param lab `../shared/cluster/cluster`
 */
export async function makeImages(lab: string): Promise<void> {
  const there = new Set((await run(lab, ['image', '--list'])).stdout.split(/\s+/))
  const made = async (name: string, sources: readonly string[], make: (image: MakeImage) => Promise<void>) => {
    const stamp = join(STAMPS, name.replaceAll(/[/:]/g, '_'))
    const now = fingerprint([NODE, ...sources])
    if (there.has(name) && existsSync(stamp) && readFileSync(stamp, 'utf8') === now) return
    await make(async (...args) => void (await run(lab, ['image', name, ...args])))
    mkdirSync(STAMPS, { recursive: true })
    writeFileSync(stamp, now)
  }
  const envoy = await findEnvoy()
  await made(ENVOY_IMAGE, [envoy], (image) =>
    image('--bin', `${envoy}:/usr/local/bin/envoy`, '--entrypoint', 'envoy', '--busybox'),
  )
  for (const [name, program] of samples()) await made(name, [SAMPLES], (image) => sampleImage(image, program))
  return made(
    WEFT_IMAGE,
    ['package-lock.json', 'bin', 'src', 'gen'].map((name) => join(ROOT, name)),
    weftImage,
  )
}

/** Of what an image was made. */
const STAMPS = join(tmpdir(), 'weft-test-images')

/** Another where one of these files, or a file in one of these folders, is. */
function fingerprint(paths: readonly string[]): string {
  const hash = createHash('sha256')
  const add = (path: string) => {
    const stat = statSync(path)
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name))
    else hash.update(`${path} ${stat.size} ${stat.mtimeMs}\n`)
  }
  for (const path of paths) add(path)
  return hash.digest('hex')
}

/** Packages inside of packages, which are listed by themselves, and what only people and compilers read. */
const UNUSED = /\/node_modules$|\.d\.[cm]?ts$|\.map$|\.md$/

type MakeImage = (...args: readonly string[]) => Promise<void>

async function weftImage(image: MakeImage): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-image-'))
  try {
    for (const name of ['package.json', 'bin', 'src', 'gen'])
      cpSync(join(ROOT, name), join(folder, name), { recursive: true })
    for (const path of await productionPackages()) {
      mkdirSync(join(folder, path), { recursive: true })
      cpSync(join(ROOT, path), join(folder, path), {
        recursive: true,
        filter: (from) => !UNUSED.test(from.slice(join(ROOT, path).length)),
      })
    }
    await image(
      ...['--bin', `${NODE}:/usr/local/bin/node`, '--add', `${folder}:/weft`, '--busybox'],
      ...['--bin', '/usr/bin/nsenter', '--bin', '/usr/bin/ip', ...iptables()],
      ...['--entrypoint', '/usr/local/bin/node', '--entrypoint', '/weft/bin/weft.js', '--user', '65532'],
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Folders of the packages that run in production, below the checkout; Node itself comes otherwise. */
async function productionPackages(): Promise<readonly string[]> {
  const { stdout } = await run('npm', ['ls', '--omit=dev', '--omit=optional', '--parseable', '--all'], { cwd: ROOT })
  return stdout
    .split('\n')
    .map((path) => path.slice(ROOT.length))
    .filter(
      (path) =>
        path.startsWith('node_modules/') && !path.startsWith('node_modules/node-linux') && existsSync(join(ROOT, path)),
    )
}

/** The variant that talks to nftables, with its extensions. */
function iptables(): string[] {
  const program = '/usr/sbin/xtables-nft-multi'
  const links = ['iptables', 'ip6tables'].flatMap((name) =>
    ['', '-save', '-restore'].flatMap((end) => ['--link', `xtables-nft-multi:/usr/sbin/${name}${end}`]),
  )
  const extensions = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/xtables`
  return ['--bin', program, '--add', `${extensions}:${extensions}`, ...links]
}

/** The published Bookinfo's images by its own names, and a workload for trying things. */
function samples(): readonly (readonly [string, Program])[] {
  return [...readImageMap(join(SAMPLES, 'images.yaml'))].flatMap(([name, program]) => {
    const tag = TAGS.find(([pattern]) => pattern.test(name))?.[1]
    return tag === undefined ? [] : [[`${name}:${tag}`, program] as const]
  })
}

const TAGS: readonly (readonly [RegExp, string])[] = [
  [/^docker\.io\/weft\/echo$/, packageJson.version],
  [/^docker\.io\/weft\/estate-service$/, '1'],
  [/^registry\.istio\.io\/release\/examples-bookinfo-(?!.*(details|ratings)-v2)/, '1.20.3'],
]

function sampleImage(image: MakeImage, { command, env }: Program): Promise<void> {
  return image(
    ...['--bin', `${NODE}:/usr/local/bin/node`, '--add', `${SAMPLES}:/samples`, '--busybox', '--workdir', '/samples'],
    ...packagesOf(SAMPLES_USE).flatMap((name) => [
      '--add',
      `${join(ROOT, 'node_modules', name)}:/node_modules/${name}`,
    ]),
    ...command.flatMap((word) => ['--entrypoint', word]),
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...['--user', '1000'],
  )
}

/** What the estate speaks gRPC with. */
const SAMPLES_USE = '@grpc/grpc-js'

/** A package, and all that it needs. */
function packagesOf(name: string, found = new Set<string>()): readonly string[] {
  if (!found.has(name)) {
    found.add(name)
    const file = readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')
    const { dependencies = {} } = JSON.parse(file) as { readonly dependencies?: Readonly<Record<string, string>> }
    for (const each of Object.keys(dependencies)) packagesOf(each, found)
  }
  return [...found]
}

// By hand, for a lab that is up already: node test/kubernetes/images.ts ../shared/cluster/cluster
if (import.meta.main) await makeImages(process.argv[2] ?? '')
