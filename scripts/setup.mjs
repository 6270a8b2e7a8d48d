// Prepares a checkout: everything that is generated rather than committed. Plain JavaScript, so that an old
// Node gets a sentence instead of a syntax error.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `weft needs Node 24 and got ${process.version} for ${process.platform}-${process.arch}. ` +
      'On Linux x64 and arm64 "npm ci" brings one along (is --omit=optional set?); elsewhere install Node 24 or newer.',
  )
  process.exit(1)
}
const { setup } = await import('./setup.ts')
await setup()
