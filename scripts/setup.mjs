// Prepares a checkout: everything that is generated rather than committed. Plain JavaScript, so that an old Node gets
// further than a syntax error: it hands over to the Node 24 that npm brought along.
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, rmSync, symlinkSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const self = fileURLToPath(import.meta.url)
const packageName = `node-${process.platform}-${process.arch}`
const brought = fileURLToPath(new URL(`../node_modules/${packageName}/bin/node`, import.meta.url))

if (Number(process.versions.node.split('.')[0]) >= 24) {
  const { setup } = await import('./setup.ts')
  await setup()
} else if (existsSync(brought)) {
  link()
  process.exitCode = spawnSync(brought, [self], { stdio: 'inherit' }).status ?? 1
} else {
  console.error(
    `weft needs Node 24 and got ${process.version} for ${process.platform}-${process.arch}. ` +
      'On Linux x64 and arm64 "npm ci" brings one along (is --omit=optional set?); elsewhere install Node 24 or newer.',
  )
  process.exitCode = 1
}

/**
 * Makes `node` of `npm run` and of `npx` the one that was brought along. npm does that itself from version 11 on; npm 10 takes the
 * link away with the package for the other architecture, which is optional and did not fit.
 */
function link() {
  const bin = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))
  if (existsSync(bin)) return
  if (lstatSync(bin, { throwIfNoEntry: false })) rmSync(bin)
  symlinkSync(`../${packageName}/bin/node`, bin)
}
