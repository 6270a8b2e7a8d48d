import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import packageJson from '../../package.json' with { type: 'json' }
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { readImageMap } from '../../src/sources/local-cluster/image-map.ts'

const run = promisify(execFile)

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SAMPLES = join(ROOT, 'samples')

export const WEFT_IMAGE = `docker.io/weft/weft:${packageJson.version}`
const ENVOY_IMAGE = 'docker.io/envoyproxy/envoy:v1.40.0'

/**
 * Makes the images that the tests' pods name, from files of this machine, for a lab that takes such: Envoy, Weft as deploy/images/Dockerfile makes it, and
 * our samples under their own names and those of the published ones.
 * @param lab `../shared/cluster/cluster`
 */
export async function makeImages(lab: string): Promise<void> {
  const image = async (...args: readonly string[]) => void (await run(lab, ['image', ...args]))
  await image(ENVOY_IMAGE, '--bin', `${await findEnvoy()}:/usr/local/bin/envoy`, '--entrypoint', 'envoy', '--busybox')
  await weftImage(image)
  await sampleImages(image)
}

/** Packages inside of packages, which are listed by themselves, and what only people and compilers read. */
const UNUSED = /\/node_modules$|\.d\.[cm]?ts$|\.map$|\.md$/

type MakeImage = (...args: readonly string[]) => Promise<void>

const NODE = realpathSync(process.execPath)

export async function weftImage(image: MakeImage): Promise<void> {
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
      WEFT_IMAGE,
      ...['--bin', `${NODE}:/usr/local/bin/node`, '--add', `${folder}:/weft`, '--busybox'],
      ...['--bin', '/usr/bin/nsenter', ...iptables()],
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

/** Tags of the published samples. */
const SAMPLE_TAGS: readonly (readonly [RegExp, string])[] = [
  [/^docker\.io\/weft\//, packageJson.version],
  [/examples-bookinfo/, '1.20.3'],
]

async function sampleImages(image: MakeImage): Promise<void> {
  for (const [name, program] of readImageMap(join(SAMPLES, 'images.yaml'))) {
    const [, tag] = SAMPLE_TAGS.find(([pattern]) => pattern.test(name)) ?? []
    if (tag === undefined || name.startsWith('docker.io/istio/')) continue
    await image(
      `${name}:${tag}`,
      ...['--bin', `${NODE}:/usr/local/bin/node`, '--add', `${SAMPLES}:/samples`, '--busybox', '--workdir', '/samples'],
      ...program.command.flatMap((word) => ['--entrypoint', word]),
      ...Object.entries(program.env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
      ...['--user', '1000'],
    )
  }
}
