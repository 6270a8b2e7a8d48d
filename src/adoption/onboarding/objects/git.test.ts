import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { gitObjects } from './git.ts'

const POLICY = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'cart', namespace: 'shop' },
  spec: { mtls: { mode: 'STRICT' } },
}

test('each change is a commit that is pushed, beside those of others; to write it again makes none', async () => {
  const home = mkdtempSync(join(tmpdir(), 'git-objects-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const who = ['-c', 'user.name=test', '-c', 'user.email=test@localhost']
  const git = (folder: string, ...args: string[]) =>
    execFileSync('git', [...who, '-C', join(home, folder), ...args], { encoding: 'utf8', stdio: 'pipe' })
  git('', 'init', '--quiet', '--bare', '--initial-branch=main', 'origin.git')
  for (const clone of ['ours', 'theirs']) git('', 'clone', '--quiet', 'origin.git', clone)
  writeFileSync(join(home, 'ours', 'README.md'), 'The shop\n')
  git('ours', 'add', '.')
  git('ours', 'commit', '--quiet', '-m', 'Begin')
  git('ours', 'push', '--quiet', 'origin', 'HEAD:main')
  git('theirs', 'pull', '--quiet')

  const objects = gitObjects(join(home, 'ours'))
  await objects.write({ put: [POLICY], remove: [] }, 'shop/cart: mutual TLS alone')
  await objects.write({ put: [POLICY], remove: [] }, 'shop/cart: the same again')
  writeFileSync(join(home, 'theirs', 'README.md'), 'The shop, by others\n')
  git('theirs', 'pull', '--quiet', '--rebase', '--autostash')
  git('theirs', 'commit', '--quiet', '-am', 'Say whose it is')
  git('theirs', 'push', '--quiet')
  await objects.write({ put: [], remove: [POLICY] }, 'shop/cart: take it back')

  const log = git('origin.git', 'log', '--format=%s', 'main').trim().split('\n')
  expect(log).toEqual(['shop/cart: take it back', 'Say whose it is', 'shop/cart: mutual TLS alone', 'Begin'])
  expect(readFileSync(join(home, 'ours', 'README.md'), 'utf8')).toBe('The shop, by others\n')
  expect(await objects.read(POLICY)).toBeUndefined()
})

test('tells what git says where it refuses', async () => {
  const home = mkdtempSync(join(tmpdir(), 'git-objects-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  await expect(gitObjects(home).write({ put: [POLICY], remove: [] }, 'x')).rejects.toThrow(/git pull in .*: /)
})
